"""Any causal language model in a folder, sampled with vLLM's offline engine: for GPUs, and for its CPU build.

Prompts, prefixes and texts are those of `TransformersPolicy`: vLLM is handed token ids and hands token ids
back. Each draw is one request with a seed of its own,

    seed = key(sampling seed, problem id, prefix, draw index) >> 1        (`seeds.draw_keys`, 63 bits)

so its random numbers do not depend on `n`, `first_draw` or what it is batched with; vLLM's prefix cache lets
the draws of one prefix share it. Log-probabilities are vLLM's "raw" ones: before temperature and filters.

What vLLM does not promise: that a sample is independent of its batch. Kernels add in an order that depends on
the number of rows, and a rounding that moves one token moves the rest of the text, in bfloat16 often. Where
that matters set the environment variable VLLM_BATCH_INVARIANT=1 before the process starts (a beta feature of
vLLM: NVIDIA GPUs of compute capability 8.0 and above, some AMD and Intel GPUs, no CPU); it is recorded in the
origin. Seeds give other samples than `TransformersPolicy`'s, and other devices give others again.

Limits: a temperature between 0 and 0.01 is read by vLLM as 0.01. The CPU build uses the low 32 bits of a seed.
It also cannot rewind a seeded request whose prompt was read in part (its engine ends with "CPU Generator does
not use offset"), so there prompts are read whole. vLLM starts a process of its own: guard scripts with
`if __name__ == "__main__"`, or set VLLM_ENABLE_V1_MULTIPROCESSING=0.

Kwon et al., "Efficient Memory Management for Large Language Model Serving with PagedAttention", 2023,
arXiv:2309.06180.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from stepward.errors import ConfigError, MissingExtraError, ModelError
from stepward.policies.chat import PromptFormat, chat_or_plain, encode_prefix
from stepward.policies.seeds import draw_keys
from stepward.policies.stopping import stop_end, text_behind
from stepward.types import Completion, Finish, Json, Origin, SampleRequest, Spend

Ids = tuple[int, ...]

FIXED: dict[str, Json] = {
    "trust_remote_code": False,
    "load_format": "safetensors",
    "logprobs_mode": "raw_logprobs",
}
"""Arguments of `vllm.LLM` that a policy's promises rest on."""

CPU: dict[str, Json] = {"enable_chunked_prefill": False, "block_size": 32}
"""Defaults for the CPU build. Prefixes are shared in whole blocks: vLLM's own 128 tokens are more than most have."""


class Draw(NamedTuple):
    """One request to vLLM."""

    request: SampleRequest
    number: int
    """Among the draws of `request`, from 0."""
    prompt: Ids
    seed: int


@dataclass(frozen=True, eq=False, kw_only=True)
class VLLMPolicy:
    """A `PolicyEngine` over a `vllm.LLM`. `VLLMPolicy.load` makes one from a folder."""

    engine: Any = field(repr=False)
    """A `vllm.LLM` with `logprobs_mode="raw_logprobs"`."""
    sampling_params: Callable[..., Any] = field(repr=False)
    """`vllm.SamplingParams`."""
    tokenizer: Any = field(repr=False)
    prompt: PromptFormat
    name: str
    parameters: int
    """How many weights a token passes through; for the estimate of flops."""
    settings: Mapping[str, Json] = field(default_factory=dict)
    """What the origin tells of the engine."""
    folder: Path | None = None
    """Where the weights came from; their hash is the revision."""

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        dtype: str = "bfloat16",
        prompt: PromptFormat | None = None,
        options: Mapping[str, Json] | None = None,
    ) -> VLLMPolicy:
        """The model in folder `path`.

        `prompt` defaults to the model's chat template, or to plain continuation where it has none. `options` are
        further arguments of `vllm.LLM`, such as `gpu_memory_utilization`, `max_model_len`,
        `tensor_parallel_size` or `enforce_eager`. Raises `MissingExtraError` without vLLM, `ModelError` for a
        folder that vLLM cannot load, `ConfigError` for an option that is not free.
        """
        vllm = _library()
        folder, chosen = Path(path), _options(options or {})
        engine, tokenizer = _loaded(vllm, folder, {"dtype": dtype, **chosen})
        return cls(
            engine=engine,
            sampling_params=vllm.SamplingParams,
            tokenizer=tokenizer,
            prompt=prompt or chat_or_plain(tokenizer),
            name=folder.resolve().name,
            parameters=stored_weights(folder),
            settings={"dtype": dtype, "engine": f"vllm {vllm.__version__}", "options": chosen},
            folder=folder,
        )

    @cached_property
    def origin(self) -> Origin:
        """Name, hash of the folder's weights, engine with version and options, and prompt format."""
        invariant = os.environ.get("VLLM_BATCH_INVARIANT", "0") not in ("", "0")
        own: dict[str, Json] = {"prompt": asdict(self.prompt), "batch_invariant": invariant}
        return Origin(maker=f"policy:{self.name}", revision=self._revision, settings={**self.settings, **own})

    @cached_property
    def _revision(self) -> str:
        if self.folder is None:
            return ""
        from stepward.policies.model_folder import folder_hash

        return folder_hash(self.folder)

    @property
    def context(self) -> int:
        """Tokens of prompt and completion together that the engine can hold."""
        return int(self.engine.model_config.max_model_len)

    def prompt_ids(self, request: SampleRequest) -> Ids:
        """The token ids that `request` asks to continue."""
        return self.prompt.encode(self.tokenizer, request.problem) + encode_prefix(self.tokenizer, request.prefix)

    def sample_batch(self, requests: Sequence[SampleRequest]) -> list[tuple[Completion, ...]]:
        """`n` completions for each request; `ModelError` before any work where one does not fit the context.

        A prompt counts as read once per call, with its first draw: what vLLM's cache kept from earlier calls is
        not subtracted.
        """
        started = time.perf_counter()
        draws = self._draws(requests)
        if not draws:
            return [() for _ in requests]
        prompts = [{"prompt_token_ids": list(draw.prompt)} for draw in draws]
        answers = self.engine.generate(prompts, [self._params(draw) for draw in draws], use_tqdm=False)
        written = [answer.outputs[0] for answer in answers]
        spends = self._spends(draws, written, time.perf_counter() - started)
        made = iter([self._completion(*each) for each in zip(draws, written, spends, strict=True)])
        return [tuple(islice(made, request.n)) for request in requests]

    def _draws(self, requests: Sequence[SampleRequest]) -> list[Draw]:
        known: dict[tuple[str, str], Ids] = {}
        draws = []
        for request in requests:
            place = (request.problem.text, request.prefix)
            prompt = known[place] = known.get(place) or self.prompt_ids(request)
            self._check(request, len(prompt))
            draws += [Draw(request, number, prompt, int(key) >> 1) for number, key in enumerate(draw_keys(request))]
        return draws

    def _check(self, request: SampleRequest, length: int) -> None:
        if not length:
            raise ModelError(f"the prompt of problem {request.problem.id!r} has no token for {self.name}")
        if length + request.sampling.max_tokens > self.context:
            raise ModelError(
                f"{self.name} holds {self.context} tokens of prompt and completion",
                got=f"{length} + max_tokens {request.sampling.max_tokens} for problem {request.problem.id!r}",
                mend=f"lower max_tokens to at most {max(0, self.context - length)}, or shorten the prompt",
            )

    def _params(self, draw: Draw) -> Any:
        """A stop string is looked for in the text, which vLLM need not make where there is none to find."""
        sampling = draw.request.sampling
        return self.sampling_params(
            n=1,
            seed=draw.seed,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            max_tokens=sampling.max_tokens,
            stop=list(sampling.stop),
            include_stop_str_in_output=True,
            detokenize=bool(sampling.stop),
            skip_special_tokens=False,
            spaces_between_special_tokens=False,
            logprobs=0,
        )

    def _spends(self, draws: Sequence[Draw], written: Sequence[Any], seconds: float) -> list[Spend]:
        """What each draw cost: a prompt stands with its first draw, a call with the first of its request."""
        unread = {draw.prompt: len(draw.prompt) for draw in draws}
        reads = [unread.pop(draw.prompt, 0) for draw in draws]
        total = sum(reads) + sum(len(row.token_ids) for row in written)
        return [
            Spend(
                policy_tokens=len(row.token_ids),
                prompt_tokens=read,
                policy_calls=int(draw.number == 0),
                flops=2.0 * self.parameters * (len(row.token_ids) + read),
                seconds=seconds * (len(row.token_ids) + read) / total,
            )
            for draw, row, read in zip(draws, written, reads, strict=True)
        ]

    def _completion(self, draw: Draw, row: Any, spend: Spend) -> Completion:
        """`row` is vLLM's `CompletionOutput`: it names a stop string, an end token by its id or not at all."""
        stopped = row.finish_reason == "stop"
        ended = stopped and not isinstance(row.stop_reason, str)
        ids = list(row.token_ids)
        text = text_behind(self.tokenizer, draw.prompt[-1], ids[:-1] if ended else ids)
        finish: Finish = "stop" if stopped else "length" if row.finish_reason == "length" else "error"
        return Completion(
            text=text[: stop_end(text, draw.request.sampling.stop)] if stopped else text,
            finish=finish,
            ended=ended,
            logprobs=tuple(float(at[token].logprob) for at, token in zip(row.logprobs, ids, strict=True)),
            spend=spend,
            error=f"vLLM ended this sample: {row.finish_reason}" if finish == "error" else "",
        )


def stored_weights(folder: Path) -> int:
    """How many numbers the folder's safetensors files hold, from their headers; packed ones count as stored."""
    total = 0
    for path in sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        total += sum(math.prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
    return total


def _library() -> Any:
    try:
        return import_module("vllm")
    except ModuleNotFoundError as error:
        if error.name != "vllm":
            raise
        raise MissingExtraError.of("vllm", "vllm") from error


def _options(chosen: Mapping[str, Json]) -> dict[str, Json]:
    """Defaults of ours, then what was chosen, then what is fixed."""
    taken = sorted({*FIXED, "model", "dtype"} & chosen.keys())
    if taken:
        raise ConfigError("these options of vLLM are set by the policy", got=taken, mend="leave them out")
    cpu = CPU if import_module("vllm.platforms").current_platform.is_cpu() else {}
    return {"enable_prefix_caching": True, **cpu, **chosen, **FIXED}


def _loaded(vllm: Any, folder: Path, options: Mapping[str, Json]) -> tuple[Any, Any]:
    """Engine and tokenizer."""
    from transformers import AutoTokenizer

    from stepward.policies.model_folder import check_folder

    check_folder(folder)
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        return vllm.LLM(model=str(folder), **options), tokenizer
    except (ValueError, TypeError, OSError, RuntimeError) as error:
        raise ModelError(f"vLLM cannot load {folder}", got=str(error)) from error
