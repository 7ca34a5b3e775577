"""The MR-Score of MR-GSM8K and MR-Ben: whether a solution is right, where it goes wrong, and why.

    MR-Score = 0.2 max(0, MCC) + 0.3 ACC_step + 0.5 ACC_reason

MCC is of the verdict on the solution (right is positive), ACC_step the share of *wrong* solutions whose first error
step is named exactly, ACC_reason the share of wrong solutions whose step is named and whose stated reason is right as
well. A silent call is a wrong verdict.

**ACC_reason needs a judge of reasons** (people, or a strong model with the annotated reason before it): scores alone
cannot give it. Without one ACC_reason and MR-Score are undefined and say so, and two bounds are given, because a
reason can only be right where the step is: none of the open reasons right, and all of them.

Degenerate cases: MCC is 0 by convention where every call is alike, and undefined where every solution is right or
every one is wrong. Papers: arXiv 2312.17080 (MR-GSM8K), 2406.13975 (MR-Ben).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from stepward.datasets.first_error_place import UNPLACED
from stepward.errors import LabelError
from stepward.evaluation.benchmarks.counting import (
    SIGNED,
    Counted,
    Tally,
    Verdicts,
    mean,
    share,
    truths,
    verdict_counts,
)
from stepward.evaluation.benchmarks.first_errors import first_errors
from stepward.evaluation.benchmarks.items import Item
from stepward.evaluation.benchmarks.result import Measure
from stepward.metrics.checks import Floats

VERDICT, STEP, REASON = 0.2, 0.3, 0.5
"""Weights, fitted to nothing: the papers chose them."""
NO_JUDGE = "ACC_reason needs a judge of reasons, and {} named steps have no verdict on theirs"
NO_WRONG = "no wrong solution"
ONE_TRUTH = "every solution is right, or every one is wrong"


def mr_score(mcc: float, step: float, reason: float) -> float:
    """The formula; `LabelError` unless MCC is in [-1, 1] and 0 <= reason <= step <= 1."""
    if not (-1.0 <= mcc <= 1.0 and 0.0 <= reason <= step <= 1.0):
        raise LabelError(
            "an MR-Score needs MCC in [-1, 1] and 0 <= ACC_reason <= ACC_step <= 1", got=(mcc, step, reason)
        )
    return VERDICT * max(0.0, mcc) + STEP * step + REASON * reason


def mr_tally(item: Item, tau: float, *, group: str, by_reason: bool = False) -> Tally:
    """Counts of one solution under `group`. With `by_reason` a right reason is enough, whatever step was named."""
    call, wrong = item.call(tau), is_wrong(item)
    said_right = wrong if call.silent else call.index is None
    counts = verdict_counts(group, [(said_right, not wrong)])
    if wrong:
        found = not unplaced(item) and call.matches(item.actual)
        named = (not said_right and not call.silent) if by_reason else found
        told, open_ = named and item.reason_right is True, named and item.reason_right is None
        counts |= {
            f"{group}/errors": 1.0,
            f"{group}/step": float(told if by_reason else named),
            f"{group}/step_open": float(open_ if by_reason else False),
            f"{group}/reason": float(told),
            f"{group}/reason_open": float(open_),
        }
    return Tally(problem=item.labeled.trace.problem_id, counts=counts, stratum=group)


def unplaced(item: Item) -> bool:
    """Whether a wrong solution's error has no place among its steps."""
    return bool(item.told(UNPLACED))


def is_wrong(item: Item) -> bool:
    """Whether the solution holds an error."""
    return unplaced(item) or item.actual is not None


def placed_errors(items: Sequence[Item]) -> list[int | None]:
    """The labelled first errors of the solutions that are right, or whose error has a place."""
    return first_errors([item for item in items if not unplaced(item)])


def unplaced_note(items: Sequence[Item]) -> tuple[str, ...]:
    """What a reader must know of errors without a place."""
    count = sum(map(unplaced, items))
    return (f"{count} wrong solutions have an error step without a place: nobody names it",) if count else ()


def mr_draws(counted: Counted, group: str, *, most: bool) -> Floats:
    """MR-Score in the sample and each draw, where none or (with `most`) all of the open reasons are right."""
    errors_D = counted[f"{group}/errors"]
    step_D, reason_D = counted[f"{group}/step"], counted[f"{group}/reason"]
    if most:
        step_D, reason_D = step_D + counted[f"{group}/step_open"], reason_D + counted[f"{group}/reason_open"]
    mcc_D = np.maximum(0.0, Verdicts.of(counted, group).mcc)
    return VERDICT * mcc_D + STEP * share(step_D, errors_D) + REASON * share(reason_D, errors_D)


def mr_measures(counted: Counted, group: str) -> tuple[Measure, ...]:
    """MCC, ACC_step, ACC_reason, MR-Score and its bounds."""
    return (
        mcc_measure(counted, group, undefined=ONE_TRUTH),
        _share(counted, group, "ACC_step", "step"),
        _share(counted, group, "ACC_reason", "reason"),
        *mr_mean(counted, [group]),
    )


def mr_mean(counted: Counted, groups: Sequence[str]) -> tuple[Measure, ...]:
    """The unweighted mean of the groups' MR-Scores, and its bounds."""
    kinds = tuple(kind for group in groups for kind in truths(group))
    low, high = (
        counted.measure(name, mean(mr_draws(counted, g, most=most) for g in groups), kinds, undefined=ONE_TRUTH)
        for name, most in (("at least", False), ("at most", True))
    )
    waiting = counted.items(*(f"{group}/reason_open" for group in groups))
    exact = replace(low, name="MR-Score")
    if waiting:
        exact = Measure(name="MR-Score", value=None, items=low.items, reason=NO_JUDGE.format(waiting))
    return exact, low, high


def mcc_measure(counted: Counted, name: str, *, undefined: str) -> Measure:
    """Matthews correlation of the verdicts under `name`; a convention has no interval."""
    verdicts = Verdicts.of(counted, name)
    found = counted.measure("MCC", verdicts.mcc, truths(name), undefined=undefined, span=SIGNED)
    alike = verdicts.alike and found.value is not None
    return replace(found, low=None, high=None, reason="every call is alike: 0 by convention") if alike else found


def _share(counted: Counted, group: str, name: str, key: str) -> Measure:
    waiting, errors = counted.items(f"{group}/{key}_open"), f"{group}/errors"
    if waiting:
        return Measure(name=name, value=None, items=counted.items(errors), reason=NO_JUDGE.format(waiting))
    return counted.measure(name, share(counted[f"{group}/{key}"], counted[errors]), (errors,), undefined=NO_WRONG)
