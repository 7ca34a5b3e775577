"""Any causal language model in a folder, sampled in process with Hugging Face transformers.

The engine reads each prefix once for all samples that continue it, also in later calls (`prefix_memory`), and writes
thousands of rows together (`decoding`, `prefix_grid`); samples come from counter-based random numbers (`seeds`), so
that batch size and order do not change them. Weights are read from safetensors only and no code of the folder runs.

Limits: models whose layers are not plain softmax attention (recurrent state, soft-capped scores, attention
sinks) are refused; a model with a sliding window is used up to the length of its window.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from stepward.errors import ModelError
from stepward.policies.chat import PromptFormat, chat_or_plain, encode_prefix
from stepward.policies.decoding import DecodeLoop, Ids, Rows, Written, grid_shape
from stepward.policies.drawing import Rule
from stepward.policies.model_folder import folder_hash, load_causal_model
from stepward.policies.prefix_grid import PrefixGrid
from stepward.policies.prefix_memory import PrefixMemory
from stepward.policies.seeds import draw_keys
from stepward.policies.stopping import StopWatch, stop_end, text_behind
from stepward.types import Completion, Finish, Json, Origin, SampleRequest, Spend


@dataclass(frozen=True, eq=False, kw_only=True)
class TransformersPolicy:
    """A `PolicyEngine` over a loaded model. `TransformersPolicy.load` makes one from a folder."""

    model: Any = field(repr=False)
    tokenizer: Any = field(repr=False)
    prompt: PromptFormat
    name: str
    folder: Path | None = None
    """Where the weights came from; their hash is the revision."""
    max_batch_rows: int = 2048
    """Rows that write at once, memory permitting."""
    cache_bytes: int = 2 << 30
    """Memory for keys and values; at least one row always runs."""
    remembered_tokens: int = 65_536
    """Most tokens of prefixes kept for calls that go on from them, as in a search; 0 keeps none. One costs 2 x layers x
    key heads x head size numbers, in float32 4 kB for the quick start's policy (270 MB in all) and 46 kB for
    SmolLM2-135M; never more are kept than fit into another `cache_bytes`.
    """
    _watches: dict[tuple[str, ...], StopWatch] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        dtype: str = "float32",
        device: str = "cpu",
        prompt: PromptFormat | None = None,
        max_batch_rows: int = 2048,
    ) -> TransformersPolicy:
        """The model in folder `path`; `ModelError` names what is missing from a folder that is not one.

        `prompt` defaults to the model's chat template, or to plain continuation where it has none. Samples are
        independent of batching in float32; in bfloat16 rounding moves some of them.
        """
        folder = Path(path)
        model, tokenizer = load_causal_model(folder, dtype=dtype, device=device)
        return cls(
            model=model,
            tokenizer=tokenizer,
            prompt=prompt or chat_or_plain(tokenizer),
            name=folder.resolve().name,
            folder=folder,
            max_batch_rows=max_batch_rows,
        )

    @cached_property
    def origin(self) -> Origin:
        """Name, hash of the folder's weights, precision and prompt format."""
        settings: dict[str, Json] = {
            "dtype": str(self.model.dtype).removeprefix("torch."),
            "prompt": asdict(self.prompt),
        }
        revision = folder_hash(self.folder) if self.folder else ""
        return Origin(maker=f"policy:{self.name}", revision=revision, settings=settings)

    @cached_property
    def parameters(self) -> int:
        """How many weights a token passes through, tied ones counted once."""
        return sum(weight.numel() for weight in self.model.parameters())

    @cached_property
    def context(self) -> int:
        """Tokens of prompt and completion together that the model can hold."""
        config = self.model.config
        limits = [getattr(config, name, None) for name in ("max_position_embeddings", "sliding_window")]
        return min((limit for limit in limits if limit), default=1 << 30)

    def prompt_ids(self, request: SampleRequest) -> Ids:
        """The token ids that `request` asks to continue."""
        return self.prompt.encode(self.tokenizer, request.problem) + encode_prefix(self.tokenizer, request.prefix)

    def sample_batch(self, requests: Sequence[SampleRequest]) -> list[tuple[Completion, ...]]:
        """`n` completions for each request; `ModelError` before any work where one does not fit the context."""
        started = time.perf_counter()
        ids = self._checked_ids(requests)
        rows = self._rows(requests, ids)
        if not len(rows.prompt):
            return [() for _ in requests]
        if self._memory is not None:
            self._memory.serve(self._weights_key())
        shape = grid_shape(rows, row_limit=self.max_batch_rows, token_limit=self.cache_bytes // self._bytes_per_token)
        loop = DecodeLoop(self.model, self.tokenizer, rows, PrefixGrid(shape, self.model.device), self._memory)
        written = loop.run()
        texts = [
            text_behind(
                self.tokenizer, rows.prompts[prompt][-1], row.tokens[:-1] if row.ending == "end" else row.tokens
            )
            for row, prompt in zip(written, rows.prompt.tolist(), strict=True)
        ]
        spends = self._spends(rows, written, loop.prefilled, time.perf_counter() - started)
        made = iter(zip(written, texts, spends, strict=True))
        return [tuple(_completion(request, draw, *next(made)) for draw in range(request.n)) for request in requests]

    def forget(self) -> None:
        """Free what is kept of earlier calls: the next one costs what it would cost a policy just loaded."""
        if self._memory is not None:
            self._memory.clear()

    @cached_property
    def _memory(self) -> PrefixMemory | None:
        most = min(self.remembered_tokens, self.cache_bytes // self._bytes_per_token)
        return PrefixMemory(most) if most else None

    def _weights_key(self) -> tuple[object, ...]:
        """Weights count their changes in place, so nothing that was kept outlives a step of training."""
        changes = sum(0 if weight.is_inference() else weight._version for weight in self.model.parameters())
        return (self.model.device, self.model.dtype, changes)

    @cached_property
    def _bytes_per_token(self) -> int:
        config = self.model.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return int(2 * config.num_hidden_layers * heads * size * self.model.dtype.itemsize)

    def _checked_ids(self, requests: Sequence[SampleRequest]) -> list[Ids]:
        made: dict[tuple[str, str], Ids] = {}
        for request in requests:
            key = (request.problem.text, request.prefix)
            made[key] = made.get(key) or self.prompt_ids(request)
            length = len(made[key])
            if not length:
                raise ModelError(f"the prompt of problem {request.problem.id!r} has no token for {self.name}")
            if length + request.sampling.max_tokens > self.context:
                raise ModelError(
                    f"{self.name} holds {self.context} tokens of prompt and completion",
                    got=f"{length} + max_tokens {request.sampling.max_tokens} for problem {request.problem.id!r}",
                    mend=f"lower max_tokens to at most {max(0, self.context - length)}, or shorten the prompt",
                )
        return [made[request.problem.text, request.prefix] for request in requests]

    def _rows(self, requests: Sequence[SampleRequest], ids: Sequence[Ids]) -> Rows:
        rules = {rule: at for at, rule in enumerate(dict.fromkeys(Rule.of(r.sampling) for r in requests))}
        stops = {stop: at for at, stop in enumerate(dict.fromkeys(r.sampling.stop for r in requests))}
        counts = [request.n for request in requests]
        continued = dict.fromkeys(prompt for prompt, count in zip(ids, counts, strict=True) if count)
        prompts = {prompt: at for at, prompt in enumerate(continued)}

        def per_row(values: Iterable[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
            return np.repeat(np.fromiter(values, dtype=np.int64), counts)

        return Rows(
            prompts=list(prompts),
            prompt=per_row(prompts.get(prompt, 0) for prompt in ids),
            key=np.concatenate([draw_keys(request) for request in requests] or [np.empty(0, dtype=np.uint64)]),
            limit=per_row(request.sampling.max_tokens for request in requests),
            rules=list(rules),
            rule=per_row(rules[Rule.of(request.sampling)] for request in requests),
            watches=[self._watch(stop) for stop in stops],
            watch=per_row(stops[request.sampling.stop] for request in requests),
            ends=self._ends,
        )

    @cached_property
    def _ends(self) -> frozenset[int]:
        stated = getattr(self.model.generation_config, "eos_token_id", None)
        listed = stated if isinstance(stated, list) else [stated, self.model.config.eos_token_id]
        ends = {token for token in (*listed, self.tokenizer.eos_token_id) if isinstance(token, int)}
        return frozenset(ends)

    def _watch(self, stops: tuple[str, ...]) -> StopWatch:
        if stops not in self._watches:
            self._watches[stops] = StopWatch(self.tokenizer, stops, int(self.model.config.vocab_size))
        return self._watches[stops]

    def _spends(self, rows: Rows, written: Sequence[Written], prefilled: dict[int, int], seconds: float) -> list[Spend]:
        """What each row cost; a prompt's computed tokens stand with its first row."""
        reads = [prefilled.pop(prompt, 0) for prompt in rows.prompt.tolist()]
        total = sum(reads) + sum(len(row.tokens) for row in written)
        return [
            Spend(
                policy_tokens=len(row.tokens),
                prompt_tokens=read,
                flops=2.0 * self.parameters * (len(row.tokens) + read),
                seconds=seconds * (len(row.tokens) + read) / total,
            )
            for row, read in zip(written, reads, strict=True)
        ]


def _completion(request: SampleRequest, draw: int, row: Written, text: str, spend: Spend) -> Completion:
    """A call counts once per request, with its first draw."""
    finish: Finish = "length" if row.ending == "length" else "stop"
    return Completion(
        text=text[: stop_end(text, request.sampling.stop)] if row.ending == "stop" else text,
        finish=finish,
        ended=row.ending == "end",
        logprobs=tuple(row.logprobs),
        spend=replace(spend, policy_calls=int(draw == 0)),
    )
