r"""Critique -> verdicts, with exact alignment: a verdict that cannot be tied to one step is no verdict.

Digits and verdict words count in ASCII alone, so look-alike letters are garbled text. A step with two verdicts has
none; a verdict on a step that does not exist, or (without headings) a wrong count, discards the whole critique, because
then nobody knows which verdict belongs where.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stepward.reward_models.generative.record import JudgeFormat

BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
INDEX = re.compile(r"-?\d{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Label:
    """A verdict as it stands in a critique: `text` from character `at`, under the heading `number`."""

    at: int
    text: str
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """One label, or None for an abstention, per step (or item); `note` says why any of them is None."""

    labels: tuple[Label | None, ...]
    note: str = ""


def worth(verdicts: Mapping[str, float], text: str) -> float | None:
    """What the verdict `text` is worth, ignoring case and white space around it; None where it is no verdict."""
    said = text.strip().lower()
    known = {spelling.strip().lower(): value for spelling, value in verdicts.items()}
    return known.get(said) if said.isascii() else None


def leading_verdict(verdicts: Iterable[str], text: str) -> str | None:
    """The one of `verdicts` with which `text` begins, as a whole word; None where it begins with none."""
    said = text.strip()
    for spelling in sorted(verdicts, key=len, reverse=True):
        word = spelling.strip()
        head, behind = said[: len(word)], said[len(word) : len(word) + 1]
        if head.isascii() and head.lower() == word.lower() and not behind.isalnum():
            return spelling
    return None


def first_error(text: str, count: int, first_number: int) -> int | None:
    """0-based first wrong step that the last box of `text` names, `count` for none; None where it names no step."""
    boxes = BOXED.findall(text)
    said = boxes[-1].strip() if boxes else ""
    if not INDEX.fullmatch(said):
        return None
    number = int(said)
    if number == -1:
        return count
    return number - first_number if first_number <= number < first_number + count else None


def read_steps(format: JudgeFormat, text: str, count: int) -> Reading:
    """One label for each of `count` steps."""
    found = labels_of(format, text)
    if not format.heading:
        if len(found) != count:
            return Reading((None,) * count, f"{len(found)} verdicts for {count} steps")
        return Reading(tuple(found))
    by_number: dict[int | None, list[Label]] = {
        number: [] for number in range(format.first_number, format.first_number + count)
    }
    for label in found:
        if label.number not in by_number:
            return Reading((None,) * count, f"a verdict on no step: {label.text[:40]!r} under {label.number}")
        by_number[label.number].append(label)
    return _one_each(list(by_number.values()))


def read_items(format: JudgeFormat, text: str) -> Reading:
    """One label for each item of a checklist; they must be numbered 1, 2, 3 ... without gap."""
    found = labels_of(format, text)
    numbers = [each.number for each in found]
    if not found or numbers != list(range(1, len(found) + 1)):
        return Reading((), f"items are not numbered from 1 without gap: {numbers[:8]}")
    return Reading(tuple(found))


def labels_of(format: JudgeFormat, text: str) -> list[Label]:
    """Every verdict in `text`, in order, with the number of the heading above it. Linear in the length."""
    start = _start(format.after, text)
    if start is None:
        return []
    headings = list(re.compile(format.heading, re.ASCII).finditer(text, start)) if format.heading else []
    found, at = [], -1
    for match in re.compile(format.label, re.ASCII).finditer(text, start):
        while at + 1 < len(headings) and headings[at + 1].start() <= match.start():
            at += 1
        number = headings[at][1] if at >= 0 else ""
        found.append(Label(match.start(1), match[1], int(number) if INDEX.fullmatch(number) else None))
    return found


def _start(after: Sequence[str], text: str) -> int | None:
    """Just behind the last of the texts `after`; 0 where there are none to look for, None where none is found."""
    if not after:
        return 0
    ends = [at + len(anchor) for anchor in after if (at := text.rfind(anchor)) >= 0]
    return max(ends, default=None)


def _one_each(by_step: Sequence[Sequence[Label]]) -> Reading:
    notes = [
        f"step {step} has {len(found) or 'no'} verdict{'s' if found else ''}"
        for step, found in enumerate(by_step)
        if len(found) != 1
    ]
    labels = tuple(found[0] if len(found) == 1 else None for found in by_step)
    return Reading(labels, "; ".join(notes[:3]) + ("; ..." if len(notes) > 3 else ""))
