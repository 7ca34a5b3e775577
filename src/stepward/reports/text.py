"""Text from models and files, made safe to look at.

A terminal obeys escape sequences, and a page obeys right-to-left overrides: both let a trace show
something else than it says. Every view passes foreign text through `visible`, which spells such
characters out as ⟨U+202E⟩ and leaves all others alone, joiners of Indic scripts among them.
"""

from __future__ import annotations

import re

_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls but tab and newline, bidirectional marks, zero-width marks but the joiners, lone surrogates, tags."""


def visible(text: str) -> str:
    """`text` with every control and invisible character spelled out; a Windows line end is a newline."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text.replace("\r\n", "\n"))


def one_line(text: str, longest: int = 0) -> str:
    """`visible` text on one line; past `longest` characters (0: no limit) it ends in an ellipsis."""
    flat = " ".join(visible(text[: 4 * longest] if longest else text).split())
    return flat if not longest or len(flat) <= longest else flat[: longest - 1].rstrip() + "…"


def count(number: int, noun: str) -> str:
    """Such as "1 step", "12,000 characters"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
