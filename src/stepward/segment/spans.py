"""From cut positions to steps, and the argument why a segmenter is prefix-stable.

`partition` turns increasing cut positions into steps that hold at least one visible character each:
whitespace before the first one belongs to the first step, whitespace between two cuts to the step before.
So a cut that is followed by another step has at least one visible character after it.

A segmenter built on `partition` is prefix-stable (for each boundary b of a text, the steps of text[:b] are
the first steps of the text) where the decision at position p reads

* text[:p], and
* at most what the step that begins at p must hold: its first visible character, or the header, tag or
  element that made p a boundary, which no later cut can split.

Degenerate cases: the empty text has no step; a text of whitespace alone has one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from stepward.types import Step

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

INK = re.compile(r"\S")
"""A visible character."""
SPACE = re.compile(r"\s*")
NEWLINE = re.compile(r"\n(?:\s*\n)?")
"""A line end and the blank lines after it; the indentation of the next line stays out."""
BLANK_LINE = re.compile(r"\n\s*\n")
"""One or more blank lines; a line of spaces, or of the carriage return of CRLF, is blank."""


def partition(text: str, cuts: Iterable[int]) -> tuple[Step, ...]:
    """Steps that end at the increasing `cuts` and at the end of `text`, none of them blank."""
    ends: list[int] = []
    ink = next_ink(text, 0)
    for cut in cuts:
        if cut <= ink:  # only whitespace since the last cut
            if ends and cut > ends[-1]:
                ends[-1] = cut
        elif cut < len(text):
            ends.append(cut)
            ink = next_ink(text, cut)
    if ends and ink == len(text):
        ends.pop()
    if not text:
        return ()
    ends.append(len(text))
    return tuple(Step(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True))


def next_ink(text: str, at: int) -> int:
    """Position of the first visible character from `at` on; the length of `text` where there is none."""
    found = INK.search(text, at)
    return found.start() if found else len(text)


def count_ink(text: str) -> int:
    """How many visible characters `text` has."""
    return sum(map(len, text.split()))


def after_space(text: str, at: int) -> int:
    """`at`, moved past the whitespace that stands there."""
    found = SPACE.match(text, at)
    return found.end() if found else at


def tag_of(segmenter: DataclassInstance, name: str) -> str:
    """`name`, such as "sentences@1", and in brackets each field that is not at its default."""
    chosen = []
    for field in fields(segmenter):
        value = getattr(segmenter, field.name)
        if field.default is MISSING or value != field.default:
            chosen.append(f"{field.name}={value!r}")
    return f"{name}[{','.join(chosen)}]" if chosen else name
