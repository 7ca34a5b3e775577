"""At most n steps out of many, for models and annotators that take no more (VisualPRM: 12).

Greedy: the adjacent pair with the fewest characters together is joined, the leftmost of equals, until `at_most`
steps are left. NOT prefix-stable, as no cap that balances lengths can be: which pair is shortest changes as the
text grows. So this is a function for finished traces and no field of a segmenter, and it returns the map from
merged to original steps, with which labels and located errors go both ways.

O(n log n). Degenerate case: `at_most` steps or fewer come back as they are. A merged step keeps the kind of its
first part, so steps of different kinds are better merged before kinds matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from stepward.errors import ConfigError
from stepward.types import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Fewer steps, and where each came from."""

    steps: tuple[Step, ...]
    groups: tuple[range, ...]
    """For each merged step the indexes of the original ones."""

    def merged_index(self, original: int) -> int:
        """The merged step that holds step `original`."""
        for index, group in enumerate(self.groups):
            if original in group:
                return index
        raise IndexError(f"step {original} is none of the merged ones")


def merge_shortest(steps: Sequence[Step], *, at_most: int) -> Merged:
    """Join adjacent steps, shortest pair first, until `at_most` are left."""
    if at_most < 1:
        raise ConfigError("at_most is at least 1", got=at_most)
    count = len(steps)
    ends = list(range(1, count + 1))  # a group begins at i and ends before ends[i]
    begins = list(range(count))  # and back: the group that ends before j + 1 begins at begins[j]
    alive = [True] * count
    pairs = [(steps[i + 1].end - steps[i].start, i, i + 1, i + 2) for i in range(count - 1)]
    heapify(pairs)
    left = count
    while left > at_most:
        _, first, second, end = heappop(pairs)
        if not (alive[first] and alive[second] and ends[first] == second and ends[second] == end):
            continue  # one of the two has grown since
        alive[second], ends[first], begins[end - 1] = False, end, first
        left -= 1
        if end < count:
            heappush(pairs, (steps[ends[end] - 1].end - steps[first].start, first, end, ends[end]))
        if first:
            before = begins[first - 1]
            heappush(pairs, (steps[end - 1].end - steps[before].start, before, first, end))
    groups = tuple(range(i, ends[i]) for i in range(count) if alive[i])
    merged = tuple(Step(steps[g[0]].start, steps[g[-1]].end, steps[g[0]].kind) for g in groups)
    return Merged(steps=merged, groups=groups)
