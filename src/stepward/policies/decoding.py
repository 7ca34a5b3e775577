"""The loop that writes many rows at once, each prefix computed once.

Prompts that are cut from one another (the prefixes of one solution) form a family around the longest; its
keys and values are computed in one pass and fill one lane of a `PrefixGrid`. The last token of a prompt is
computed with the rows: by the first row of each prompt, whose result its siblings take over. From then on
every forward call computes one token of every unfinished row; a finished row leaves its place at once to
the next of its family, a finished family to the next family (continuous batching).

What a row writes depends on its prompt, its key, its rule and its limit, up to the rounding of matrix
products: in float32 about one sampled token in a million lies near enough to an edge to notice.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from stepward.errors import ModelError
from stepward.policies.drawing import Rule, draw
from stepward.policies.llama_step import LlamaStep, llama_step
from stepward.policies.prefix_grid import GridShape, PrefixGrid
from stepward.policies.prefix_memory import PrefixMemory, Stopped
from stepward.policies.seeds import Keys, uniforms
from stepward.policies.stopping import StopWatch, stop_end, text_behind

Ids = tuple[int, ...]
Ints = NDArray[np.int64]

IDLE = -1
PREFILL_TOKENS = 8192
"""Padded tokens in one pass over prefixes."""
FREE_SHARE = 8
"""New families enter once one lane in this many is free, so that their prefixes are read in batches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What is to be written. Arrays have one entry per row."""

    prompts: Sequence[Ids]
    prompt: Ints
    """Which of `prompts` a row continues."""
    key: Keys
    limit: Ints
    """Tokens a row may write."""
    rules: Sequence[Rule]
    rule: Ints
    watches: Sequence[StopWatch]
    watch: Ints
    ends: frozenset[int]
    """Ids that end a solution."""


class _Opened(NamedTuple):
    """A prefix that was given a lane."""

    lane: int
    prefix: Ids
    held: int
    """Tokens at its beginning that the lane holds."""

    @property
    def left(self) -> int:
        return len(self.prefix) - self.held


class Written(NamedTuple):
    """What one row wrote, the token that ended it included."""

    tokens: list[int]
    logprobs: list[float]
    ending: Literal["end", "stop", "length"]


def families(prompts: Sequence[Ids]) -> list[int]:
    """For each prompt the index of the longest prompt that starts with it, itself where there is none."""
    order = sorted(range(len(prompts)), key=prompts.__getitem__)
    longest = list(range(len(prompts)))
    for this, after in zip(reversed(order[:-1]), reversed(order[1:]), strict=True):
        if prompts[longest[after]][: len(prompts[this])] == prompts[this]:
            longest[this] = longest[after]
    return longest


@dataclass(slots=True)
class DecodeLoop:
    """Writes all of `rows` with `model`. `prefilled` counts the prompt tokens that were computed, per prompt."""

    model: Any
    tokenizer: Any
    rows: Rows
    grid: PrefixGrid
    memory: PrefixMemory | None = None
    """What earlier calls computed; it learns from this one."""
    written: list[Written | None] = field(init=False)
    prefilled: dict[int, int] = field(default_factory=dict, init=False)
    _ends: NDArray[np.bool_] = field(init=False)
    """For each token id whether it ends a solution."""
    _brief: LlamaStep | None = field(init=False)
    """The model's shorter forward call, where it has one."""
    _waiting: deque[tuple[int, deque[int]]] = field(init=False)
    """Families not yet in a lane, longest first: index of the longest prompt, rows."""
    _queues: list[deque[int]] = field(init=False)
    """For each lane the rows of its family that have no place yet."""
    _settled: bool = field(default=False, init=False)
    """Whether no slot has become free since rows were last seated."""
    _row: Ints = field(init=False)
    """For each slot its row or IDLE."""
    _prefix: Ints = field(init=False)
    _own: Ints = field(init=False)
    """For each slot the tokens behind its prefix that are computed: one more than it has written."""
    _token: Ints = field(init=False)
    _leader: Ints = field(init=False)
    """For each slot the slot whose first result it takes over, or IDLE."""
    _tokens: NDArray[np.int64] = field(init=False)
    _logprobs: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        slots = self.grid.shape.lanes * self.grid.shape.width
        self.written = [None] * len(self.rows.prompt)
        self._brief = llama_step(self.model)
        self._ends = np.isin(np.arange(self.model.config.vocab_size), list(self.rows.ends))
        self._waiting = _by_family(self.rows)
        self._queues = [deque() for _ in range(self.grid.shape.lanes)]
        self._row, self._leader = np.full(slots, IDLE), np.full(slots, IDLE)
        self._prefix, self._own, self._token = (np.zeros(slots, dtype=np.int64) for _ in range(3))
        self._tokens = np.zeros((slots, self.grid.shape.own), dtype=np.int64)
        self._logprobs = np.zeros((slots, self.grid.shape.own), dtype=np.float32)

    def run(self) -> list[Written]:
        """Every row's result, in order."""
        with torch.inference_mode():
            while self._place():
                self._step()
        return [row for row in self.written if row is not None]

    def _place(self) -> bool:
        """Give free lanes to families and free slots to rows; whether there is anything to write."""
        if self._settled:
            return True
        width = self.grid.shape.width
        busy_L = (self._row.reshape(-1, width) != IDLE).any(axis=1) | np.array([bool(queue) for queue in self._queues])
        free = np.flatnonzero(~busy_L)
        if self._waiting and len(free) * FREE_SHARE >= len(busy_L):
            self._open(free.tolist())
        elif not self._waiting:
            self._close_up()
        for lane, queue in enumerate(self._queues):
            if queue:
                self._seat(lane, queue)
        self._settled = bool((self._row != IDLE).any())
        return self._settled

    def _open(self, lanes: list[int]) -> None:
        """Move waiting families into `lanes` and compute their prefixes, similar lengths together."""
        opened: list[_Opened] = []
        for lane in lanes[: len(self._waiting)]:
            family, self._queues[lane] = self._waiting.popleft()
            prefix = self.rows.prompts[family][:-1]
            held = self.memory.fill(self.grid, lane, prefix) if self.memory and prefix else 0
            self.prefilled[family] = self.prefilled.get(family, 0) + len(prefix) - held
            if held < len(prefix):
                opened.append(_Opened(lane, prefix, held))
        for part in ([each for each in opened if not each.held], [each for each in opened if each.held]):
            part.sort(key=lambda each: -each.left)
            while part:
                count = max(1, PREFILL_TOKENS // part[0].left)
                self._read(part[:count])
                part = part[count:]

    def _read(self, opened: list[_Opened]) -> None:
        """Compute what is left of these prefixes, of which all or none are held in part."""
        longest, lanes = max(each.left for each in opened), [each.lane for each in opened]
        ids, held = np.zeros((len(opened), longest), dtype=np.int64), np.array([each.held for each in opened])
        for at, each in enumerate(opened):
            ids[at, : each.left] = each.prefix[each.held :]
        if held.any():
            left = np.array([each.left for each in opened])
            self.grid.read_on(lanes, *(torch.from_numpy(part).to(self.grid.device) for part in (held, left)))
        else:
            self.grid.read(lanes)
        self._forward(self.model.base_model, ids, held[:, None] + np.arange(longest))
        if self.memory is not None:
            for each in opened:
                self.memory.keep_prefix(self.grid, each.lane, each.prefix)

    def _forward(self, module: Any, ids: Ints, positions: Ints) -> Any:
        device = self.grid.device
        made = module(
            input_ids=torch.from_numpy(ids).to(device),
            position_ids=torch.from_numpy(positions).to(device),
            use_cache=False,
            grid=self.grid,
        )
        if not self.grid.used:
            raise ModelError(
                f"{type(module).__name__} does not attend through the shared prefix cache",
                mend="use a model whose attention goes through transformers' AttentionInterface",
            )
        return made

    def _seat(self, lane: int, queue: deque[int]) -> None:
        """Fill the free slots of `lane`. Rows of one prompt that sit down together follow the first of them."""
        start = lane * self.grid.shape.width
        leaders: dict[int, int] = {}
        for slot in (start + np.flatnonzero(self._row[start : start + self.grid.shape.width] == IDLE)).tolist():
            if not queue:
                return
            row = queue.popleft()
            prompt = int(self.rows.prompt[row])
            self._row[slot], self._own[slot] = row, 0
            self._prefix[slot], self._token[slot] = len(self.rows.prompts[prompt]) - 1, self.rows.prompts[prompt][-1]
            self._leader[slot] = leaders.get(prompt, IDLE)
            if prompt not in leaders:
                leaders[prompt] = slot
                self.prefilled[prompt] = self.prefilled.get(prompt, 0) + 1

    def _step(self) -> None:
        """One token for every row."""
        device = self.grid.device
        led = self._leader != IDLE
        moving, following = np.flatnonzero((self._row != IDLE) & ~led), np.flatnonzero(led)
        self.grid.write(*(torch.from_numpy(part).to(device) for part in (moving, self._prefix, self._own)))
        logits_BV = self._logits(self._token[moving], (self._prefix + self._own)[moving])
        slots = moving
        if len(following):
            leaders = self._leader[following]
            self.grid.copy_first(torch.from_numpy(leaders).to(device), torch.from_numpy(following).to(device))
            sources = np.concatenate([np.arange(len(moving)), np.searchsorted(moving, leaders)])
            logits_BV = logits_BV[torch.from_numpy(sources).to(device)]
            slots = np.concatenate([moving, following])
            self._leader[following] = IDLE
        self._write(slots, logits_BV)

    def _logits(self, tokens: Ints, positions: Ints) -> torch.Tensor:
        if self._brief is None:
            logits: torch.Tensor = self._forward(self.model, tokens[:, None], positions[:, None]).logits[:, -1]
            return logits
        token_B, position_B = (torch.from_numpy(part).to(self.grid.device) for part in (tokens, positions))
        return self._brief(token_B, position_B, int(positions.max()), self.grid)

    def _write(self, slots: Ints, logits_BV: torch.Tensor) -> None:
        """Draw a token for each slot, note it, and let finished rows go."""
        rows, at = self._row[slots], self._own[slots]
        tokens, logprobs = self._draw(rows, at, logits_BV)
        self._tokens[slots, at], self._logprobs[slots, at], self._token[slots] = tokens, logprobs, tokens
        self._own[slots] = at + 1
        ended = self._ends[tokens]
        full = at + 1 >= self.rows.limit[rows]
        stopped = self._stopped(slots, rows, tokens, ~ended)
        if self.memory is not None:
            self.memory.keep_rows(self.grid, [self._stop_of(slot) for slot in slots[stopped].tolist()])
        for index in np.flatnonzero(ended | full | stopped).tolist():
            ending: Literal["end", "stop", "length"] = "end" if ended[index] else "stop" if stopped[index] else "length"
            slot, count = slots[index], at[index] + 1
            self.written[rows[index]] = Written(
                self._tokens[slot, :count].tolist(), self._logprobs[slot, :count].tolist(), ending
            )
            self._row[slot], self._settled = IDLE, False

    def _stop_of(self, slot: int) -> Stopped:
        prompt = self.rows.prompts[self.rows.prompt[self._row[slot]]]
        written = self._tokens[slot, : self._own[slot] - 1].tolist()
        return Stopped(slot=slot, ids=[*prompt, *written], prefix=len(prompt) - 1)

    def _draw(self, rows: Ints, at: Ints, logits_BV: torch.Tensor) -> tuple[Ints, NDArray[np.float32]]:
        numbers_B = torch.from_numpy(uniforms(self.rows.key[rows], at)).to(logits_BV.device)
        tokens, logprobs = np.empty(len(rows), dtype=np.int64), np.empty(len(rows), dtype=np.float32)
        for index in np.unique(self.rows.rule[rows]).tolist() if len(self.rows.rules) > 1 else (0,):
            mine = np.flatnonzero(self.rows.rule[rows] == index)
            part = slice(None) if len(mine) == len(rows) else torch.from_numpy(mine).to(logits_BV.device)
            drawn = draw(logits_BV[part], self.rows.rules[index], numbers_B[part])
            tokens[mine], logprobs[mine] = drawn.tokens_B.cpu().numpy(), drawn.logprobs_B.cpu().numpy()
        return tokens, logprobs

    def _stopped(self, slots: Ints, rows: Ints, tokens: Ints, candidates: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the rows have just completed a stop string."""
        stopped = np.zeros(len(slots), dtype=bool)
        for number, watch in enumerate(self.rows.watches):
            mine = np.flatnonzero(candidates & (self.rows.watch[rows] == number)) if watch.stops else ()
            for index in np.asarray(mine, dtype=np.int64)[watch.may_end(tokens[mine])] if len(mine) else ():
                prompt = self.rows.prompts[self.rows.prompt[rows[index]]]
                ids = self._tokens[slots[index], : self._own[slots[index]]].tolist()
                stopped[index] = stop_end(text_behind(self.tokenizer, prompt[-1], ids), watch.stops) is not None
        return stopped

    def _close_up(self) -> None:
        """Give up lanes and columns that nothing waits for, once they are a quarter of the grid."""
        width = self.grid.shape.width
        idle_LW = self._row.reshape(-1, width) == IDLE
        wanted_L = np.minimum(width, (~idle_LW).sum(axis=1) + [len(queue) for queue in self._queues])
        lanes, narrow = np.flatnonzero(wanted_L), int(wanted_L.max())
        if not 0 < len(lanes) * narrow <= idle_LW.size * 3 // 4:
            return
        columns = np.argsort(idle_LW[lanes], axis=1, kind="stable")[:, :narrow]
        slots = (lanes[:, None] * width + columns).ravel()
        self.grid.keep(*(torch.from_numpy(part).to(self.grid.device) for part in (lanes, columns)))
        self._queues = [self._queues[lane] for lane in lanes]
        for name in ("_row", "_prefix", "_own", "_token", "_leader", "_tokens", "_logprobs"):
            setattr(self, name, getattr(self, name)[slots])


def grid_shape(rows: Rows, *, row_limit: int, token_limit: int) -> GridShape:
    """The widest grid of at most `row_limit` rows whose caches hold at most `token_limit` tokens (or one row)."""
    waiting = _by_family(rows)
    prefix = max((len(rows.prompts[family]) - 1 for family, _ in waiting), default=0)
    own = int(rows.limit.max(initial=1))
    most = max((len(members) for _, members in waiting), default=1)
    width = min(most, max(8, -(-row_limit // max(1, len(waiting)))), max(1, (token_limit - prefix) // own))
    width = -(-most // -(-most // min(width, row_limit)))
    lanes = min(len(waiting), row_limit // width, token_limit // (prefix + width * own))
    return GridShape(lanes=max(1, lanes), width=width, prefix=prefix, own=own)


def _by_family(rows: Rows) -> deque[tuple[int, deque[int]]]:
    longest = families(rows.prompts)
    members: dict[int, deque[int]] = {}
    for row, prompt in enumerate(rows.prompt.tolist()):
        members.setdefault(longest[prompt], deque()).append(row)
    return deque(sorted(members.items(), key=lambda item: -len(rows.prompts[item[0]])))
