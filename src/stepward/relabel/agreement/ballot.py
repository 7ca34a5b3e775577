"""What every rule of agreement shares: labellings of one trace, what they may mean, and the labels that are kept.

A rule has a field `target`:

    None                   the labellings must share one target; the labels of the first labelling are kept as they are,
                           counts and origins included: a completer's label stays that completer's
    "prefix", "validity"   labellings of any targets are read in their hard view, good or bad, and what they agree on
                           becomes a new label, 1 or 0, of this target. This is the explicit conversion
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from stepward.errors import ConfigError, LabelError
from stepward.relabel.hard import Calls, hard_calls
from stepward.types import Json, LabeledTrace, Origin, Problem, Spend, StepLabel

Hard: TypeAlias = Literal["prefix", "validity"]


def check_target(target: Hard | None) -> None:
    """`ConfigError` unless `target` is one of its words."""
    if target not in (None, "prefix", "validity"):
        raise ConfigError('target must be "prefix" or "validity", or not be given', got=target)


def compared(problem: Problem, labellings: Sequence[LabeledTrace], target: Hard | None) -> list[Calls]:
    """The hard view of each labelling. `LabelError` unless they are of one trace and may be compared."""
    if len(labellings) < 2:
        raise LabelError("agreement needs at least two labellings", got=len(labellings))
    traces = sorted({each.trace.id for each in labellings})
    if len(traces) > 1:
        raise LabelError("labellings must be of one trace", got=traces)
    targets = sorted({each.target for each in labellings if each.target is not None})
    if len(targets) > 1 and target is None:
        raise LabelError(
            "labellings of different targets do not compare",
            got=targets,
            mend='name what they agree on: target="prefix"',
        )
    return [hard_calls(problem, each) for each in labellings]


def kept(
    labellings: Sequence[LabeledTrace], calls: Sequence[bool | None], target: Hard | None, origin: Origin
) -> tuple[StepLabel | None, ...]:
    """The label of every step whose call, on which all agree, is not None."""
    if target is None:
        return tuple(None if call is None else label for call, label in zip(calls, labellings[0].labels, strict=True))
    return tuple(
        None if call is None else StepLabel(target=target, value=float(call), source="consensus", origin=origin)
        for call in calls
    )


def origin_of(rule: str, settings: Mapping[str, Json], labellings: Sequence[LabeledTrace]) -> Origin:
    """The rule, its settings, and who was asked."""
    makers = [next((label.origin.maker for label in each.labels if label), "nobody") for each in labellings]
    return Origin(maker=f"consensus:{rule}", revision="1", settings={**settings, "of": makers})


def assembled(
    labellings: Sequence[LabeledTrace], labels: tuple[StepLabel | None, ...], meta: Mapping[str, Json]
) -> LabeledTrace:
    """The trace with the agreed labels. Their cost was told by those who made them."""
    verdict = next((each.verdict for each in labellings if each.verdict is not None), None)
    return LabeledTrace(trace=labellings[0].trace, labels=labels, verdict=verdict, spend=Spend(), meta=meta)
