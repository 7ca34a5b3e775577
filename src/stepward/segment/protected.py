r"""Spans that no step may end in: LaTeX, fenced code, tables, JSON. One scan from left to right.

    $..$  \(..\)                    inline maths; ends at the latest at a blank line, as in TeX
    $$..$$  \[..\]  \begin..\end    display maths
    ```..```  ~~~..~~~              fenced code; unclosed, it runs to the end, as in CommonMark
    | a | b | on successive lines   a table
    { or [ at the start of a line   JSON

The answer for a position depends on the text before it alone, which is what makes a segmenter that asks it
prefix-stable. So an opener that is still unclosed protects what follows it, and does so for `patience`
characters at most: a stray `\[` costs one long step, never the rest of the trace.

A dollar sign before a digit is money, unless a maths character (\ ^ _ { }) follows in its sentence or line, or
it closes there; so "She pays $5. He pays $7." has two sentences. Cost: linear, each closer is searched for once.
Source: the protect-then-split algorithm, which wants unclosed openers literal at the end of a finished text;
here they are read the streaming way always.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from stepward.segment.json_walk import JSON_START, json_end
from stepward.segment.spans import BLANK_LINE

PATIENCE = 4000
"""Characters that an unclosed opener protects."""

OPENER = re.compile(
    r"""
      \\\\                                                         # a TeX row end, not the opener of \\[2pt]
    | \\begin\{(?P<environment>[A-Za-z]{1,40}\*?)\}
    | (?P<display>\\\[|\$\$)
    | (?P<inline>\\\(|\$(?=\S))
    | \\.
    | ^[ \t]*(?P<fence>`{3,}(?=[^`])|~{3,}(?=[^~]))[^`\n]*\n
    | (?P<table>^[ \t]*\|[ \t:-][^\n]*(?:\n[ \t]*\|[^\n]*)*)
    | (?P<json>"""
    + JSON_START
    + r")",
    re.MULTILINE | re.VERBOSE,
)
CLOSERS = {
    "$": re.compile(r"(?<=[^\s\\])\$(?!\d)"),
    r"\(": re.compile(r"(?<!\\)\\\)"),
    "$$": re.compile(r"(?<!\\)\$\$"),
    r"\[": re.compile(r"(?<!\\)\\\]"),
}
ENVIRONMENT = re.compile(r"\\(begin|end)\{([A-Za-z]{1,40}\*?)\}")
SENTENCE_END = re.compile(r"""[.!?]["'”’)\]]*\s|[।॥。！？]|\n""")
MATHS = re.compile(r"[\\^_{}]")
"""What no amount of money holds."""
Span = tuple[int, int]


def protected_spans(text: str, patience: int = PATIENCE) -> list[Span]:
    """Spans (start, end), by start, that may overlap: a cut strictly inside one is forbidden."""
    scan = _Scan(text, patience)
    at = 0
    while opener := OPENER.search(text, at):
        at = opener.end()
        if opener.lastgroup is not None:
            at = max(at, scan.protect(opener))
    return scan.spans


def outside(cuts: Iterable[int], spans: Iterable[Span]) -> Iterator[int]:
    """The increasing `cuts` that are strictly inside none of `spans`, which are ordered by start."""
    ordered = iter(spans)
    following = next(ordered, None)
    reach = 0
    for cut in cuts:
        while following is not None and following[0] < cut:
            reach = max(reach, following[1])
            following = next(ordered, None)
        if cut >= reach:
            yield cut


@dataclass(slots=True)
class _Scan:
    """The state of one scan: spans found, and searches that later openers share."""

    text: str
    patience: int
    spans: list[Span] = field(default_factory=list)
    found: dict[re.Pattern[str], Span] = field(default_factory=dict)
    json_until: int = 0
    """Until where unclosed JSON protects: what opens inside it is not walked again."""
    environments: dict[int, int] | None = None

    def protect(self, opener: re.Match[str]) -> int:
        """Record the span of `opener`; where to go on from: behind a closed span, else behind the opener."""
        start = opener.start()
        end, limit = self._end_and_limit(opener)
        if end <= limit:
            self.spans.append((start, end))
            return end
        self.spans.append((start, limit))
        return opener.end()

    def _end_and_limit(self, opener: re.Match[str]) -> Span:
        """Where the span closes, or some position behind the limit; and how far it protects unclosed."""
        start, behind = opener.span()
        limit = min(len(self.text), start + self.patience)
        match opener.lastgroup:
            case "table":
                return behind, behind
            case "fence":
                return self._fence_end(opener), len(self.text)
            case "environment":
                return self._environment_end(start), limit
            case "json":
                return self._json_end(start, limit), limit
            case "display":
                return self._next(CLOSERS[opener["display"]], behind)[1], limit
        dollar = opener["inline"] == "$"
        return self._next(CLOSERS[opener["inline"]], behind + dollar)[1], min(limit, self._inline_limit(behind, dollar))

    def _next(self, pattern: re.Pattern[str], at: int) -> Span:
        """First match of `pattern` from `at` on; behind any text where there is none."""
        nowhere = len(self.text) + 1
        start, end = self.found.get(pattern, (-1, -1))
        if start < at:
            match = pattern.search(self.text, at)
            start, end = match.span() if match else (nowhere, nowhere)
            self.found[pattern] = start, end
        return start, end

    def _inline_limit(self, at: int, dollar: bool) -> int:
        limit = self._next(BLANK_LINE, at)[0]
        if not (dollar and self.text[at].isdigit()):
            return limit
        end = self._next(SENTENCE_END, at)[0]
        return limit if self._next(MATHS, at)[0] < end else min(limit, end)

    def _json_end(self, start: int, limit: int) -> int:
        end = json_end(self.text, start, limit) if start >= self.json_until else len(self.text) + 1
        if end > limit:
            self.json_until = max(self.json_until, limit)
        return end

    def _fence_end(self, opener: re.Match[str]) -> int:
        mark = opener["fence"]
        closing = re.compile(rf"^[ \t]*{mark[0]}{{{len(mark)},}}[ \t]*\r?$", re.MULTILINE)
        found = closing.search(self.text, opener.end())
        return found.end() if found else len(self.text)

    def _environment_end(self, start: int) -> int:
        if self.environments is None:
            self.environments = _environment_pairs(self.text)
        return self.environments.get(start, len(self.text) + 1)


def _environment_pairs(text: str) -> dict[int, int]:
    r"""Start of each \begin{name} to the end of its \end{name}; a nested one of the same name counts."""
    open_at: dict[str, list[int]] = {}
    pairs: dict[int, int] = {}
    for mark in ENVIRONMENT.finditer(text):
        starts = open_at.setdefault(mark[2], [])
        if mark[1] == "begin":
            starts.append(mark.start())
        elif starts:
            pairs[starts.pop()] = mark.end()
    return pairs
