"""From a report to what its page is given: drawn figures, anchors, contents and the block of numbers.

Trace ids are foreign text and may repeat, so anchors count instead: a trace has its anchor where it
is first shown, and links of crosstabs lead there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from markupsafe import Markup

from stepward.reports import svg, views
from stepward.reports.model import (
    Block,
    Cell,
    Crosstab,
    Estimate,
    Figure,
    Gallery,
    HeatMap,
    Reliability,
    Report,
    Scatter,
    Table,
    TraceView,
    TreeView,
)
from stepward.reports.palette import level
from stepward.reports.text import one_line, visible

if TYPE_CHECKING:
    from stepward.reports.plots import Drawable

PageBlock: TypeAlias = "Table | Crosstab | Drawing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure, drawn, with the table of its numbers."""

    title: str
    markup: Markup
    note: str
    numbers: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSection:
    """A heading, its anchor, and blocks ready for the template."""

    title: str
    anchor: str
    blocks: tuple[PageBlock, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A trace where it is shown; `anchor` is empty but for the first time."""

    view: TraceView
    anchor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedGallery:
    """A gallery with its traces placed."""

    gallery: Gallery
    worst: tuple[Placed, ...]
    sampled: tuple[Placed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What the template shows."""

    report: Report
    sections: tuple[PageSection, ...]
    traces: tuple[Placed, ...]
    galleries: tuple[PlacedGallery, ...]
    cost: tuple[PageBlock, ...]
    anchors: Mapping[str, str]
    """Trace id to anchor."""
    rules: Mapping[str, str]
    """CSS class to declarations, for the figures."""
    numbers: str
    """JSON that no HTML parser can leave."""

    @property
    def contents(self) -> list[tuple[str, str]]:
        """Anchor and title of each part that is there, in the page's order."""
        ends = (
            ("traces", "Traces", self.traces),
            ("failures", "Failures", self.galleries),
            ("trees", "Search trees", self.report.trees),
            ("cost", "Cost", self.cost),
        )
        return [
            ("headline", one_line(self.report.headline.title) or "Headline"),
            *((section.anchor, section.title) for section in self.sections),
            *((anchor, title) for anchor, title, there in ends if there),
            ("provenance", "Provenance"),
        ]


@dataclass(kw_only=True)
class _Builder:
    """Counts figures and anchors while a page is put together."""

    anchors: dict[str, str] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    drawn: int = 0

    def blocks(self, blocks: Iterable[Block]) -> tuple[PageBlock, ...]:
        return tuple(b if isinstance(b, Table | Crosstab) else self.drawing(b) for b in blocks)

    def drawing(self, block: Drawable) -> Drawing:
        figure = svg.inline(block, f"f{self.drawn}-")
        self.drawn += 1
        self.rules |= figure.rules
        return Drawing(title=block.title, markup=Markup(figure.markup), note=block.note, numbers=numbers_of(block))

    def place(self, traces: Sequence[TraceView]) -> tuple[Placed, ...]:
        return tuple(Placed(view=view, anchor=self.anchor(view.id)) for view in traces)

    def anchor(self, trace_id: str) -> str:
        if trace_id in self.anchors:
            return ""
        self.anchors[trace_id] = f"trace-{len(self.anchors)}"
        return self.anchors[trace_id]


def build(report: Report) -> Page:
    """Draw and place everything. Raises `MissingExtraError` where there are figures but no matplotlib."""
    builder = _Builder()
    sections = tuple(
        PageSection(title=s.title, anchor=f"section-{index}", blocks=builder.blocks(s.blocks), note=s.note)
        for index, s in enumerate(report.sections)
    )
    return Page(
        report=report,
        sections=sections,
        traces=builder.place(report.traces),
        galleries=tuple(
            PlacedGallery(gallery=g, worst=builder.place(g.worst), sampled=builder.place(g.sampled))
            for g in report.galleries
        ),
        cost=builder.blocks(report.cost),
        anchors=builder.anchors,
        rules=builder.rules,
        numbers=block_json(_numbers(report)),
    )


def numbers_of(block: Drawable) -> Table:
    """What a figure shows, as a table in long form."""
    if isinstance(block, Reliability):
        columns: tuple[str, ...] = ("calibration", "mean score", "share right", "low", "high", "steps")
        return Table(title=block.title, columns=columns, rows=tuple(_bin_rows(block)))
    if isinstance(block, HeatMap):
        names = (one_line(block.y_label) or "row", *block.column_names)
        return Table(title=block.title, columns=names, rows=tuple(_heat_rows(block)))
    columns = (one_line(block.x_label) or "x", one_line(block.y_label) or "y", "low", "high")
    if isinstance(block, Figure):
        return Table(title=block.title, columns=("curve", *columns), rows=tuple(_curve_rows(block)))
    return Table(title=block.title, columns=("point", *columns, "dominated"), rows=tuple(_point_rows(block)))


def _bin_rows(block: Reliability) -> list[tuple[Cell, ...]]:
    sides = (("before", block.before), ("after", block.after))
    return [
        (when, *(_rounded(x) for x in (bin_.score, bin_.rate, bin_.low, bin_.high)), bin_.count)
        for when, bins in sides
        for bin_ in bins
    ]


def _heat_rows(block: HeatMap) -> list[tuple[Cell, ...]]:
    return [(name, *map(_rounded, values)) for name, values in zip(block.row_names, block.values, strict=True)]


def _curve_rows(figure: Figure) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for curve in figure.curves:
        none = (None,) * len(curve.xs)
        points = zip(curve.xs, curve.ys, curve.lows or none, curve.highs or none, strict=True)
        rows += [(curve.name, x, *map(_rounded, rest)) for x, *rest in points]
    return rows


def _point_rows(scatter: Scatter) -> list[tuple[Cell, ...]]:
    return [
        (p.name, p.x, *map(_rounded, (p.y, p.low, p.high)), "yes" if scatter.dominated(p) else "no")
        for p in scatter.points
    ]


def _rounded(value: float | None) -> Estimate | None:
    return None if value is None else Estimate(value=value)


def block_json(value: object) -> str:
    """JSON that no HTML parser can leave: every < > & is an escape; a NaN or an infinity is null."""
    text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _finite(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _numbers(report: Report) -> dict[str, object]:
    """All numbers of the page; the words of traces stand in the page itself."""
    made = report.provenance
    return {
        "format": "stepward-report@1",
        "title": report.title,
        "headline": asdict(report.headline),
        "sections": [asdict(section) for section in report.sections],
        "traces": [_trace_numbers(view) for view in report.traces],
        "trees": [_tree_numbers(tree) for tree in report.trees],
        "cost": [asdict(block) for block in report.cost],
        "provenance": {"versions": made.versions, "seeds": made.seeds, "models": made.models},
    }


def _tree_numbers(tree: TreeView) -> list[list[object]]:
    """One row a node, in the order that the page's script reads."""
    return [
        [
            node.parent,
            visible(node.text),
            node.score,
            None if node.score is None else level(min(1.0, max(0.0, node.score))),
            node.state,
            visible(node.reason),
            node.visits,
            node.value,
            node.copies,
            node.tokens,
            int(node.chosen),
        ]
        for node in tree.nodes
    ]


def _trace_numbers(view: TraceView) -> dict[str, object]:
    return {
        "id": view.id,
        "problem_id": view.problem_id,
        "verdict": views.verdict_word(view),
        "detection": view.detection,
        "true_error": view.true_error,
        "predicted_error": view.predicted_error,
        "outcome_score": view.outcome_score,
        "lowest": view.lowest[1] if view.lowest else None,
        "steps": len(view.steps),
        "scores": {track.scorer: track.values for track in view.tracks},
        "labels": [None if label is None else label.value for label in view.labels],
        "tags": view.tags,
    }
