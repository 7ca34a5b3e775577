"""Where a scorer and people disagree, sorted into kinds, the worst beside a random draw, ready to be published.

People call a first wrong step, or none; the scorer calls the first step below a threshold, or none:

    false alarm     people: none              scorer: some step
    missed          people: some step         scorer: none
    early, late     both call a step, the scorer's before or behind people's
    lucky           the answer is right although a step is wrong, whatever the scorer says: right for a wrong reason

Where steps are unlabelled and only the answer was judged, two kinds are left:

    wrong answer passed     no step below the threshold, the answer wrong
    right answer flagged    some step below it, the answer right

How bad a failure is lies in [0, 1]: how high the scorer put the wrong step (missed, late, lucky), how low the right one
(false alarm, early); for answers the lowest score, or one less it. A trace may be of two kinds, such as missed and
lucky. The worst alone would be taken for the usual, so of every kind as many are drawn at random, domains in turn.

Degenerate cases: a trace whose first error is hidden by an unlabelled step and that has no verdict is `unknown`: it is
counted, never a failure and never a success. Scores that are no probabilities are put through the logistic first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import numpy as np

from stepward.datasets.reading import Example
from stepward.errors import ConfigError, LabelError
from stepward.evaluation.steps import Judged, shades
from stepward.types import Problem

Kind = Literal["missed", "late", "early", "false alarm", "lucky", "wrong answer passed", "right answer flagged"]
KINDS: tuple[Kind, ...] = get_args(Kind)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One trace on which the scorer and people disagree."""

    key: str
    """The trace's key among those judged."""
    example: Example
    kinds: tuple[Kind, ...]
    badness: float
    labelled: int | None
    """First wrong step by people; None for none, or for not known."""
    called: int | None
    """First wrong step by the scorer; None for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Every failure of one scorer, in the order of the traces, and how many traces were looked at."""

    scorer: str
    threshold: float
    found: tuple[Failure, ...]
    judged: int
    """Traces on which agreement could be told."""
    unknown: int
    """Traces with neither a known first error nor a verdict."""

    @property
    def counts(self) -> dict[str, int]:
        """Failures of each kind that there is, in the order of `KINDS`."""
        seen = Counter(kind for failure in self.found for kind in failure.kinds)
        return {kind: seen[kind] for kind in KINDS if seen[kind]}

    def of(self, kind: Kind) -> tuple[Failure, ...]:
        """Those of one kind, the worst first; a tie keeps the order of the traces."""
        return tuple(sorted((f for f in self.found if kind in f.kinds), key=lambda f: -f.badness))


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """Failures of one kind to look at."""

    kind: Kind
    total: int
    worst: tuple[Failure, ...]
    sampled: tuple[Failure, ...]
    """At random, domains in turn; a failure may stand on both sides."""


def find_failures(
    scorer: str, judged: Mapping[str, Judged], problems: Mapping[str, Problem], *, threshold: float = 0.5
) -> Failures:
    """The failures of `scorer` on labelled traces, by key; `ConfigError` unless 0 < `threshold` < 1."""
    if not 0 < threshold < 1:
        raise ConfigError("the threshold must lie between 0 and 1", got=threshold)
    found, unknown = [], 0
    for key, each in judged.items():
        called = _first_below(shades(each.scores), threshold)
        kinds = _kinds(each, called)
        if kinds is None:
            unknown += 1
        elif kinds:
            example = Example(problem=problems[each.problem_id], labeled=each.labeled, scores={scorer: each.scores})
            error = None if _hidden(each) else each.labeled.first_error
            bad = _badness(kinds[0], shades(each.scores), error, called)
            found.append(Failure(key=key, example=example, kinds=kinds, badness=bad, labelled=error, called=called))
    return Failures(
        scorer=scorer, threshold=threshold, found=tuple(found), judged=len(judged) - unknown, unknown=unknown
    )


def pick(failures: Failures, *, size: int, seed: int) -> tuple[Picked, ...]:
    """Of each kind that there is, the `size` worst and `size` at random; equal attempts are picked once."""
    picked = []
    for kind in KINDS:
        members = failures.of(kind)
        different: dict[str, Failure] = {}
        for failure in members:
            different.setdefault(failure.example.labeled.trace.id, failure)
        if members:
            worst, sampled = tuple(different.values())[:size], _draw(tuple(different.values()), size, seed)
            picked.append(Picked(kind=kind, total=len(members), worst=worst, sampled=sampled))
    return tuple(picked)


def in_turn(strata: Sequence[Sequence[T]], size: int, seed: int) -> tuple[T, ...]:
    """`size` members at random: one stratum after the other gives one, so that each is seen where one is rare."""
    rng = np.random.default_rng(seed)
    queues = [[members[at] for at in rng.permutation(len(members))] for members in strata]
    rounds = [queue[turn] for turn in range(size) for queue in queues if turn < len(queue)]
    return tuple(rounds[:size])


def _draw(members: Sequence[Failure], size: int, seed: int) -> tuple[Failure, ...]:
    strata: dict[str, list[Failure]] = defaultdict(list)
    for failure in sorted(members, key=lambda f: f.key):
        strata[failure.example.problem.domain].append(failure)
    return in_turn([strata[name] for name in sorted(strata)], size, seed)


def _kinds(judged: Judged, called: int | None) -> tuple[Kind, ...] | None:
    """What kinds of failure this is, none of them, or None where it cannot be told."""
    verdict = judged.labeled.verdict
    right = None if verdict is None else verdict.correct
    if _hidden(judged):
        if right is None:
            return None
        wrong: Kind | None = "wrong answer passed" if not right and called is None else None
        flagged: Kind | None = "right answer flagged" if right and called is not None else None
        return tuple(kind for kind in (wrong, flagged) if kind is not None)
    error = judged.labeled.first_error
    kinds: list[Kind] = [] if error == called else [_disagreement(error, called)]
    return (*kinds, *(("lucky",) if right and error is not None else ()))


def _disagreement(error: int | None, called: int | None) -> Kind:
    if error is None:
        return "false alarm"
    if called is None:
        return "missed"
    return "early" if called < error else "late"


def _badness(kind: Kind, shade_S: Sequence[float], error: int | None, called: int | None) -> float:
    if kind in ("missed", "late", "lucky") and error is not None:
        return shade_S[error]
    if kind in ("false alarm", "early") and called is not None:
        return 1 - shade_S[called]
    lowest = min(shade_S, default=1.0)
    return lowest if kind == "wrong answer passed" else 1 - lowest


def _hidden(judged: Judged) -> bool:
    """Whether an unlabelled step hides the first error, or nothing is labelled."""
    if judged.labeled.target is None:
        return True
    try:
        judged.labeled.first_error  # noqa: B018
    except LabelError:
        return True
    return False


def _first_below(shade_S: Sequence[float], threshold: float) -> int | None:
    return next((index for index, shade in enumerate(shade_S) if shade < threshold), None)
