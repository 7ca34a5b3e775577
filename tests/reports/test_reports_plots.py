import builtins
import math
from pathlib import Path
from typing import Any

import pytest
from hostile_report import HOSTILE, figures

from stepward.errors import MissingExtraError, StorageError
from stepward.reports import svg
from stepward.reports.axes import spread
from stepward.reports.model import Curve, Figure, Point, Reliability, Scatter
from stepward.reports.plots import Drawable, save


@pytest.mark.parametrize("index", [0, 1, 2])
def test_inline_figures_hold_hostile_names_as_text_and_no_style(index: int) -> None:
    markup = svg.inline(figures(HOSTILE)[index], "f0-").markup
    assert "<img" not in markup and "<script" not in markup and "style=" not in markup and "<!--" not in markup
    assert "<metadata" not in markup and "\x1b" not in markup


def test_equal_figures_give_equal_bytes_and_prefixed_ids() -> None:
    block = figures("PRM")[0]
    one, two = svg.inline(block, "f0-"), svg.inline(block, "f0-")
    assert one == two
    ids = [part.split('"')[0] for part in one.markup.split(' id="')[1:]]
    assert ids and all(name.startswith("f0-") for name in ids)
    assert len(set(ids)) == len(ids)


def test_figures_use_theme_variables_for_every_colour() -> None:
    rules = " ".join(svg.inline(figures("PRM")[0], "f0-").rules.values())
    assert "var(--series0)" in rules and "var(--sans)" in rules
    assert "#" not in rules


def test_saved_figures_are_byte_identical(tmp_path: Path) -> None:
    first = save(figures("PRM")[0], tmp_path / "a.pdf").read_bytes()
    assert first == save(figures("PRM")[0], tmp_path / "b.pdf").read_bytes()
    assert b"svg" in save(figures("PRM")[0], tmp_path / "a.svg").read_bytes()


def test_a_figure_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot write figure"):
        save(figures("PRM")[0], tmp_path / "missing" / "a.svg")


@pytest.mark.parametrize(
    "block",
    [
        Figure(title="", x_label="", y_label="", curves=()),
        Figure(title="", x_label="", y_label="", log_x=True, curves=()),
        Figure(title="", x_label="", y_label="", curves=(Curve(name="n", xs=(1.5,), ys=(math.nan,)),)),
        Scatter(title="", x_label="", y_label="", points=()),
        Scatter(title="", x_label="", y_label="", log_x=False, points=(Point(name="p", x=0, y=0),)),
        Reliability(title="", before=()),
    ],
)
def test_degenerate_figures_are_drawn(block: Drawable) -> None:
    assert "<svg" in svg.inline(block, "f0-").markup


def test_labels_are_moved_apart_and_stay_inside() -> None:
    assert spread([0.5, 0.5, 0.1], 0.1) == pytest.approx([0.5, 0.6, 0.1])
    assert spread([1.2, 1.2], 0.1) == pytest.approx([0.9, 1.0])
    crowded = sorted(spread([0.5] * 40, 0.06))
    assert crowded[0] >= -1e-9 and crowded[-1] <= 1 + 1e-9


def test_a_missing_matplotlib_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=r"stepward\[plots\]"):
        svg.inline(figures("not drawn before")[0], "f0-")
