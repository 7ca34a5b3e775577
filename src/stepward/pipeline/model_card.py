"""MODEL_CARD.md: what a scorer is, what taught it, what it was judged on, its figures, its limits and its cost.

Every sentence is made from the record; what a run did not measure is listed as not measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from stepward.evaluation.evaluated import Evaluated, ScorerFigures
from stepward.pipeline.evaluation_tables import BY_GROUP, CARDLESS, CHANGES, axis_title
from stepward.reports.model import Report, Table
from stepward.reports.tables import markdown
from stepward.reports.text import one_line
from stepward.types import Json

FEW = 100
"""Problems below which a card warns of wide intervals."""


@dataclass(frozen=True, kw_only=True)
class Taught:
    """What a checkpoint says of itself; empty where it says nothing."""

    facts: Mapping[str, Json]
    """Kind, format, backbone and the like, by name shown."""
    training: Mapping[str, Json]
    problems: int | None
    """Problems that taught it; None where it does not say which."""


def model_card(record: Evaluated, report: Report, taught: Taught | None) -> str:
    """The card of the record's first scorer, with the tables of `report`."""
    first = record.scorers[0]
    parts = [
        f"# {one_line(first.name)}: model card",
        _what(first, taught),
        "## Taught by",
        _taught(record, taught),
        "## Judged on",
        _data(record),
        "## Figures",
        *_figures(report),
        "## Limits",
        "\n".join(f"- {line}" for line in limits(record)),
        "## Cost",
        *(markdown(replace(block, title="")).strip() for block in report.cost if isinstance(block, Table)),
    ]
    return "\n\n".join(parts) + "\n"


def limits(record: Evaluated) -> Iterator[str]:
    """What must be known before a figure is quoted."""
    first, data = record.scorers[0], record.data
    yield f"One data set, {one_line(data.name)}: nothing here says how the scorer does on other problems or policies."
    if data.problems < FEW:
        yield f"{data.problems} problems: the intervals are wide."
    if any(name.startswith(("rollout", "judge", "tree", "scorer", "outcome")) for name in data.sources):
        yield "Some labels were made by a machine: agreement with them is not agreement with people."
    if first.steps is not None and first.steps.unlabelled:
        yield f"{first.steps.unlabelled} steps have no label and count nowhere."
    if record.leaked:
        yield f"{record.leaked} of the {data.problems} problems taught this scorer: its figures flatter."
    for each in record.scorers:
        if each.traces < data.traces:
            yield f"{one_line(each.name)} scored {each.traces} of {data.traces} traces; its figures are of those alone."
    if data.labeler:
        yield f"The labels are those of {one_line(data.labeler)} alone; others labelled the same traces."
    if first.before is not None:
        yield "The card does not say which problems its calibrator was fitted on: if these, `after` flatters."
    for name, why in record.no_steps.items():
        yield f"{one_line(name)} has no step figures, because: {why}."
    if record.no_selection:
        yield f"No choice among several traces was judged: {record.no_selection}."
    elif record.curves:
        pool = min(point.pool for point in record.curves)
        yield f"Pools hold {pool} traces: beyond n = {pool // 2} the subsets overlap, and curves say little."
    if first.failures:
        told = ", ".join(f"{count} {kind}" for kind, count in first.failures.items())
        yield f"Failures among {first.judged} traces: {told}. They are in `failures/`."
    yield "Not measured in this evaluation: robustness to attacks, other domains, use as a reward in training."


def _what(first: ScorerFigures, taught: Taught | None) -> str:
    rows: dict[str, Json] = {"scorer": first.maker, "revision": first.revision or "not recorded"}
    if first.role == "stored":
        rows["scores"] = "came with the data; no model was run here"
    return _listed({**rows, **(taught.facts if taught else {})})


def _taught(record: Evaluated, taught: Taught | None) -> str:
    if taught is None or not (taught.training or taught.problems is not None):
        return "The record does not say what taught this scorer: whether it knew these problems cannot be told."
    known = "not recorded: whether it knew these problems cannot be told"
    if taught.problems is not None:
        known = (
            f"{taught.problems:,}, of which {record.leaked or 'none'} stand among the {record.data.problems} judged on"
        )
    return _listed({**dict(_flat(taught.training)), "problems that taught it": known})


def _flat(settings: Mapping[str, Json], head: str = "") -> Iterator[tuple[str, Json]]:
    """Settings by dotted name, without what is empty."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{head}{name}.")
        elif value not in (None, "", []):
            yield f"{head}{name}", value


def _data(record: Evaluated) -> str:
    data = record.data
    counted = f"{data.problems} problems, {data.traces} traces, {data.steps} steps of which {data.labelled} labelled"
    rows: dict[str, Json] = {
        "data": data.name,
        "content key": data.key,
        "size": counted,
        "answers judged": data.verdicts,
        "labels": ", ".join(f"{name}: {count}" for name, count in data.sources.items()) or "none",
        **({"of them taken": f"those of {data.labeler}"} if data.labeler else {}),
        "steps cut by": _names(data.segmenters, "the file"),
        "written by": _names(data.policies, "not recorded"),
    }
    return _listed(rows)


def _names(found: Mapping[str, int], blank: str) -> str:
    return ", ".join(f"{blank if name in ('', 'unknown') else name} ({count} traces)" for name, count in found.items())


def _figures(report: Report) -> Iterator[str]:
    tables: Sequence[Table] = [report.headline, *(b for s in report.sections for b in s.blocks if isinstance(b, Table))]
    left_out = {axis_title(axis) for axis in CARDLESS}
    if any(table.title == CHANGES for table in tables):
        left_out.add(BY_GROUP)
    for table in tables:
        if table.title not in left_out:
            yield markdown(table).strip()
    if report.summary:
        yield "\n".join(f"- {one_line(sentence)}" for sentence in report.summary)


def _listed(rows: Mapping[str, Json]) -> str:
    return "\n".join(f"- {name}: {one_line(str(value))}" for name, value in rows.items())
