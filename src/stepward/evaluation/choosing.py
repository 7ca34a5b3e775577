"""Choices among several traces of each problem, replayed with every scorer, and how their accuracies differ.

What is compared is fixed before any figure is seen: the first scorer's choice by its first reducer, less a majority
vote, less its own weighted vote, less every other scorer's choice. These are one family, and Holm decides (`families`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepward.evaluation.evaluated import Difference
from stepward.evaluation.families import in_family, student_p
from stepward.evaluation.material import Entrant, Material, Settings
from stepward.reduce import NEEDS_PROBABILITIES, reduce_scores
from stepward.search.replay import CurvePoint, Method, Pool, selection_curves, selection_difference
from stepward.types import LabeledTrace
from stepward.verifiers.canonical import canonical_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Choices replayed, or why not."""

    curves: tuple[CurvePoint, ...] = ()
    differences: tuple[Difference, ...] = ()
    pools: int = 0
    why: str = ""


def choose(material: Material, settings: Settings) -> Selected:
    """Replay every way of choosing that the traces of `material` allow, or say why there is none."""
    pools = _pools(material)
    if not pools:
        return Selected(why="no trace has a verdict")
    smallest = min(map(len, pools))
    if smallest < 2:
        return Selected(why="some problem has a single trace with a verdict: there is nothing to choose from")
    ns = settings.ns or tuple(2**power for power in range(smallest.bit_length()) if 2**power <= smallest)
    methods = _methods(material)
    curves = selection_curves(pools, ns=ns, methods=methods, seed=settings.seed)
    return Selected(curves=curves, differences=_differences(pools, max(ns), methods, settings.seed), pools=len(pools))


def _differences(pools: Sequence[Pool], n: int, methods: Sequence[Method], seed: int) -> tuple[Difference, ...]:
    pairs = _compared(methods)
    found = [selection_difference(pools, n=n, methods=pair, seed=seed) for pair in pairs]
    tests = in_family([student_p(each, len(pools)) for each in found])
    return tuple(
        Difference(method=a.name, less=b.name, interval=each, test=test)
        for (a, b), each, test in zip(pairs, found, tests, strict=True)
    )


def _methods(material: Material) -> list[Method]:
    names = [f"{name}/{how}" for name in material.entrants for how in _reducers(material.entrants[name])]
    firsts = [f"{name}/{_reducers(e)[0]}" for name, e in material.entrants.items() if _reducers(e)]
    plain = [Method(kind="first"), Method(kind="oracle"), Method(kind="majority")]
    return [*plain, *(Method(kind="best", score=name) for name in names), *(_vote(name) for name in firsts)]


def _vote(score: str) -> Method:
    return Method(kind="sum", score=score)


def _compared(methods: Sequence[Method]) -> list[tuple[Method, Method]]:
    """The first scorer's choice less a vote, less its own weighted vote, less every other scorer's choice."""
    majority = next(method for method in methods if method.kind == "majority")
    own = {method.score: method for method in methods if method.kind == "best"}
    votes = [method for method in methods if method.kind == "sum"]
    if not votes:
        return []
    first = own[votes[0].score]
    return [(first, majority), (first, votes[0]), *((first, own[vote.score]) for vote in votes[1:])]


def _reducers(entrant: Entrant) -> tuple[str, ...]:
    """Those of its reducers that its scores allow."""
    if entrant.role == "baseline":
        return ()
    convention = next(iter(entrant.scores.values())).convention
    return tuple(
        h for h in entrant.reduce if convention == "probability" or h.partition(":")[0] not in NEEDS_PROBABILITIES
    )


def _pools(material: Material) -> list[Pool]:
    """The traces of each problem whose verdict is decided."""
    keys: dict[str, list[str]] = {}
    for key, each in material.labels.items():
        if each.verdict is not None and each.verdict.correct is not None:
            keys.setdefault(each.trace.problem_id, []).append(key)
    numbers = {
        f"{name}/{how}": {key: reduce_scores(s, how) if len(s) else None for key, s in entrant.scores.items()}
        for name, entrant in material.entrants.items()
        for how in _reducers(entrant)
    }
    return [_pool(problem, own, material.labels, numbers) for problem, own in sorted(keys.items())]


def _pool(
    problem: str,
    keys: Sequence[str],
    labels: Mapping[str, LabeledTrace],
    numbers: Mapping[str, Mapping[str, float | None]],
) -> Pool:
    verdicts = [labels[key].verdict for key in keys]
    answers = [
        labels[key].trace.answer if v is None or v.answer is None else v.answer
        for key, v in zip(keys, verdicts, strict=True)
    ]
    return Pool(
        problem_id=problem,
        answers=tuple(None if answer is None else canonical_answer(answer) for answer in answers),
        correct=tuple(verdict is not None and bool(verdict.correct) for verdict in verdicts),
        scores={name: tuple(found.get(key) for key in keys) for name, found in numbers.items()},
    )
