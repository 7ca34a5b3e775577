r"""Finds the answer that a solution states.

A text is searched for, in this order: the last balanced \boxed{...}; the last "#### 18"; the last "answer
is ...", "Answer: ..." or "# Answer" heading; and a text that is itself no more than an answer. Boxes that
only "and", "or" or a comma separates are one answer. With `last_number` the last number of the text is taken
where all of that fails: it finds more answers and invents some, so it is off unless asked for.

Degenerate case: "the answer is not 3" states no answer. Every search takes linear time, so 30,000 unclosed
boxes cost milliseconds; a box that is cut off states nothing.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass
from typing import Literal

from stepward.errors import ResourceError
from stepward.types import Problem

Form = Literal["box", "hash", "phrase", "bare", "last number"]

BRACE = re.compile(r"\\(?:boxed|fbox)[ \t]{0,8}\{|\\[{}\\]|[{}]")
JOINED_BOXES = re.compile(r"[\s$,;]{0,16}(?:and|or)?[\s$,;]{0,16}")
HASH = re.compile(r"####[ \t]{0,16}([^\n]+)")
PHRASE = re.compile(
    r"(?i)#{1,6}[ \t]{0,8}(?:final[ \t]{1,8})?answer[ \t]{0,8}:?[ \t]{0,8}(?:\r?\n\s{0,16}|$)"
    r"|\banswer(?:[ \t]{1,8}(?:is|would be|will be|must be|equals)(?=[^a-z])|\*{0,2}[ \t]{0,8}[:=])(?!\s{0,8}not\b)"
)
LINE_END = re.compile(r"\n|(?<=[^\s.])\.[*_]{0,2}\s{1,16}(?=[A-Z])|,?\s(?:because|since|which|so that|as required)\b")
MATH_FIRST = re.compile(r"\$((?:\\\$|[^$])+)(?<!\\)\$[.*]{0,3}(?=\s|$)|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.,])-?\$?\d{1,3}(?:,\d{3})+(?:\.\d+)?%?(?![\w,])|-?\$?\d+(?:\.\d+)?(?:/\d+)?%?")
WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")
TEXT_GROUP = re.compile(r"\\(?:text|mbox|mathrm|textbf|operatorname)\{[^{}]*\}")

LONGEST_BARE = 400
MOST_BARE_WORDS = 5
"""More words than this outside of \\text{...}, and a single line is taken for prose."""


@dataclass(frozen=True, slots=True)
class Stated:
    """The answer that a text states, and in which form."""

    answer: str
    form: Form
    several: bool = False
    """The text held several boxes with different content; `answer` is the last."""


def reference_answer(problem: Problem) -> str:
    """The reference answer of `problem`; `ResourceError` where it has none."""
    if problem.answer is None or not problem.answer.strip():
        raise ResourceError(
            f"problem {problem.id!r} has no reference answer to verify against",
            got=problem.answer,
            mend="give Problem(answer=...), or leave such problems out",
        )
    return problem.answer


def stated_answer(text: str, *, last_number: bool = False) -> Stated | None:
    """The answer that `text` states; None where it states none."""
    found = _boxed(text) or _after_hash(text) or _after_phrase(text) or _bare(text)
    if found is None and last_number:
        found = _last_number(text)
    return found if found and found.answer else None


def boxes(text: str) -> list[tuple[int, int, str]]:
    """Start, end and content of every outermost closed box of `text`, in order."""
    open_braces: list[tuple[int, int, bool]] = []
    found: list[tuple[int, int, str]] = []
    for token in BRACE.finditer(text):
        piece = token.group()
        if piece.endswith("{") and piece != r"\{":
            open_braces.append((token.start(), token.end(), len(piece) > 1))
        elif piece == "}" and open_braces:
            start, inside, is_box = open_braces.pop()
            if is_box:
                while found and found[-1][0] > start:
                    found.pop()
                found.append((start, token.end(), text[inside : token.start()].strip()))
    return found


def _boxed(text: str) -> Stated | None:
    found = boxes(text)
    if not found:
        return None
    first = len(found) - 1
    while first and JOINED_BOXES.fullmatch(text, found[first - 1][1], found[first][0]):
        first -= 1
    joined = list(dict.fromkeys(content for _, _, content in found[first:]))
    others = {content for _, _, content in found[:first]} - set(joined) - {", ".join(joined)}
    inner = boxes(joined[0]) if len(joined) == 1 else []
    return Stated(inner[-1][2] if inner else ", ".join(joined), "box", bool(others))


def _last_match(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return next(iter(deque(pattern.finditer(text), maxlen=1)), None)


def _after_hash(text: str) -> Stated | None:
    found = _last_match(HASH, text)
    return Stated(found.group(1).strip(), "hash") if found else None


def _after_phrase(text: str) -> Stated | None:
    found = _last_match(PHRASE, text)
    if found is None:
        return None
    rest = text[found.end() :].lstrip(" \t\r\n:=*")
    formula = MATH_FIRST.match(rest)
    if formula:
        return Stated(next(group for group in formula.groups() if group).strip(), "phrase")
    end = LINE_END.search(rest)
    return Stated((rest[: end.start()] if end else rest).strip().rstrip("."), "phrase")


def _bare(text: str) -> Stated | None:
    line = text.strip()
    if len(line) > LONGEST_BARE:
        # Only digits and signs: an overlong answer must reach the limits, prose must not be taken for one.
        return Stated(line, "bare") if not re.search(r"\s[A-Za-z]{2,}\s", line) and r"\boxed" not in line else None
    if "\n\n" in line or "boxed" in line or re.search(r"(?i)\banswer\b", line):
        return None
    words = WORD.findall(TEXT_GROUP.sub(" ", line))
    return Stated(line, "bare") if len(words) <= MOST_BARE_WORDS else None


def _last_number(text: str) -> Stated | None:
    found = _last_match(NUMBER, text)
    return Stated(found.group(), "last number") if found else None
