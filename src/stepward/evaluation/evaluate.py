"""Everything that scores and labels allow to be said of a scorer, in one call.

Steps are judged where they are labelled, choices where several traces of each problem have verdicts, failures where
either is so. What the data does not allow has a reason in the record: one class of labels, a single trace a problem, a
scorer that left traces out. Nothing needs a model: scores that came with a file do as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stepward.calibrate import problem_key
from stepward.errors import ConfigError, LabelError
from stepward.evaluation.evaluated import DataFacts, Difference, Evaluated, Role, ScorerFigures, data_facts
from stepward.evaluation.failures import Failures, find_failures
from stepward.evaluation.pricing import Rates, UnitCost
from stepward.evaluation.steps import Judged, StepQuality, auroc_gain, judge_steps
from stepward.reduce import NEEDS_PROBABILITIES, reduce_scores
from stepward.search.replay import CurvePoint, Method, Pool, selection_curves, selection_difference
from stepward.types import LabeledTrace, Problem, Spend, StepScores
from stepward.verifiers.canonical import canonical_answer

REDUCERS = ("min", "mean", "last", "product")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A scorer with what it gave, by key of the trace."""

    role: Role
    scores: Mapping[str, StepScores]
    reduce: tuple[str, ...] = REDUCERS
    """How its step scores become one number; the first is the one that is compared. None for a baseline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is judged, and against what."""

    name: str
    """Of the data."""
    problems: Mapping[str, Problem]
    labels: Mapping[str, LabeledTrace]
    """By key; labels may be None and verdicts missing."""
    entrants: Mapping[str, Entrant]
    """By name shown; the first is the one that is evaluated."""
    taught_by: frozenset[str] | None = None
    """Keys (`stepward.calibrate.problem_key`) of the problems that taught the first; None where that is not known."""

    def __post_init__(self) -> None:
        if not self.labels or not self.entrants:
            raise LabelError("there is nothing to judge", got=(len(self.labels), list(self.entrants)))
        for name, entrant in self.entrants.items():
            stray = [key for key in entrant.scores if key not in self.labels]
            if stray or not entrant.scores:
                raise LabelError(f"{name!r} must have scored some of the traces, and none but these", got=stray[:3])

    def judged(self, name: str) -> dict[str, Judged]:
        """The traces that `name` scored, in the order of the data."""
        scores = self.entrants[name].scores
        return {key: Judged(labeled=e, scores=scores[key]) for key, e in self.labels.items() if key in scores}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How it is judged."""

    seed: int = 0
    threshold: float = 0.5
    """Below it a scorer calls a step wrong, for failures."""
    ns: tuple[int, ...] = ()
    """Sizes to choose from; empty for powers of two up to the smallest pool."""
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        if any(n < 1 for n in self.ns):
            raise ConfigError("ns must hold whole numbers of at least 1", got=self.ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Choices replayed, or why not."""

    curves: tuple[CurvePoint, ...] = ()
    differences: tuple[Difference, ...] = ()
    pools: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The record, and the failures behind its counts by scorer."""

    record: Evaluated
    failures: Mapping[str, Failures]


def evaluate(material: Material, settings: Settings | None = None) -> Outcome:
    """Judge every entrant of `material`."""
    settings = settings or Settings()
    facts = data_facts(material.name, material.problems, list(material.labels.values()))
    failures = {
        name: find_failures(name, material.judged(name), material.problems, threshold=settings.threshold)
        for name, entrant in material.entrants.items()
        if entrant.role != "baseline"
    }
    qualities, why = _qualities(material, settings.seed)
    selected = _select(material, settings)
    record = Evaluated(
        data=facts,
        scorers=tuple(_figures(material, name, qualities, failures, settings.seed) for name in material.entrants),
        seed=settings.seed,
        threshold=settings.threshold,
        leaked=_leaked(material),
        rates=settings.rates,
        writing=_writing(material, facts),
        curves=selected.curves,
        differences=selected.differences,
        pools=selected.pools,
        no_steps=why,
        no_selection=selected.why,
    )
    return Outcome(record=record, failures=failures)


def _qualities(material: Material, seed: int) -> tuple[dict[str, StepQuality], dict[str, str]]:
    """By scorer its step figures, and by scorer why there are none."""
    found: dict[str, StepQuality] = {}
    why: dict[str, str] = {}
    for name in material.entrants:
        try:
            found[name] = judge_steps(list(material.judged(name).values()), seed=seed)
        except LabelError as error:
            why[name] = error.what
    return found, why


def _figures(
    material: Material, name: str, qualities: Mapping[str, StepQuality], failures: Mapping[str, Failures], seed: int
) -> ScorerFigures:
    entrant, judged = material.entrants[name], list(material.judged(name).values())
    first = next(iter(material.entrants))
    scorer = judged[0].scores.scorer
    known = failures.get(name)
    comparable = name != first and {name, first} <= set(qualities)
    comparable = comparable and set(entrant.scores) == set(material.entrants[first].scores)
    return ScorerFigures(
        name=name,
        role=entrant.role,
        maker=scorer.maker,
        revision=scorer.revision,
        traces=len(judged),
        spend=sum((each.scores.spend for each in judged), Spend()),
        steps=qualities.get(name),
        gain=auroc_gain(list(material.judged(first).values()), judged, seed=seed) if comparable else None,
        failures=known.counts if known else {},
        judged=known.judged if known else 0,
    )


def _leaked(material: Material) -> int | None:
    if material.taught_by is None:
        return None
    judged = {each.trace.problem_id for each in material.labels.values()}
    return sum(problem_key(material.problems[name]) in material.taught_by for name in judged)


def _writing(material: Material, facts: DataFacts) -> UnitCost:
    return UnitCost.of(sum((each.trace.spend for each in material.labels.values()), Spend()), facts.traces)


def _select(material: Material, settings: Settings) -> Selected:
    pools = _pools(material)
    if not pools:
        return Selected(why="no trace has a verdict")
    smallest = min(map(len, pools))
    if smallest < 2:
        return Selected(why="some problem has a single trace with a verdict: there is nothing to choose from")
    ns = settings.ns or tuple(2**power for power in range(smallest.bit_length()) if 2**power <= smallest)
    methods = _methods(material)
    curves = selection_curves(pools, ns=ns, methods=methods, seed=settings.seed)
    differences = tuple(
        Difference(
            method=a.name,
            less=b.name,
            interval=selection_difference(pools, n=max(ns), methods=(a, b), seed=settings.seed),
        )
        for a, b in _compared(methods)
    )
    return Selected(curves=curves, differences=differences, pools=len(pools))


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
