"""A segmenter of one's own: a step ends after every "Therefore ..." line.   python examples/new_segmenter.py

What makes it a good one: the spans partition the text, and cutting a prefix that ends at a boundary gives
the same first steps, so it serves while a policy is still writing.
"""

import re
from dataclasses import dataclass

from stepward.registry import register
from stepward.segment.cut import cut
from stepward.types import Step

TEXT = "12 + 5 = 17.\nTherefore Ben has 17.\n17 * 2 = 34.\nTherefore Cid has 34.\nDone.\n"


@dataclass(frozen=True, kw_only=True)
class AfterTherefore:
    """Cuts behind lines that begin with `word`."""

    word: str = "Therefore"
    tag: str = "after-therefore@1"

    def segment(self, text: str) -> tuple[Step, ...]:
        ends = [found.end() for found in re.finditer(rf"^{re.escape(self.word)}.*\n", text, re.MULTILINE)]
        ends += [len(text)] if text and (not ends or ends[-1] < len(text)) else []
        return tuple(Step(start, end) for start, end in zip([0, *ends], ends, strict=False))


register("segmenter", "after-therefore", AfterTherefore)  # now recipes and --segmenter know it
trace = cut("ben", TEXT, AfterTherefore())
for index, text in enumerate(trace.step_texts):
    print(index, repr(text))
assert "".join(trace.step_texts) == TEXT
