"""The records a report is made of, wherever their numbers come from.

Each is what a reader sees: a table, a figure, a trace. Nothing here computes a metric or draws; the
records check that their parts fit, so that a page never shows a row or a score in the wrong place.
Indexes of steps are 0-based; `NO_ERROR` says that every step is right, None that it is not known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from stepward.errors import DataError, LabelError, ScoreError
from stepward.protocols import SearchNode
from stepward.types import Convention, Outcome, StepLabel

NO_ERROR = -1
"""In place of a first error's index: there is none."""

Cell: TypeAlias = "str | int | float | Estimate | None"
Block: TypeAlias = "Table | Figure | Scatter | HeatMap | Reliability | Crosstab"
Detection: TypeAlias = Literal["found", "early", "late", "missed", "false alarm", "clean", "unknown"]
LineStyle = Literal["line", "dashed", "reference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with its interval, shown with `digits` decimals. A NaN is shown as "undefined"."""

    value: float
    low: float | None = None
    high: float | None = None
    digits: int = 3

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None):
            raise DataError("an interval needs both ends", got=(self.low, self.high))
        if not 0 <= self.digits <= 12:
            raise DataError("digits must lie in 0..12", got=self.digits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells under named columns. None is shown as a dash."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    """Below the table: what the intervals are, how many resamples, which seeds."""

    def __post_init__(self) -> None:
        for index, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise DataError(
                    f"row {index} of table {self.title!r} needs {len(self.columns)} cells, one per column", got=len(row)
                )

    def is_number(self, column: int) -> bool:
        """Whether the column holds numbers only, and at least one: it is then set flush right."""
        cells = [row[column] for row in self.rows if row[column] is not None]
        return bool(cells) and not any(isinstance(cell, str) for cell in cells)


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A line with an optional interval band. A NaN in `ys` leaves a gap."""

    name: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()
    style: LineStyle = "line"
    """reference: grey and thin, for an oracle, chance or a baseline."""

    def __post_init__(self) -> None:
        _same_length(f"curve {self.name!r}", self.xs, self.ys)
        if not all(map(math.isfinite, self.xs)):
            raise DataError(f"curve {self.name!r} needs every x finite", got=self.xs)
        if self.lows or self.highs:
            _same_length(f"band of curve {self.name!r}", self.xs, self.lows, self.highs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Curves over one pair of axes."""

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    log_x: bool = False
    """Powers of two on the x axis; every x must then be above 0."""
    note: str = ""

    def __post_init__(self) -> None:
        if self.log_x and any(x <= 0 for curve in self.curves for x in curve.xs):
            raise DataError(f"figure {self.title!r} has a log axis and needs every x above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A named choice with what it costs (`x`) and what it brings (`y`)."""

    name: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """Cost against gain. A point is dominated where another costs no more, brings no less, and differs."""

    title: str
    x_label: str
    y_label: str
    points: tuple[Point, ...]
    log_x: bool = True
    note: str = ""

    def __post_init__(self) -> None:
        if self.log_x and any(point.x <= 0 for point in self.points):
            raise DataError(f"scatter {self.title!r} has a log axis and needs every x above 0")

    def dominated(self, point: Point) -> bool:
        """Whether some other point is at least as cheap and as good, and better in one of the two."""
        return any(p.x <= point.x and p.y >= point.y and (p.x, p.y) != (point.x, point.y) for p in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """A matrix of numbers, shaded by how far each is from `middle`. None is an empty cell; its reason is elsewhere."""

    title: str
    x_label: str
    y_label: str
    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    """One row of values per row name, one value per column name."""
    middle: float = 0.5
    outlined: tuple[tuple[int, int], ...] = ()
    """Row and column of cells with a frame."""
    parted: tuple[int, ...] = ()
    """Rows above which there is a gap."""
    note: str = ""

    def __post_init__(self) -> None:
        if [len(row) for row in self.values] != [len(self.column_names)] * len(self.row_names):
            raise DataError(
                f"heat map {self.title!r} needs {len(self.row_names)} rows of {len(self.column_names)} values",
                got=[len(row) for row in self.values],
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Steps of like score: their mean score, the rate at which they are right with its interval, their count."""

    score: float
    rate: float
    count: int
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Whether a score is a probability: before and, where `after` is given, after calibration."""

    title: str
    before: tuple[ReliabilityBin, ...]
    after: tuple[ReliabilityBin, ...] = ()
    ece: tuple[float | None, float | None] = (None, None)
    """Expected calibration error before and after."""
    brier: tuple[float | None, float | None] = (None, None)
    """Brier score before and after."""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCell:
    """One cell of a crosstab: how many, and ids of traces to look at."""

    count: int
    trace_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Crosstab:
    """Two judges against each other, such as ORM right or wrong by PRM right or wrong."""

    title: str
    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    cells: tuple[tuple[CrossCell, ...], ...]
    """One row of cells per row name, one cell per column name."""
    note: str = ""

    def __post_init__(self) -> None:
        if [len(row) for row in self.cells] != [len(self.column_names)] * len(self.row_names):
            raise DataError(
                f"crosstab {self.title!r} needs {len(self.row_names)} rows of {len(self.column_names)} cells",
                got=[len(row) for row in self.cells],
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One scorer's numbers along a trace; None where a step was not scored."""

    scorer: str
    values: tuple[float | None, ...]
    convention: Convention = "probability"

    def __post_init__(self) -> None:
        for index, value in enumerate(self.values):
            if value is not None and not math.isfinite(value):
                raise ScoreError(f"score of step {index} by {self.scorer} is not a finite number", got=value)

    def shades(self) -> tuple[float | None, ...]:
        """Each value on [0, 1]: itself for a probability, its logistic otherwise."""
        if self.convention == "probability":
            return tuple(None if v is None else min(1.0, max(0.0, v)) for v in self.values)
        return tuple(None if v is None else 0.5 * (1.0 + math.tanh(v / 2)) for v in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceView:
    """One trace as a reader sees it. It prints itself in a rich terminal and in a notebook."""

    id: str
    problem: str
    steps: tuple[str, ...]
    tracks: tuple[Track, ...] = ()
    """The first one shades the steps."""
    labels: tuple[StepLabel | None, ...] = ()
    """Empty, or one label or None per step."""
    true_error: int | None = None
    """First wrong step, `NO_ERROR`, or None where not known."""
    predicted_error: int | None = None
    """The same, as the scorer has it."""
    answer: str | None = None
    reference: str | None = None
    verdict: Outcome | None = None
    outcome_score: float | None = None
    """What an ORM gives the whole trace."""
    problem_id: str = ""
    """Traces of one problem share it; intervals resample problems."""
    tags: tuple[str, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        for track in self.tracks:
            if len(track.values) != len(self.steps):
                raise ScoreError(
                    f"trace {self.id!r} has {len(self.steps)} steps and needs one score by {track.scorer} for each",
                    got=len(track.values),
                )
        if self.labels and len(self.labels) != len(self.steps):
            raise LabelError(
                f"trace {self.id!r} has {len(self.steps)} steps and needs one label or None for each",
                got=len(self.labels),
            )
        for error in (self.true_error, self.predicted_error):
            if error is not None and not NO_ERROR <= error < len(self.steps):
                raise LabelError(
                    f"a first error of trace {self.id!r} is none of its {len(self.steps)} steps", got=error
                )

    @property
    def lowest(self) -> tuple[int, float] | None:
        """Index and value of the first track's lowest score; None where nothing is scored."""
        values = self.tracks[0].values if self.tracks else ()
        scored = [(value, index) for index, value in enumerate(values) if value is not None]
        return (min(scored)[1], min(scored)[0]) if scored else None

    @property
    def detection(self) -> Detection:
        """How the predicted first error stands to the true one."""
        true, predicted = self.true_error, self.predicted_error
        if true is None or predicted is None:
            return "unknown"
        if true == predicted:
            return "clean" if true == NO_ERROR else "found"
        if NO_ERROR in (true, predicted):
            return "false alarm" if true == NO_ERROR else "missed"
        return "early" if predicted < true else "late"

    def __rich__(self) -> object:
        from stepward.reports.views import TerminalTrace

        return TerminalTrace(view=self)

    def _repr_html_(self) -> str:
        from stepward.reports.views import notebook_html

        return notebook_html(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """The worst cases beside a stratified random draw, so that the worst are not taken for the usual."""

    title: str
    worst: tuple[TraceView, ...]
    sampled: tuple[TraceView, ...]
    how: str
    """What "worst" means and which strata were drawn from."""
    seed: int
    """Of the random draw; shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeView:
    """Everything that a search looked at on one problem. Nodes come parents first; `DataError` otherwise."""

    title: str
    problem: str
    nodes: tuple[SearchNode, ...]
    facts: tuple[str, ...] = ()
    """Answer, verdict, cost, notes: one phrase each."""

    def __post_init__(self) -> None:
        for index, node in enumerate(self.nodes):
            if (node.parent is None) != (index == 0) or not (node.parent is None or 0 <= node.parent < index):
                raise DataError(f"node {index} of the tree {self.title!r} needs an earlier parent", got=node.parent)

    @property
    def chosen(self) -> tuple[SearchNode, ...]:
        """The chosen path, without the empty prefix; none where the search abstained."""
        return tuple(node for node in self.nodes[1:] if node.chosen)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Blocks under one heading."""

    title: str
    blocks: tuple[Block, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What made the numbers."""

    config: str = ""
    """The resolved recipe, as YAML."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Library to version."""
    seeds: Mapping[str, int] = field(default_factory=dict)
    """Purpose to seed."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Model to revision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole report: headline, then `sections` in their order, traces, galleries, cost, provenance.

    The usual sections are: first error and steps, best of N, calibration, ORM against PRM.
    """

    title: str
    headline: Table
    summary: tuple[str, ...] = ()
    """Findings in plain sentences, above the headline table."""
    sections: tuple[Section, ...] = ()
    traces: tuple[TraceView, ...] = ()
    galleries: tuple[Gallery, ...] = ()
    trees: tuple[TreeView, ...] = ()
    cost: tuple[Block, ...] = ()
    provenance: Provenance = Provenance()


def _same_length(what: str, *columns: Sequence[float]) -> None:
    lengths = [len(column) for column in columns]
    if len(set(lengths)) != 1:
        raise DataError(f"{what} needs as many numbers in each list", got=lengths)
