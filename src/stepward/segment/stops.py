"""Whether a text ends where a step ends: what a search asks when a sampler stops.

A sampler stops at strings (`segmenter.stop_strings`, where the rule is that simple), a step may end elsewhere:
a blank line inside an open formula ends nothing. So sample to a blank line, ask, and go on where the answer is no.
"""

from __future__ import annotations

from stepward.protocols import Segmenter

PROBE = "A"
"""Stands for text that goes on: a visible character that could begin a sentence and continues no run."""


def ends_step(segmenter: Segmenter, text: str) -> bool:
    """Whether `text` ends with a complete step, so that visible text put behind it would begin another.

    Always False for segmenters whose steps end where the next begins to be seen (header, think): those know
    the end of a step only afterwards. The empty text ends no step.
    """
    steps = segmenter.segment(text + PROBE)
    return len(steps) > 1 and steps[-1].start == len(text)
