"""A local causal language model as a judge: writes critiques and tells exact chances of verdicts.

log P(c | text) comes from one pass over text and choice. Texts that begin one another are read once: all places of one
critique where a verdict stands cost one pass. The tokens of a choice follow those of the text, so the boundary between
them never moves; a text is tokenised whole, its forced parts included.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from typing import Any, Protocol, cast, runtime_checkable

import torch

from stepward.errors import ConfigError, ModelError
from stepward.policies.chat import SLOT, PromptFormat, encode_prefix
from stepward.policies.decoding import Ids, families
from stepward.policies.prefix_grid import GridShape, PrefixGrid
from stepward.policies.transformers import TransformersPolicy
from stepward.policies.wrappers import BatchedPolicy
from stepward.reward_models.generative.choosing import BatchedChooser, Choice, ChoiceRequest
from stepward.reward_models.generative.model import JudgeModel
from stepward.reward_models.generative.prompts import Turn
from stepward.types import Completion, Origin, SampleRequest, Spend

RAW = PromptFormat(mode="raw", template=SLOT)
PLAIN = PromptFormat(mode="plain", template=SLOT)


@runtime_checkable
class LocalPolicy(Protocol):
    """A policy engine that is a dataclass over a model and its tokenizer."""

    @property
    def tokenizer(self) -> Any:
        """The model's, of Hugging Face's kind."""
        ...

    @property
    def prompt(self) -> PromptFormat:
        """How a problem becomes a prompt."""
        ...

    @property
    def origin(self) -> Origin:
        """Name, revision and settings of the model."""
        ...

    @property
    def context(self) -> int:
        """Tokens of prompt and completion together that the model can hold."""
        ...

    def prompt_ids(self, request: SampleRequest) -> Ids:
        """The token ids that `request` asks to continue."""
        ...

    def sample_batch(self, requests: Sequence[SampleRequest]) -> list[tuple[Completion, ...]]:
        """One tuple of completions per request, in order."""
        ...


def local_judge(engine: LocalPolicy) -> JudgeModel:
    """`engine` as the model behind a judge, for one event loop. Its own prompt format is not used.

    Only a `TransformersPolicy` tells chances; of another engine verdicts are read as it writes them.
    """
    tokenizer, raw = engine.tokenizer, cast(Any, unprompted(engine))
    weighs = isinstance(raw, TransformersPolicy)
    return JudgeModel(
        policy=BatchedPolicy(engine=raw),
        chooser=BatchedChooser(engine=TransformersChooser(engine=raw)) if weighs else None,
        render=partial(render, tokenizer),
        room=lambda request: raw.context - len(raw.prompt_ids(request)),
        controls=frozenset(filter(None, tokenizer.all_special_tokens)),
        origin=raw.origin,
    )


def unprompted(engine: LocalPolicy) -> LocalPolicy:
    """`engine` with a prompt format that adds nothing to a rendered dialogue; itself where it has that already."""
    wanted = RAW if engine.tokenizer.chat_template else PLAIN
    return engine if engine.prompt == wanted else cast(LocalPolicy, replace(cast(Any, engine), prompt=wanted))


def render(tokenizer: Any, turns: Sequence[Turn]) -> str:
    """The turns in the model's chat template, the assistant's answer opened; texts in a row where it has none."""
    if not tokenizer.chat_template:
        return "\n\n".join(turn.text for turn in turns) + "\n\n"
    messages = [{"role": turn.role, "content": turn.text} for turn in turns]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


@dataclass(frozen=True, slots=True)
class _Asked:
    """Token ids of a request."""

    context: Ids
    choices: tuple[Ids, ...]

    def questions(self) -> Iterator[tuple[Ids, int]]:
        """Every (ids before, next id) whose log-probability the request needs."""
        for choice in self.choices:
            for at, token in enumerate(choice):
                yield self.context + choice[:at], token


@dataclass(frozen=True, eq=False, kw_only=True)
class TransformersChooser:
    """A `ChooserEngine` over a local model."""

    engine: TransformersPolicy

    def choose_batch(self, requests: Sequence[ChoiceRequest]) -> list[Choice]:
        """One record per request, in order.

        Raises `ModelError` where one does not fit the model, `ConfigError` where a choice begins another one.
        """
        started = time.perf_counter()
        asked = [self._ids(request) for request in requests]
        needed: dict[Ids, set[int]] = {}
        payer: dict[Ids, int] = {}
        for number, each in enumerate(asked):
            for before, token in each.questions():
                needed.setdefault(before, set()).add(token)
                payer.setdefault(before, number)
        logprobs, read = self._logprobs(needed, payer)
        seconds = (time.perf_counter() - started) / max(1, sum(read.values()))
        return [
            Choice.of(
                [
                    sum(logprobs[question] for question in _Asked(each.context, (ids,)).questions())
                    for ids in each.choices
                ],
                request.temperature,
                self._spend(read[number], seconds),
            )
            for number, (request, each) in enumerate(zip(requests, asked, strict=True))
        ]

    def _ids(self, request: ChoiceRequest) -> _Asked:
        tokenizer = self.engine.tokenizer
        context = self.engine.prompt_ids(SampleRequest(problem=request.problem, prefix=request.prefix))
        choices = tuple(encode_prefix(tokenizer, text) for text in request.choices)
        for text, ids in zip(request.choices, choices, strict=True):
            if not ids or getattr(tokenizer, "unk_token_id", None) in ids:
                raise ConfigError(
                    f"the tokenizer of {self.engine.name} does not know the verdict {text!r}",
                    mend="take a model that can say it, or a judge's format with other verdicts",
                )
        for one, other in permutations(choices, 2):
            if other[: len(one)] == one:
                raise ConfigError("no choice may begin another one: their chances overlap", got=request.choices)
        length = len(context) + max(map(len, choices)) - 1
        if not context or length > self.engine.context:
            raise ModelError(
                f"{self.engine.name} holds 1 to {self.engine.context} tokens of text and verdict", got=length
            )
        return _Asked(context, choices)

    def _logprobs(
        self, needed: Mapping[Ids, set[int]], payer: Mapping[Ids, int]
    ) -> tuple[dict[tuple[Ids, int], float], Counter[int]]:
        """The answer to every question, and the tokens read for each request."""
        texts = list(needed)
        members: dict[int, list[Ids]] = {}
        for text, longest in zip(texts, families(texts), strict=True):
            members.setdefault(longest, []).append(text)
        found: dict[tuple[Ids, int], float] = {}
        read: Counter[int] = Counter()
        for longest, family in members.items():
            rows = self._read(texts[longest], [len(text) - 1 for text in family])
            read[min(payer[text] for text in family)] += len(texts[longest])
            for text, row_V in zip(family, rows, strict=True):
                found |= {(text, token): float(row_V[token]) for token in needed[text]}
        return found, read

    def _read(self, ids: Ids, places: Sequence[int]) -> torch.Tensor:
        """Log-probabilities [len(places), vocabulary] of what follows each of `places` in `ids`."""
        model, device = self.engine.model, self.engine.model.device
        grid = PrefixGrid(GridShape(lanes=1, width=1, prefix=len(ids), own=1), device)
        grid.read([0])
        kept = torch.tensor(places, device=device)
        with torch.inference_mode():
            logits_KV = model(
                input_ids=torch.tensor([ids], device=device),
                position_ids=torch.arange(len(ids), device=device)[None],
                use_cache=False,
                grid=grid,
                logits_to_keep=kept,
            ).logits[0]
            if len(logits_KV) != len(places):  # a model that keeps them all
                logits_KV = logits_KV[kept]
            return torch.log_softmax(logits_KV.float(), dim=-1).cpu()

    def _spend(self, tokens: int, seconds: float) -> Spend:
        """What a request paid: texts that several need are paid for by the first."""
        flops = 2.0 * self.engine.parameters * tokens
        return Spend(prompt_tokens=tokens, policy_calls=1, flops=flops, seconds=seconds * tokens)
