r"""A step begins at a header line: "Step 3: ...", "## Step 3", "**步骤 3**", "第3步：", "ধাপ ৩:".

The rule of Math-Shepherd's data and GenPRM's step forcing. A header stands at the start of a line; a mark of
Markdown before it (#, *, >) makes it one whatever follows, otherwise a colon, stop, bracket, dash or the line's
end must follow the number. So "Step 2 shows that ..." in prose does not cut, "as in Step 2:" neither.

What stands before the first header is a step of its own. Degenerate case: a text without headers is one step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from stepward.errors import ConfigError
from stepward.segment.spans import partition, tag_of
from stepward.types import Step

WORDS = ("Step", "步骤", "步驟", "ステップ", "ধাপ", "चरण", "Schritt", "Paso", "Étape", "Passo", "Шаг")
NUMBER = r"(?:\d+|[一二三四五六七八九十]+)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """Cuts before each line that begins with one of `words` and a number, whatever the case."""

    words: tuple[str, ...] = WORDS

    def __post_init__(self) -> None:
        if not self.words or not all(word.strip() for word in self.words):
            raise ConfigError("a header segmenter needs words that are not blank", got=self.words)

    @property
    def tag(self) -> str:
        """Name, version and the words if they are not the default."""
        return tag_of(self, "header@1")

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """None: a step ends where the next header begins, which a sampler learns too late."""
        return ()

    def segment(self, text: str) -> tuple[Step, ...]:
        """Spans that partition `text`."""
        return partition(text, (header.start() for header in _pattern(self.words).finditer(text)))


@lru_cache(maxsize=64)
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    name = rf"(?:(?:{'|'.join(map(re.escape, words))})[ \t]*{NUMBER}|第[ \t]*{NUMBER}[ \t]*步)"
    marked = rf"[#*_>][#*_>\- \t]*{name}"
    plain = rf"(?:-[ \t]+)?{name}[ \t]*(?:[:：.)、，,—–-]|\r?\n)"
    return re.compile(rf"^[ \t]*(?:{marked}|{plain})", re.MULTILINE | re.IGNORECASE)
