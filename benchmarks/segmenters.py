r"""Speed of the segmenters on one megabyte, against `str.split`, and how time grows with length.

    python benchmarks/segmenters.py

For each segmenter: megabytes a second on ordinary reasoning text, the ratio of its time to that of
`text.split("\n\n")` measured beside it, and the worst growth over runs of one opener when the text becomes four
times as long (4 is linear, 16 quadratic). Needs nothing but the package; takes about a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from stepward.protocols import Segmenter
from stepward.segment.blank_line import BlankLine
from stepward.segment.header import Header
from stepward.segment.newline import Newline
from stepward.segment.protect import Protect
from stepward.segment.regex import Regex
from stepward.segment.sentence import Sentence
from stepward.segment.structured import Structured
from stepward.segment.think import Think

SEGMENTERS: tuple[Segmenter, ...] = (
    *(BlankLine(), Newline(), Sentence(), Header(), Regex(pattern=r"\n{2,}")),
    *(Structured(), Think(), Protect()),
)
REASONING = (
    "Step 3: We compute $x^2 + 1$ for 3.5 apples. Then it follows, by Eq. (4), that\n\n\\[ y = 2x + 1 \\]\n\n"
    "Wait, is this so? She pays $5. He pays $7, so the sum is $12.\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
)
RUNS = ("$1 ", "\\[x ", '{"\n', '{"\\"', "\\begin{a}\n\n", "a. ", "[[\n", "a:\n\n", "```\n", " ", "\n", "\nWait ", "`")


def seconds(work: Callable[[], object]) -> float:
    """The best of three."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def growth(segmenter: Segmenter, run: str) -> float:
    """Time on 400 kB over time on 100 kB."""
    short, long = (run * (size // len(run)) for size in (100_000, 400_000))
    return seconds(lambda: segmenter.segment(long)) / max(seconds(lambda: segmenter.segment(short)), 1e-3)


def main() -> None:
    """Print one line per segmenter."""
    text = REASONING * (1_000_000 // len(REASONING))
    rival = seconds(lambda: text.split("\n\n"))
    print(f"{len(text) / 1e6:.1f} MB; str.split takes {rival * 1e3:.1f} ms")
    print(f"{'segmenter':32} {'steps':>7} {'MB/s':>7} {'x split':>8} {'growth':>7}  worst run")
    for segmenter in SEGMENTERS:
        spent = seconds(lambda s=segmenter: s.segment(text))  # type: ignore[misc]
        worst, run = max((growth(segmenter, run), run) for run in RUNS)
        rate, count = len(text) / 1e6 / spent, len(segmenter.segment(text))
        print(f"{segmenter.tag:32} {count:7d} {rate:7.1f} {spent / rival:8.1f} {worst:7.1f}  {run!r}")


if __name__ == "__main__":
    main()
