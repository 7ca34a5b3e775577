"""Figures, drawn once with matplotlib: inside the page as SVG, beside it as PDF, SVG or PNG for a paper.

`draw` turns a figure record into a matplotlib figure on a transparent ground, `save` writes it, and
`svg.inline` makes it part of a page. The same record gives the same bytes: no dates, fixed ids.
Titles are left to captions. Names of curves stand at their ends instead of in a legend.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from stepward.errors import MissingExtraError, StorageError
from stepward.reports.axes import draw_curves, draw_scatter
from stepward.reports.heat import draw_heat
from stepward.reports.model import Figure, HeatMap, Reliability, ReliabilityBin, Scatter
from stepward.reports.palette import INK, RULE, SERIES, SOFT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

Drawable: TypeAlias = "Figure | Scatter | HeatMap | Reliability"

STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "stepward",
    "pdf.fonttype": 42,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": SOFT,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


def draw(block: Drawable) -> Canvas:
    """A matplotlib figure of `block`. Raises `MissingExtraError` without matplotlib."""
    with styled():
        if isinstance(block, Reliability):
            return _reliability(block)
        if isinstance(block, HeatMap):
            return draw_heat(block)
        canvas, axes = _one_axes()
        if isinstance(block, Scatter):
            draw_scatter(axes, block)
        else:
            draw_curves(axes, block)
        return canvas


@lru_cache(maxsize=64)
def svg_bytes(block: Drawable) -> bytes:
    """`block` as SVG; drawn once, where a page and a file both want it."""
    canvas, out = draw(block), io.BytesIO()
    with styled():
        canvas.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    return out.getvalue()


def save(block: Drawable, path: Path) -> Path:
    """Draw `block` into `path`, by its suffix: .pdf, .svg or .png. The same block gives the same bytes."""
    try:
        if path.suffix == ".svg":
            path.write_bytes(svg_bytes(block))
            return path
        undated = {"CreationDate": None} if path.suffix == ".pdf" else {}
        canvas = draw(block)
        with styled():
            canvas.savefig(path, metadata=undated, dpi=200)
    except OSError as error:
        raise StorageError(
            f"cannot write figure {path}: {error.strerror or error}", mend="name another path"
        ) from error
    return path


@contextmanager
def styled() -> Iterator[None]:
    """Our matplotlib settings, and no warning for a glyph that the PDF font lacks, while the block runs."""
    try:
        import matplotlib
    except ImportError as error:
        raise MissingExtraError.of("matplotlib", "plots") from error
    with matplotlib.rc_context(cast(Any, STYLE)), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"(?s)Glyph .* missing from", category=UserWarning)
        yield


def _one_axes() -> tuple[Canvas, Axes]:
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(7.2, 3.6))
    return canvas, canvas.add_axes((0.07, 0.14, 0.63, 0.75))


def _reliability(block: Reliability) -> Canvas:
    from matplotlib.figure import Figure as Canvas

    panels = [(label, bins) for label, bins in (("before", block.before), ("after", block.after)) if bins]
    canvas = Canvas(figsize=(3.6 * max(1, len(panels)), 4.0))
    canvas.subplots_adjust(left=0.17 / max(1, len(panels)), right=0.98, top=0.9, bottom=0.12)
    grid = canvas.add_gridspec(2, max(1, len(panels)), height_ratios=(4, 1), hspace=0.12, wspace=0.22)
    most = max((bin_.count for _, bins in panels for bin_ in bins), default=1)
    for column, (label, bins) in enumerate(panels):
        upper = canvas.add_subplot(grid[0, column])
        strip = canvas.add_subplot(grid[1, column], sharex=upper)
        which = 0 if label == "before" else 1
        heading = _panel_heading(label if block.after else "", block.ece[which], block.brier[which])
        _reliability_panel(upper, bins, heading)
        _count_strip(strip, bins, most)
    return canvas


def _panel_heading(label: str, ece: float | None, brier: float | None) -> str:
    parts = [f"{name} {value:.3f}" for name, value in (("ECE", ece), ("Brier", brier)) if value is not None]
    return " · ".join(filter(None, [label, *parts]))


def _reliability_panel(axes: Axes, bins: Sequence[ReliabilityBin], heading: str) -> None:
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=(0, (4, 2)))
    for bin_ in bins:
        axes.plot([bin_.score, bin_.score], [bin_.low, bin_.high], color=SERIES[0], linewidth=1.2, alpha=0.55)
    axes.plot(
        [b.score for b in bins], [b.rate for b in bins], color=SERIES[0], marker="o", markersize=4.2, linewidth=1.4
    )
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes.set_title(heading, loc="left", fontsize=9, color=INK)
    axes.set_ylabel("share of steps that are right")
    axes.tick_params(labelbottom=False)


def _count_strip(axes: Axes, bins: Sequence[ReliabilityBin], most: int) -> None:
    for bin_ in bins:
        axes.plot([bin_.score, bin_.score], [0, bin_.count], color=SOFT, linewidth=4, solid_capstyle="butt")
    axes.set(ylim=(0, most * 1.1), yticks=[0, most], xlabel="mean score in the bin", ylabel="steps")
