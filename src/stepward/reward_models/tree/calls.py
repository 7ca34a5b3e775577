"""Which queries meet which keys in one call: the nodes of a forest, small ones gathered.

A call of its own costs a node with few tokens and many descendants more than it is worth: each of those rows is merged
once more. So a node joins its parent's call where that is cheaper, although rows beside it then meet its keys in vain,
behind a mask. Costs are counted in pairs of one query and one key: `MERGE` for a row of a further call, `CALL` for the
call itself, both measured on a CPU. Results do not depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from stepward.reward_models.tree.packing import Forest, Node

MERGE, CALL = 24, 1500
MOST_KEYS = 256
"""Of a call with a mask, which is held for every row."""


@dataclass(frozen=True, eq=False, slots=True)
class Call:
    """Queries `rows` and keys `keys`, by index into the row. Every query sees at least the first key."""

    rows: slice
    keys: slice | Tensor
    first: bool
    """No other call came before for these rows."""
    seen: Tensor | None = None
    """[rows, keys], true where a query may see a key; None where query j sees key i iff i <= j."""
    _masks: dict[torch.dtype, Tensor] = field(default_factory=dict)

    def mask(self, dtype: torch.dtype) -> Tensor | None:
        """What to add to logits of `dtype`; None for the plain causal order."""
        if self.seen is None:
            return None
        if dtype not in self._masks:
            self._masks[dtype] = torch.zeros(self.seen.shape, dtype=dtype).masked_fill_(~self.seen, -torch.inf)
        return self._masks[dtype]


def calls_of(forest: Forest) -> tuple[Call, ...]:
    """Calls that bring every token together with each of its ancestors once, a call's own ancestors before it."""
    groups: dict[int, list[Node]] = {}
    head, size = list[int](), dict[int, int]()
    for index, node in enumerate(forest.nodes):
        above = head[node.parent] if node.parent >= 0 else -1
        joins = above >= 0 and _is_cheaper(forest.nodes[above], size[above], node)
        head.append(above if joins else index)
        groups.setdefault(head[index], []).append(node)
        size[head[index]] = size.get(head[index], 0) + node.end - node.start
    return tuple(_call(forest, group) for group in groups.values())


def _is_cheaper(root: Node, keys: int, node: Node) -> bool:
    """Whether `node` had better join the call of `root`, which holds `keys` so far."""
    own, rows, all_rows = node.end - node.start, node.stop - node.start, root.stop - root.start
    return keys + own <= MOST_KEYS and all_rows * own < CALL + rows * (MERGE + own)


def _call(forest: Forest, group: list[Node]) -> Call:
    root = group[0]
    rows, first = slice(root.start, root.stop), root.parent < 0
    if len(group) == 1:
        return Call(rows, slice(root.start, root.end), first)
    keys = torch.cat([torch.arange(node.start, node.end) for node in group])
    at = torch.arange(root.start, root.stop).unsqueeze(1)
    ends = torch.from_numpy(forest.ends_T)[keys]
    return Call(rows, keys, first, (at >= keys) & (at < ends))
