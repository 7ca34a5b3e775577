"""Judges labels against truth: how often a labeler calls a step right or wrong correctly, and where it errs.

Both sides are read in their hard view. A step without label on either side is left out and counted. Agreement on the
last step alone says little (it is the verdict), so figures by position stand beside the pooled one, and so do first
errors: one index, or none, per trace. A labeler that labels few traces well is told from one that labels all of them:
coverage stands beside accuracy, and `found` counts a trace whose first error the labels do not tell as missed.

Intervals are of a bootstrap over problems; of two labelers on the same problems it is paired.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from stepward.errors import LabelError
from stepward.metrics.bootstrap import Interval, bootstrap_ratio, bootstrap_share, paired_difference
from stepward.types import LabeledTrace, Spend

FEWEST = 20
"""Steps at a position below which no figure is given for it."""
UNDEFINED = Interval(value=math.nan, low=math.nan, high=math.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class AtPosition:
    """Label accuracy at one 0-based step index."""

    position: int
    steps: int
    accuracy: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstErrors:
    """How well labels tell the first wrong step, or that there is none."""

    traces: int
    """Those whose true first error is known."""
    found: Interval
    """Share of them whose first error, or its absence, the labels name exactly; not telling it is a miss."""
    told: Interval
    """Share of them whose first error the labels tell at all."""
    accuracy: Interval
    """Exact among those told."""
    found_of_wrong: Interval
    """`found` over traces that hold an error."""
    found_of_right: Interval
    """`found` over traces that hold none."""
    early: Interval
    """Share of traces with an error for which the labels name an earlier step."""
    late: Interval
    """The same for a later step, or none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelQuality:
    """How well labels agree with the truth, and what they cost."""

    problems: int
    steps: int
    unlabelled: int
    accuracy: Interval
    called_right_when_wrong: Interval
    """Share of truly wrong steps that carry a good label."""
    called_wrong_when_right: Interval
    """Share of truly right steps that carry a bad label."""
    by_position: tuple[AtPosition, ...]
    """Each step index that at least `FEWEST` steps stand at."""
    first_errors: FirstErrors
    labelled_steps: Interval
    """Share of steps that carry a label."""
    labelled_traces: Interval
    """Share of traces of which at least one step carries a label."""
    policy_tokens: Interval
    """Tokens that a policy wrote to label one trace."""
    prompt_tokens: Interval
    """Tokens that it read for that."""


@dataclass(frozen=True, slots=True)
class _Call:
    problem_id: str
    position: int
    said: bool
    true: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """True and named first error of one trace, as step indexes; the number of steps stands for none."""

    problem_id: str
    true: int
    named: int | None
    """None where the labels do not tell it."""
    has_error: bool


def judge_labels(labels: Sequence[LabeledTrace], truth: Sequence[LabeledTrace], *, seed: int) -> LabelQuality:
    """Compare labels with truth, trace by trace in the same order; `LabelError` where they do not pair up."""
    calls = [call for said, true in zip(labels, truth, strict=True) for call in _calls(said, true)]
    if not calls:
        raise LabelError("labels and truth share no labelled step")
    positions: dict[int, list[_Call]] = defaultdict(list)
    for call in calls:
        positions[call.position].append(call)
    return LabelQuality(
        problems=len({call.problem_id for call in calls}),
        steps=len(calls),
        unlabelled=sum(len(trace.labels) for trace in labels) - len(calls),
        accuracy=_rate(calls, seed),
        called_right_when_wrong=_rate([c for c in calls if not c.true], seed, wrong=True),
        called_wrong_when_right=_rate([c for c in calls if c.true], seed, wrong=True),
        by_position=tuple(
            AtPosition(position=at, steps=len(positions[at]), accuracy=_rate(positions[at], seed))
            for at in sorted(positions)
            if len(positions[at]) >= FEWEST
        ),
        first_errors=judge_first_errors(labels, truth, seed=seed),
        labelled_steps=share_over_problems(((t.trace.problem_id, _labelled(t), len(t.labels)) for t in labels), seed),
        labelled_traces=share_over_problems(((t.trace.problem_id, _labelled(t) > 0, 1) for t in labels), seed),
        policy_tokens=_cost(labels, lambda spend: spend.policy_tokens, seed),
        prompt_tokens=_cost(labels, lambda spend: spend.prompt_tokens, seed),
    )


def judge_first_errors(labels: Sequence[LabeledTrace], truth: Sequence[LabeledTrace], *, seed: int) -> FirstErrors:
    """Where labels place the first error against where it is; traces whose truth does not tell it are left out."""
    places = _places(labels, truth)
    told = [place for place in places if place.named is not None]
    wrong = [place for place in places if place.has_error]
    right = [place for place in places if not place.has_error]
    return FirstErrors(
        traces=len(places),
        found=_among(places, _is_found, seed),
        told=_among(places, lambda place: place.named is not None, seed),
        accuracy=_among(told, _is_found, seed),
        found_of_wrong=_among(wrong, _is_found, seed),
        found_of_right=_among(right, _is_found, seed),
        early=_among(wrong, lambda place: place.named is not None and place.named < place.true, seed),
        late=_among(wrong, lambda place: place.named is not None and place.named > place.true, seed),
    )


def first_error_difference(
    first: Sequence[LabeledTrace], second: Sequence[LabeledTrace], truth: Sequence[LabeledTrace], *, seed: int
) -> Interval:
    """Paired interval of the first labeler's `FirstErrors.found` less the second's, on the same traces."""
    pairs: dict[str, tuple[list[bool], list[bool]]] = defaultdict(lambda: ([], []))
    for a, b in zip(_places(first, truth), _places(second, truth), strict=True):
        pairs[a.problem_id][0].append(_is_found(a))
        pairs[a.problem_id][1].append(_is_found(b))
    if not pairs:
        raise LabelError("the truth tells the first error of no trace")
    return paired_difference(_mean, list(pairs.values()), seed=seed)


def _calls(said: LabeledTrace, true: LabeledTrace) -> list[_Call]:
    check_pair(said, true)
    pairs = enumerate(zip(said.labels, true.labels, strict=True))
    return [_Call(said.trace.problem_id, i, a.good, b.good) for i, (a, b) in pairs if a is not None and b is not None]


def _places(labels: Sequence[LabeledTrace], truth: Sequence[LabeledTrace]) -> list[_Place]:
    found = []
    for said, true in zip(labels, truth, strict=True):
        check_pair(said, true)
        actual = _index(true)
        if actual is not None:
            found.append(_Place(said.trace.problem_id, actual, _index(said), actual < len(true.labels)))
    return found


def _index(labeled: LabeledTrace) -> int | None:
    """The first error, the number of steps for none, None where an unlabelled step hides it."""
    try:
        error = labeled.first_error
    except LabelError:
        return None
    return len(labeled.labels) if error is None else error


def _is_found(place: _Place) -> bool:
    return place.named == place.true


def check_pair(said: LabeledTrace, true: LabeledTrace) -> None:
    """`LabelError` unless both are of one trace."""
    if said.trace.id != true.trace.id:
        raise LabelError("labels and truth must be of the same traces", got=(said.trace.id, true.trace.id))


def _labelled(labeled: LabeledTrace) -> int:
    return sum(label is not None for label in labeled.labels)


def _mean(rows: Sequence[Sequence[bool]]) -> float:
    return sum(map(sum, rows)) / sum(map(len, rows))


def _cost(labels: Sequence[LabeledTrace], tokens: Callable[[Spend], int], seed: int) -> Interval:
    return mean_over_problems(((labeled.trace.problem_id, tokens(labeled.spend), 1) for labeled in labels), seed)


def _among(places: Sequence[_Place], holds: Callable[[_Place], bool], seed: int) -> Interval:
    return share_over_problems(((place.problem_id, holds(place), 1) for place in places), seed)


def _rate(calls: Sequence[_Call], seed: int, *, wrong: bool = False) -> Interval:
    """Share of calls that are right (or wrong)."""
    return share_over_problems(((call.problem_id, (call.said == call.true) != wrong, 1) for call in calls), seed)


def share_over_problems(rows: Iterable[tuple[str, float, int]], seed: int) -> Interval:
    """Sum of the second over sum of the third entry of (problem, sum, size), with an interval over problems.

    Each sum lies between 0 and its size, or `LabelError`; NaN where there is nothing.
    """
    sums, sizes = _by_problem(rows)
    return bootstrap_share(sums, sizes, seed=seed) if sum(sizes) else UNDEFINED


def mean_over_problems(rows: Iterable[tuple[str, float, int]], seed: int) -> Interval:
    """The same for sums without bounds."""
    sums, sizes = _by_problem(rows)
    return bootstrap_ratio(sums, sizes, seed=seed) if sum(sizes) else UNDEFINED


def _by_problem(rows: Iterable[tuple[str, float, int]]) -> tuple[list[float], list[int]]:
    """Sums and sizes of each problem."""
    sums: dict[str, float] = defaultdict(float)
    sizes: dict[str, int] = defaultdict(int)
    for problem, value, size in rows:
        sums[problem] += value
        sizes[problem] += size
    return list(sums.values()), list(sizes.values())
