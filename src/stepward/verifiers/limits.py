r"""Limits that a text must keep before any parser sees it.

Parsers and computer algebra are slow or hang on a few short shapes: a long run of digits, a large literal exponent
or factorial, a tower of powers, deep nesting, a list of hundreds. Each is found here by a linear scan. An answer over a
limit is not wrong: its verdict is undecided, and the reason names the limit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stepward.errors import ConfigError

DIGITS = re.compile(r"[\d,]+")
EXPONENT = re.compile(r"(?:\^|\*\*)[\s{(]{0,8}[-+]?\s{0,8}(\d+)|\d[eE][-+]?(\d+)")
FACTORIAL = re.compile(r"(\d+)[\s)}]{0,8}!")
OPENING, CLOSING = "({[", ")}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is parsed at most."""

    characters: int = 2_000
    digit_run: int = 1_000
    exponent: int = 10_000
    """Of a literal exponent, and of a number under a factorial sign."""
    nesting: int = 50
    elements: int = 200
    """Commas and ampersands: entries of lists, sets and matrices."""

    def __post_init__(self) -> None:
        for name in ("characters", "digit_run", "exponent", "nesting", "elements"):
            if getattr(self, name) < 1:
                raise ConfigError(f"limits.{name} must be at least 1", got=getattr(self, name))

    def refusal(self, text: str) -> str | None:
        """Which limit `text` exceeds, in words; None where it keeps them all."""
        if len(text) > self.characters:
            return f"{len(text)} characters, the limit is {self.characters}"
        if any(len(run.group()) > self.digit_run for run in DIGITS.finditer(text)):
            return f"a run of more than {self.digit_run} digits"
        literals = [digits for pair in EXPONENT.findall(text) for digits in pair] + FACTORIAL.findall(text)
        if any(_over(digits, self.exponent) for digits in literals):
            return f"an exponent or factorial above {self.exponent}"
        if _nesting(text) > self.nesting:
            return f"nesting deeper than {self.nesting}"
        if text.count(",") + text.count("&") >= self.elements:
            return f"more than {self.elements} elements"
        return None


def _over(digits: str, limit: int) -> bool:
    return len(digits.lstrip("0")) > len(str(limit)) or int(digits or 0) > limit


def _nesting(text: str) -> int:
    depth = deepest = 0
    for character in text:
        if character in OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif character in CLOSING:
            depth -= 1
    return deepest
