"""A matrix as shaded cells with their numbers in them: orange below the middle, blue above, as scores are shaded.

The strongest shade is the cell that is farthest from the middle, but never nearer than `LEAST`: small differences stay
pale. An empty cell shows a dash.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stepward.reports.model import HeatMap
from stepward.reports.palette import INK, SOFT, TONES, tint
from stepward.reports.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

LEAST = 0.15
"""Distance from the middle that the full shade stands for at least."""
CELL_WIDTH, CELL_HEIGHT = 0.47, 0.27
"""Inches."""
LETTER = 0.064
"""Inches that a letter of a name takes about."""
LONGEST_NAME = 34
GAP = 0.4
"""Of a cell's height."""


def draw_heat(block: HeatMap) -> Canvas:
    """A matplotlib figure that is as large as the matrix needs."""
    from matplotlib.figure import Figure as Canvas

    rows = [one_line(name, LONGEST_NAME) for name in block.row_names]
    columns = [one_line(name, LONGEST_NAME) for name in block.column_names]
    left = 0.15 + LETTER * max(map(len, rows), default=0)
    top = 0.3 + 0.65 * LETTER * max(map(len, columns), default=0)
    right = 0.2 + 0.7 * LETTER * max(map(len, columns), default=0)
    heights = _places(block)
    wide, high = CELL_WIDTH * max(1, len(columns)), CELL_HEIGHT * (heights[-1] + 1 if heights else 1)
    canvas = Canvas(figsize=(left + wide + right, top + high + 0.1))
    size = (left + wide + right, top + high + 0.1)
    axes = canvas.add_axes((left / size[0], 0.1 / size[1], wide / size[0], high / size[1]))
    axes.set(xlim=(0, max(1, len(columns))), ylim=((heights[-1] + 1) if heights else 1, 0))
    _cells(axes, block, heights)
    _names(axes, block, (rows, columns), heights)
    return canvas


def _places(block: HeatMap) -> list[float]:
    """The top of each row, in cells."""
    return [index + GAP * sum(at <= index for at in block.parted) for index in range(len(block.row_names))]


def _cells(axes: Axes, block: HeatMap, heights: Sequence[float]) -> None:
    from matplotlib.patches import Rectangle

    known = [value for row in block.values for value in row if value is not None and math.isfinite(value)]
    reach = max([LEAST, *(abs(value - block.middle) for value in known)])
    for row, (top, values) in enumerate(zip(heights, block.values, strict=True)):
        for column, value in enumerate(values):
            there = value is not None and math.isfinite(value)
            corner = (column + 0.03, top + 0.04)
            if value is not None and there:
                tone, share = tint(0.5 + 0.5 * (value - block.middle) / reach)
                paint = TONES[tone].light
                axes.add_patch(Rectangle(corner, 0.94, 0.92, facecolor=paint, alpha=round(share, 2), linewidth=0))
            if (row, column) in block.outlined:
                axes.add_patch(Rectangle(corner, 0.94, 0.92, facecolor="none", edgecolor=INK, linewidth=1.1))
            shown = f"{value:.2f}" if there else "–"
            ink = INK if there else SOFT
            axes.text(column + 0.5, top + 0.52, shown, ha="center", va="center", fontsize=8, color=ink)


def _names(axes: Axes, block: HeatMap, names: tuple[list[str], list[str]], heights: Sequence[float]) -> None:
    axes.grid(visible=False)
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.set_yticks([top + 0.5 for top in heights], names[0])
    axes.set_xticks([index + 0.35 for index in range(len(names[1]))], names[1], rotation=40, ha="left")
    axes.tick_params(length=0, labelsize=8, labeltop=True, labelbottom=False, top=False, bottom=False, colors=INK)
    axes.tick_params(axis="x", pad=1)
    corner = " \\ ".join(filter(None, map(one_line, (block.y_label, block.x_label))))
    axes.annotate(
        corner,
        (0, 1),
        xycoords="axes fraction",
        xytext=(-6, 8),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=SOFT,
    )
