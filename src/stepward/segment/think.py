r"""Thought blocks of a reasoning model: <think>..</think> cut where the thinking turns, and the answer apart.

Blank lines cut a long trace of thinking into hundreds of steps, few of which can be judged alone. A block
begins where a discourse marker (Wait, Alternatively, Hmm, ...) begins a line or a sentence, unless the block
before it has fewer than `min_ink` visible characters. What follows </think> is one step of kind "answer"
until another <think>. The sections of DeltaBench are cut alike.

The chat templates of some models write <think> into the prompt, so a text begins as thinking, with the tag or
without. Degenerate cases: without </think> (cut at the token limit) there is no answer; without a marker the
thinking is one block.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache

from stepward.errors import ConfigError
from stepward.segment.spans import after_space, count_ink, next_ink, partition, tag_of
from stepward.types import Step, StepKind

MARKERS = (
    *("Wait", "But wait", "Hmm", "Alternatively", "Hold on", "Actually", "However", "On second thought"),
    *("Another approach", "Another way", "Let me check", "Let me verify", "Let me double-check", "Let me try"),
    *("Let me reconsider", "Let me think again", "等等", "等一下", "不对", "另外", "或者"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Think:
    """Cuts before discourse markers and around the thinking."""

    markers: tuple[str, ...] = MARKERS
    open_tag: str = "<think>"
    close_tag: str = "</think>"
    min_ink: int = 24
    """Visible characters that a block needs before a marker may end it."""

    def __post_init__(self) -> None:
        if not all(mark.strip() for mark in (*self.markers, self.open_tag, self.close_tag)):
            raise ConfigError("markers and tags may not be blank", got=(self.markers, self.open_tag, self.close_tag))
        if self.open_tag == self.close_tag or self.min_ink < 0:
            raise ConfigError("the tags must differ, and min_ink is at least 0", got=(self.open_tag, self.min_ink))

    @property
    def tag(self) -> str:
        """Name, version and the fields that are not at their default."""
        return tag_of(self, "think@1")

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """None: a block ends where the next marker begins, which a sampler learns too late."""
        return ()

    def segment(self, text: str) -> tuple[Step, ...]:
        """Spans that partition `text`; those behind the thinking have kind "answer"."""
        cuts: list[int] = []
        turns: list[tuple[int, StepKind]] = [(0, "thought")]
        for mark in _pattern(self.markers, self.open_tag, self.close_tag).finditer(text):
            start = cuts[-1] if cuts else 0
            if mark["close"]:
                cuts.append(after_space(text, mark.end()))
                turns.append((mark.end(), "answer"))
            elif mark["open"]:
                cuts.append(mark.start())
                turns.append((mark.start(), "thought"))
            elif turns[-1][1] == "thought" and self._is_long(text[start : mark.start()]):
                cuts.append(mark.start())
        where = [at for at, _ in turns]
        return tuple(
            replace(step, kind=turns[bisect_right(where, next_ink(text, step.start)) - 1][1])
            for step in partition(text, cuts)
        )

    def _is_long(self, block: str) -> bool:
        return count_ink(block.replace(self.open_tag, "")) >= self.min_ink


@lru_cache(maxsize=64)
def _pattern(markers: tuple[str, ...], open_tag: str, close_tag: str) -> re.Pattern[str]:
    words = "|".join(re.escape(word) + (r"(?=\W)" if word[-1].isascii() else "") for word in markers)
    tags = f"(?P<open>{re.escape(open_tag)})|(?P<close>{re.escape(close_tag)})"
    return re.compile(rf"{tags}|(?:(?<=[\n。！？])|(?<=[.!?]\s))(?:{words})" if markers else tags)
