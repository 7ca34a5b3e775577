"""Labels of one trace by several labelers: whom to believe is the user's choice, never an accident of the file.

Two people who labelled the same trace give two truths. Averaged in silence they would make a third that nobody holds,
and counted as two traces they would count one attempt twice. So an evaluation takes one labeler's labels; which ones
there are is said by `labelers_of`, and `agreement` with the others is the ceiling for any scorer.

A labeler is a source with a maker and its revision; settings and seeds do not make another. Traces that only one of
several labelers saw are no conflict: what matters is a trace with labels of more than one, in one row or in several.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from stepward.errors import LabelError
from stepward.spelling import suggest
from stepward.types import UNKNOWN, LabeledTrace, StepLabel

OPTION = "name one with --labeler (in a recipe `labeler`), or make one labelling of them with stage `agree`"


class Who(NamedTuple):
    """Whoever made a label."""

    source: str
    maker: str
    revision: str

    @classmethod
    def of(cls, label: StepLabel) -> Who:
        """Of one label."""
        return cls(label.source, label.origin.maker, label.origin.revision)

    @property
    def short(self) -> str:
        """The maker, or the source where no maker is known."""
        return self.source if self.maker == UNKNOWN.maker else self.maker


def labelers_of(labels: Iterable[LabeledTrace]) -> dict[str, int]:
    """By name, the steps that each labeler labelled, in order of first sight."""
    found = _counted(labels)
    names = _names(found)
    return {names[who]: count for who, count in found.items()}


def check_one_labeler(labels: Iterable[LabeledTrace]) -> None:
    """`LabelError` that lists the labelers where some trace has labels of more than one."""
    rows = list(labels)
    by_trace: dict[str, set[Who]] = defaultdict(set)
    for each in rows:
        by_trace[each.trace.id] |= {Who.of(label) for label in each.labels if label is not None}
    disputed = sum(len(own) > 1 for own in by_trace.values())
    if disputed:
        told = ", ".join(f"{name} ({count} steps)" for name, count in labelers_of(rows).items())
        raise LabelError(f"{disputed} traces have labels of several labelers: {told}", mend=OPTION)


def labels_by(labels: Mapping[str, LabeledTrace], name: str) -> dict[str, LabeledTrace]:
    """The traces with the labels of labeler `name` alone, by key; a row that another labeler repeats is left out.

    A trace that `name` did not label stays, once, without labels: its answer may still be judged. Raises `LabelError`
    for a name that stands for no labeler here, or for several.
    """
    chosen = _chosen(labels.values(), name)
    own = {key: _only(each, chosen) for key, each in labels.items()}
    labelled = {each.trace.id for each in own.values() if each.target is not None}
    kept: dict[str, LabeledTrace] = {}
    bare: set[str] = set()
    for key, each in own.items():
        mine = each.target is not None or labels[key].target is None
        if mine or each.trace.id not in labelled | bare:
            kept[key] = each
        if not mine:
            bare.add(each.trace.id)
    return kept


def full_name(labels: Mapping[str, LabeledTrace], name: str) -> str:
    """The name, as `labelers_of` has it, of the labeler whom `name` stands for; errors as for `labels_by`."""
    names = _names(_counted(labels.values()))
    return names[_chosen(labels.values(), name)]


def others_than(labels: Mapping[str, LabeledTrace], name: str) -> dict[str, dict[str, LabeledTrace]]:
    """By name of every other labeler, what it says of traces, by their id."""
    found = _counted(labels.values())
    names, chosen = _names(found), _chosen(labels.values(), name)
    told: dict[str, dict[str, LabeledTrace]] = {}
    for who in found:
        if who != chosen:
            own = (_only(each, who) for each in labels.values())
            told[names[who]] = {each.trace.id: each for each in own if each.target is not None}
    return told


def _only(labeled: LabeledTrace, who: Who) -> LabeledTrace:
    kept = tuple(label if label is not None and Who.of(label) == who else None for label in labeled.labels)
    return LabeledTrace(
        trace=labeled.trace, labels=kept, verdict=labeled.verdict, spend=labeled.spend, meta=labeled.meta
    )


def _counted(labels: Iterable[LabeledTrace]) -> dict[Who, int]:
    found: dict[Who, int] = {}
    for each in labels:
        for label in each.labels:
            if label is not None:
                found[Who.of(label)] = found.get(Who.of(label), 0) + 1
    return found


def _names(found: Iterable[Who]) -> dict[Who, str]:
    """Each by its maker; where two share it, by revision or source as well."""
    everyone = list(found)
    shorts = [who.short for who in everyone]
    return {
        who: who.short if shorts.count(who.short) == 1 else f"{who.short}@{who.revision[:8] or who.source}"
        for who in everyone
    }


def _chosen(labels: Iterable[LabeledTrace], name: str) -> Who:
    names = _names(_counted(labels))
    exact = [who for who, known in names.items() if known == name]
    loose = [who for who in names if name in (who.maker, who.short.partition(":")[2])]
    found = exact or loose
    if len(found) != 1:
        what = "names several labelers" if found else "is no labeler of these traces"
        there = [names[who] for who in found or names]
        raise LabelError(f"{name!r} {what}", got=there or "no labels", mend=suggest(name, there) if there else "")
    return found[0]
