r"""A user's pattern: a step ends behind each match, or begins at each match.

Prefix-stable for every pattern that is let in. Matching tries the same paths in the same order on a text and
on a cut of it; a path of the cut can only run out of characters, so no match appears that was not there, as
long as nothing in the pattern looks ahead. Hence these are refused, with how to write them otherwise:

* lookahead (?=..) (?!..), and the end anchors $ and \Z: match the text itself, with `cut="before"`;
* word borders \b \B: write (?<!\w) in front of a word, and the character itself behind it;
* atomic groups and possessive repeats, whose choice is not tried again: write the plain form;
* patterns that can match nothing, such as a*: they would cut everywhere.

Lookbehind and ^ are fine. Degenerate cases: no match, one step; a pattern with nested repeats may take
exponential time, as everywhere in `re`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Literal

from stepward.errors import ConfigError
from stepward.segment.spans import partition, tag_of
from stepward.types import Step

# The parser of `re` is private, but nothing else knows what a pattern holds and the least it can match.
LOOKS_AHEAD = {
    "AT_END": "$",
    "AT_END_STRING": r"\Z",
    "AT_BOUNDARY": r"\b",
    "AT_NON_BOUNDARY": r"\B",
    "ATOMIC_GROUP": "an atomic group (?>..)",
    "POSSESSIVE_REPEAT": "a possessive repeat such as *+",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Regex:
    """Cuts behind, or before, each match of `pattern`; flags go inside it, such as "(?m)"."""

    pattern: str
    cut: Literal["after", "before"] = "after"
    """after: the match is a separator and belongs to the step before; before: it begins a step."""

    def __post_init__(self) -> None:
        if self.cut not in ("after", "before"):
            raise ConfigError("cut is after or before", got=self.cut)
        try:
            parsed = parser.parse(self.pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise ConfigError(f"not a regular expression: {error}", got=self.pattern) from error
        if parsed.getwidth()[0] == 0:
            raise ConfigError("the pattern can match nothing", got=self.pattern, mend="use + in place of *")
        ahead = next(_looks_ahead(parsed), None)
        if ahead is not None:
            raise ConfigError(
                f"the pattern holds {ahead}, which looks ahead: cuts would move as the text grows",
                got=self.pattern,
                mend='match the characters themselves; cut="before" cuts in front of a match',
            )

    @property
    def tag(self) -> str:
        """Name, version and the fields."""
        return tag_of(self, "regex@1")

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """None: a pattern is no string."""
        return ()

    def segment(self, text: str) -> tuple[Step, ...]:
        """Spans that partition `text`."""
        matches = re.finditer(self.pattern, text)
        if self.cut == "before":
            return partition(text, (match.start() for match in matches))
        return partition(text, (match.end() for match in matches))


def _looks_ahead(tree: object) -> Iterator[str]:
    """What in a parsed pattern looks ahead, in words."""
    if isinstance(tree, parser.SubPattern):
        tree = list(tree)
    if not isinstance(tree, (list, tuple)):
        if str(tree) in LOOKS_AHEAD:
            yield LOOKS_AHEAD[str(tree)]
        return
    if len(tree) == 2 and str(tree[0]) in ("ASSERT", "ASSERT_NOT") and tree[1][0] > 0:
        yield "a lookahead"
    for branch in tree:
        yield from _looks_ahead(branch)
