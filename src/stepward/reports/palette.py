"""Colours, in one place, for the page, the figures, the terminal and notebooks.

Scores run from orange (low) over nothing (one half) to blue (high), which stays apart under every
common colour blindness; the number always stands beside the colour. Line colours follow Okabe and
Ito, darkened for white paper and lightened for dark. Figures are drawn in the light tones; inside
the page each light tone becomes a CSS variable, so one drawing serves both themes.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Tone(NamedTuple):
    """One colour in both themes, as #rrggbb."""

    light: str
    dark: str


TONES = {
    "paper": Tone("#ffffff", "#16181b"),
    "wash": Tone("#f6f7f8", "#1e2125"),
    "ink": Tone("#1d2125", "#e4e6e8"),
    "soft": Tone("#5c646d", "#a0a8b0"),
    "rule": Tone("#dcdfe3", "#343a40"),
    "link": Tone("#0a5ea8", "#7cb8f2"),
    "good": Tone("#2b7fc4", "#3f8fd6"),
    "bad": Tone("#e07b1a", "#d4701a"),
    "series0": Tone("#0072b2", "#56b4e9"),
    "series1": Tone("#c84e00", "#ff8f4a"),
    "series2": Tone("#00805c", "#35c79a"),
    "series3": Tone("#a0477d", "#e29bc6"),
    "series4": Tone("#8f6a00", "#e3b72c"),
    "series5": Tone("#4a4f57", "#c3c8ce"),
}

SERIES = tuple(tone.light for name, tone in TONES.items() if name.startswith("series"))
INK, SOFT, RULE, PAPER = (TONES[name].light for name in ("ink", "soft", "rule", "paper"))

LEVELS = 20
STRONGEST = {"bad": 0.55, "good": 0.36}
"""Share of the full colour at score 0 and at 1: low scores stand out, and ink keeps its contrast in both themes."""

_VARIABLE = {tone.light: f"var(--{name})" for name, tone in TONES.items()}


def themed(style: str) -> str:
    """`style` with each light tone replaced by its CSS variable."""
    return re.sub(r"#[0-9a-f]{6}\b", lambda found: _VARIABLE.get(found[0], found[0]), style)


def level(shade: float) -> int:
    """The nearest of `LEVELS` + 1 steps for a shade in [0, 1]."""
    return round(shade * LEVELS)


def css() -> str:
    """Variables for every tone, and a class `s0` ... `s20` for every level of shade."""
    tones = "".join(f"--{name}:light-dark({tone.light},{tone.dark});" for name, tone in TONES.items())
    shades = "".join(_level_css(index) for index in range(LEVELS + 1))
    return f":root{{{tones}}}\n{shades}"


def tint(shade: float) -> tuple[str, float]:
    """Name of the tone, and its share, for a shade in [0, 1]."""
    name = "bad" if shade < 0.5 else "good"
    return name, abs(2 * shade - 1) * STRONGEST[name]


def rgba(shade: float) -> str:
    """A see-through CSS colour that tints light and dark backgrounds alike."""
    name, share = tint(shade)
    red, green, blue = _channels(TONES[name].light)
    return f"rgba({red},{green},{blue},{share:.2f})"


def on_white(shade: float) -> tuple[int, int, int]:
    """The tint mixed into white, for terminals: dark text is readable on it."""
    name, share = tint(shade)
    red, green, blue = (round(255 + share * (channel - 255)) for channel in _channels(TONES[name].light))
    return red, green, blue


def _level_css(index: int) -> str:
    name, share = tint(index / LEVELS)
    return f".s{index}{{background:color-mix(in srgb,var(--{name}) {100 * share:.0f}%,var(--paper))}}\n"


def _channels(tone: str) -> tuple[int, int, int]:
    return int(tone[1:3], 16), int(tone[3:5], 16), int(tone[5:7], 16)
