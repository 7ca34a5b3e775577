"""Measures of first errors that several benchmarks share.

error accuracy    exact matches among traces with an error
correct accuracy  "no error" among traces without
F1                their harmonic mean, 0 where both are 0
AUROC             of steps up to the first error, no threshold; 0.5 where all scores are alike, and said so: a
                  convention, hence without an interval
F1 at the best threshold (oracle)   chosen on the very items it is measured on: never comparable
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stepward.errors import DataError, LabelError
from stepward.evaluation.benchmarks.counting import Counted, Tally, from_interval, harmonic, share
from stepward.evaluation.benchmarks.items import Item
from stepward.evaluation.benchmarks.result import Measure
from stepward.evaluation.benchmarks.thresholds import best_threshold
from stepward.evaluation.steps import Judged, flatten
from stepward.metrics.bootstrap import bootstrap_auroc
from stepward.metrics.checks import Floats
from stepward.metrics.first_error import ProcessBenchScore

ORACLE = "F1 at the best threshold (oracle)"
CHOSEN_HERE = "threshold chosen on the very data it is measured on"
ALIKE = "all scores are alike: nothing is ranked, 0.5 by convention"


def hit_tally(item: Item, tau: float, *, group: str, stratum: str = "") -> Tally:
    """Counts of one item under `group/n`, `group/errors`, `group/found`, `group/clean` and `group/passed`."""
    actual, hit = item.actual, float(item.call(tau).matches(item.actual))
    of, got = ("clean", "passed") if actual is None else ("errors", "found")
    problem = item.labeled.trace.problem_id
    counts = {f"{group}/n": 1.0, f"{group}/{of}": 1.0, f"{group}/{got}": hit}
    return Tally(problem=problem, counts=counts, stratum=stratum)


def f1_draws(counted: Counted, group: str) -> Floats:
    """F1 of `group` in the sample and in each draw."""
    found = share(counted[f"{group}/found"], counted[f"{group}/errors"])
    return harmonic(found, share(counted[f"{group}/passed"], counted[f"{group}/clean"]))


def hit_measures(counted: Counted, group: str) -> tuple[Measure, ...]:
    """Error accuracy, correct accuracy and F1 of `group`, F1 with its delta-method error."""
    errors, clean = f"{group}/errors", f"{group}/clean"
    lacks = "no item without an error" if counted.items(errors) else "no item with an error"
    found, passed = share(counted[f"{group}/found"], counted[errors]), share(counted[f"{group}/passed"], counted[clean])
    f1 = counted.measure("F1", harmonic(found, passed), (errors, clean), undefined=f"F1 needs both kinds: {lacks}")
    return (
        counted.measure("error accuracy", found, (errors,), undefined="no item with an error"),
        counted.measure("correct accuracy", passed, (clean,), undefined="no item without an error"),
        replace(f1, se=f1_se(counted, group)),
    )


def f1_se(counted: Counted, group: str) -> float | None:
    """Standard error of the group's F1 by the delta method; None where F1 is undefined, or the formula knows none.

    It is 0 where both accuracies are at an end, and that is not certainty.
    """
    errors, clean = counted.items(f"{group}/errors"), counted.items(f"{group}/clean")
    if not errors or not clean:
        return None
    score = ProcessBenchScore(
        error_accuracy=counted.items(f"{group}/found") / errors,
        correct_accuracy=counted.items(f"{group}/passed") / clean,
        errors=errors,
        correct=clean,
    )
    return score.f1_se or None


def ranking(items: Sequence[Item], *, seed: int, to_first_error: bool = True, name: str = "AUROC") -> Measure:
    """AUROC of good against wrong steps, up to and with the first error unless said otherwise."""
    if any(item.scores is None for item in items):
        return Measure(name=name, value=None, items=len(items), reason="a critic gives no scores")
    judged = [Judged(labeled=item.labeled, scores=item.scores) for item in items if item.scores is not None]
    steps = flatten(judged, to_first_error=to_first_error)
    return from_interval(
        name,
        lambda: bootstrap_auroc(steps, seed=seed),
        items=len(steps.problem_S),
        convention=all_alike(items),
    )


def all_alike(items: Sequence[Item]) -> str:
    """What AUROC stands for where all scores are alike; empty where they are not."""
    return ALIKE if len({value for item in items for value in item.values}) == 1 else ""


def oracle(items: Sequence[Item]) -> Measure:
    """F1 at the threshold that suits these very items best."""
    try:
        best = best_threshold(items)
    except (DataError, LabelError) as error:
        return Measure(name=ORACLE, value=None, items=len(items), reason=str(error))
    return Measure(name=ORACLE, value=best.f1, items=len(items), reason=CHOSEN_HERE)


def first_errors(items: Sequence[Item]) -> list[int | None]:
    """The labelled first error of each item."""
    return [item.actual for item in items]


def near(item: Item, tau: float, within: int) -> bool:
    """Whether the call is a step at most `within` steps from the labelled error."""
    call, actual = item.call(tau), item.actual
    if call.silent or call.index is None or actual is None:
        return call.matches(actual)
    return abs(call.index - actual) <= within
