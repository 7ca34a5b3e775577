"""What goes on one pair of axes: lines with bands, points with bars, and their names beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stepward.reports.model import Curve, Figure, Point, Scatter
from stepward.reports.palette import PAPER, RULE, SERIES, SOFT
from stepward.reports.text import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKERS = ("o", "s", "^", "D", "v", "P")
LONGEST_NAME = 26
"""Characters of a curve's name beside its line; the whole name stands in the numbers below the figure."""
LABEL_GAP = 0.058
"""Least distance of two labels, as a share of the axes' height."""


def draw_curves(axes: Axes, figure: Figure) -> None:
    """Lines with their bands and their names. A seventh line has the first one's colour and another marker."""
    tones = _tones(figure.curves)
    for index, curve in enumerate(figure.curves):
        reference = curve.style == "reference"
        if curve.lows:
            axes.fill_between(curve.xs, curve.lows, curve.highs, color=tones[index], alpha=0.11, linewidth=0)
        axes.plot(
            curve.xs,
            curve.ys,
            color=tones[index],
            linewidth=1.1 if reference else 1.8,
            linestyle=(0, (4, 2)) if curve.style != "line" else "solid",
            marker="" if reference else MARKERS[(index + index // len(MARKERS)) % len(MARKERS)],
            markersize=4.2,
            markeredgewidth=0,
        )
    _describe(axes, figure, [x for curve in figure.curves for x in curve.xs])
    ends = [(curve.name, _last(curve), tone) for curve, tone in zip(figure.curves, tones, strict=True)]
    _name_lines(axes, [(name, end, tone) for name, end, tone in ends if end is not None])


def _tones(curves: Sequence[Curve]) -> list[str]:
    """A colour of its own for each curve, grey for references."""
    drawn = 0
    tones = []
    for curve in curves:
        tones.append(SOFT if curve.style == "reference" else SERIES[drawn % len(SERIES)])
        drawn += curve.style != "reference"
    return tones


def _last(curve: Curve) -> tuple[float, float] | None:
    pairs = zip(reversed(curve.xs), reversed(curve.ys), strict=True)
    return next(((x, y) for x, y in pairs if math.isfinite(y)), None)


def _describe(axes: Axes, block: Figure | Scatter, xs: Sequence[float]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(one_line(block.x_label))
    axes.set_title(one_line(block.y_label), loc="left", fontsize=9, color=SOFT, pad=8)
    if block.log_x and isinstance(block, Figure):
        _doublings(axes, xs)
    elif block.log_x:
        _decades(axes, xs)
    elif all(float(x).is_integer() for x in xs):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _doublings(axes: Axes, xs: Sequence[float]) -> None:
    """Base two with plain numbers at the powers, every other one (third, ...) where they are many."""
    low, high = math.floor(math.log2(min(xs, default=1))), math.ceil(math.log2(max(xs, default=2)))
    every = 1 + (high - low) // 10
    _log_ticks(axes, [2.0**power for power in range(low, high + 1, every)], xs)


def _decades(axes: Axes, xs: Sequence[float]) -> None:
    """1, 2 and 5 times the powers of ten; the powers alone over many decades."""
    low, high = math.floor(math.log10(min(xs, default=1))), math.ceil(math.log10(max(xs, default=10)))
    leads = (1, 2, 5) if high - low <= 3 else (1,)
    _log_ticks(axes, [lead * 10.0**power for power in range(low, high + 1) for lead in leads], xs)


def _log_ticks(axes: Axes, ticks: Sequence[float], xs: Sequence[float]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}" if x >= 1 else f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    margin = (max(xs, default=2) / min(xs, default=1)) ** 0.04 * 1.02
    axes.set_xlim(min(xs, default=1) / margin, max(xs, default=2) * margin)


def _name_lines(axes: Axes, lines: Sequence[tuple[str, tuple[float, float], str]]) -> None:
    """Each name right of the axes, joined to the end of its line and moved apart where two would touch."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [tuple(map(float, to_axes.transform(end))) for _, end, _ in lines]
    heights = spread([y for _, y in ends], LABEL_GAP)
    for (name, _, tone), (x, y), height in zip(lines, ends, heights, strict=True):
        joint = [x + 0.01, 1.0, 1.02], [y, y, height]
        axes.plot(*joint, transform=axes.transAxes, color=tone, linewidth=0.6, alpha=0.6, clip_on=False)
        shown = one_line(name, LONGEST_NAME)
        axes.text(1.028, height, shown, transform=axes.transAxes, color=tone, va="center")


def spread(heights: Sequence[float], gap: float) -> list[float]:
    """`heights` moved as little as a single sweep up and one down allow, `gap` apart, inside [0, 1]."""
    gap = min(gap, 1 / max(1, len(heights) - 1))
    order = sorted(range(len(heights)), key=lambda index: heights[index])
    moved = list(heights)
    floor = 0.0
    for index in order:
        moved[index] = floor = max(moved[index], floor)
        floor += gap
    ceiling = 1.0
    for index in reversed(order):
        moved[index] = ceiling = min(moved[index], ceiling)
        ceiling -= gap
    return moved


def draw_scatter(axes: Axes, scatter: Scatter) -> None:
    """Points with their names; the efficient ones joined by steps, the dominated ones grey."""
    efficient = sorted((p for p in scatter.points if not scatter.dominated(p)), key=lambda p: p.x)
    axes.step([p.x for p in efficient], [p.y for p in efficient], where="post", color=RULE, linewidth=1.2, zorder=1)
    tones = [SOFT if scatter.dominated(point) else SERIES[0] for point in scatter.points]
    for point, tone in zip(scatter.points, tones, strict=True):
        _scatter_point(axes, point, tone)
    _describe(axes, scatter, [point.x for point in scatter.points])
    _name_points(axes, scatter.points, tones)


def _name_points(axes: Axes, points: Sequence[Point], tones: Sequence[str]) -> None:
    """Each name right of its point, or left of it where another point or name is in the way."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    places = [tuple(map(float, axes.transData.transform((p.x, p.y)))) for p in points]
    taken = [(x - 6, x + 6, y) for x, y in places]
    for (x, y), point, tone in zip(places, points, tones, strict=True):
        name = one_line(point.name, LONGEST_NAME)
        width = 9.0 * len(name)
        blocked = any(left < x + 8 + width and right > x + 8 and abs(y - at) < 18 for left, right, at in taken)
        side = -1 if blocked else 1
        taken.append((x + 8, x + 8 + width, y) if side > 0 else (x - 8 - width, x - 8, y))
        axes.annotate(
            name,
            (point.x, point.y),
            xytext=(7 * side, 5),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            color=tone,
        )


def _scatter_point(axes: Axes, point: Point, tone: str) -> None:
    if point.low is not None and point.high is not None:
        axes.plot([point.x, point.x], [point.low, point.high], color=tone, linewidth=0.9, alpha=0.6)
    axes.plot([point.x], [point.y], marker="o", markersize=5.5, color=tone, markeredgecolor=PAPER, markeredgewidth=0.8)
