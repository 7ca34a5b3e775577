"""What a search grows: prefixes of one problem's solutions as a tree, each with its score, its cost and its fate.

A branch is a chunk of text behind its parent's. Equal chunks behind one parent are one branch, drawn several times
(`copies`): no duplicate takes a place from another idea, and what the second draw cost is still counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stepward.protocols import BranchState, SearchNode
from stepward.types import Trace

END = "\0end"
"""Stands for the chunk of a branch that ends its parent's text without adding to it."""


@dataclass(eq=False, slots=True, kw_only=True)
class Branch:
    """One prefix. The root is the empty one."""

    id: int
    """Order of arrival; a parent's is smaller. The last word in every tie: the earlier branch wins."""
    parent: Branch | None
    text: str
    """What it adds to its parent."""
    trace: Trace
    """Everything up to here."""
    depth: int
    """Chunks from the root, whose depth is 0."""
    state: BranchState = "open"
    reason: str = ""
    """Why it is not open, or has no score."""
    steps: tuple[float, ...] = ()
    """Scores of the trace's steps, where it was scored."""
    score: float | None = None
    """`steps` as one number; None where it was not or could not be scored."""
    copies: int = 1
    """Draws that came to this very chunk."""
    draws: int = 0
    """Continuations that were drawn from here."""
    tokens: int = 0
    """Tokens that the policy wrote for it, all copies."""
    logprob: float | None = None
    """Mean log-probability of its tokens, where the policy tells."""
    visits: int = 0
    value: float | None = None
    """What a search that backs values up thinks of it."""
    exhausted: bool = False
    """Nothing below can go on; kept by searches that walk from the root."""
    children: list[Branch] = field(default_factory=list)

    @property
    def path(self) -> tuple[Branch, ...]:
        """From the root's child down to this."""
        found, at = [], self
        while at.parent is not None:
            found.append(at)
            at = at.parent
        return tuple(reversed(found))

    def stop(self, state: BranchState, reason: str) -> None:
        """It goes no further."""
        self.state, self.reason = state, reason


class SearchTree:
    """Branches in order of arrival; `branches[i].id == i`."""

    def __init__(self, root: Trace) -> None:
        self.branches = [Branch(id=0, parent=None, text="", trace=root, depth=0)]
        self._known: dict[tuple[int, str], Branch] = {}

    def __len__(self) -> int:
        return len(self.branches)

    def __iter__(self) -> Iterator[Branch]:
        return iter(self.branches)

    @property
    def root(self) -> Branch:
        """The empty prefix."""
        return self.branches[0]

    def find(self, parent: Branch, chunk: str) -> Branch | None:
        """The child of `parent` with this chunk, which is `END` for one that adds nothing."""
        return self._known.get((parent.id, chunk))

    def grow(self, parent: Branch, chunk: str, trace: Trace) -> Branch:
        """A new child of `parent`. A chunk that begins with a zero character is a mark and adds no text."""
        text = "" if chunk.startswith("\0") else chunk
        branch = Branch(id=len(self.branches), parent=parent, text=text, trace=trace, depth=parent.depth + 1)
        self._known[parent.id, chunk] = branch
        parent.children.append(branch)
        self.branches.append(branch)
        return branch

    def finished(self) -> list[Branch]:
        """Whole solutions, in order of arrival."""
        return [branch for branch in self.branches if branch.state == "finished"]

    def open(self) -> list[Branch]:
        """Prefixes that may go on and that nothing follows yet, in order of arrival."""
        return [branch for branch in self.branches if branch.state == "open" and not branch.children]

    def kept_tokens(self) -> int:
        """Tokens of the finished solutions, a shared prefix counted once, one copy of each chunk."""
        on_path = {each.id: each for branch in self.finished() for each in branch.path}
        return sum(round(each.tokens / each.copies) for each in on_path.values())

    def nodes(self, chosen: Branch | None) -> tuple[SearchNode, ...]:
        """The tree as records, for a report."""
        on_path = {each.id for each in chosen.path} | {0} if chosen else set()
        return tuple(_node(branch, branch.id in on_path) for branch in self.branches)


def best(branches: Sequence[Branch]) -> Branch | None:
    """The highest score; the earlier of equals. None where none is scored."""
    return min((b for b in branches if b.score is not None), key=by_score, default=None)


def by_score(branch: Branch) -> tuple[float, int]:
    """Sorts the best first and equals by arrival; branches without a score come last."""
    return (float("inf") if branch.score is None else -branch.score, branch.id)


def _node(branch: Branch, chosen: bool) -> SearchNode:
    return SearchNode(
        parent=branch.parent.id if branch.parent else None,
        text=branch.text,
        state=branch.state,
        reason=branch.reason,
        score=branch.score,
        visits=branch.visits,
        value=branch.value,
        copies=branch.copies,
        tokens=branch.tokens,
        chosen=chosen,
    )
