"""Which training problems stand in a benchmark: overlap of 13-grams of words.

Two texts match if they share a run of `size` words (case, punctuation and white space aside), or, where one
is shorter than that, if all their words are equal. 13 is the size of GPT-3's check (arXiv 2005.14165, appendix
C); a match is a reason to drop or to look, not a proof: stock phrases match too. Time and memory are linear in
the number of words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stepward.datasets.splits import words_of
from stepward.types import Problem

SIZE = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A problem and the reference that it shares words with."""

    problem_id: str
    reference_id: str
    words: str
    """The first shared run of words, or the whole text where it is shorter."""
    shared: float
    """Share of the problem's runs that stand in this reference, in (0, 1]."""


def overlaps(problems: Iterable[Problem], references: Iterable[Problem], *, size: int = SIZE) -> tuple[Overlap, ...]:
    """Every pair of a problem and a reference that match, in order of problems."""
    if size < 1:
        raise ValueError(f"size must be at least 1, got {size}")
    index: dict[str, dict[str, None]] = {}
    for reference in references:
        for run in _runs(reference.text, size):
            index.setdefault(run, {})[reference.id] = None
    return tuple(overlap for problem in problems for overlap in _matches(problem, index, size))


def _matches(problem: Problem, index: dict[str, dict[str, None]], size: int) -> Iterator[Overlap]:
    runs = list(dict.fromkeys(_runs(problem.text, size)))
    shared: dict[str, list[str]] = {}
    for run in runs:
        for reference_id in index.get(run, ()):
            shared.setdefault(reference_id, []).append(run)
    for reference_id, found in shared.items():
        yield Overlap(problem_id=problem.id, reference_id=reference_id, words=found[0], shared=len(found) / len(runs))


def _runs(text: str, size: int) -> Iterator[str]:
    """The runs of `size` words; all words at once where there are fewer; nothing for a text without words."""
    words = words_of(text)
    for start in range(max(1, len(words) - size + 1) if words else 0):
        yield " ".join(words[start : start + size])
