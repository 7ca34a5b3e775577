"""Trains a small causal language model from scratch on prompt and completion pairs.

This makes the quick start's policy: a Llama of about a million parameters over words and single digits.
Loss is cross-entropy on the completion alone. The matrices inside the layers are moved by Muon, which
reached a loss in about 0.6 of AdamW's steps here (docs/log.md), everything else by AdamW. The schedule
counts steps, never seconds, so the same texts, settings and seed give the same model on one machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from stepward.errors import ConfigError

UNKNOWN, PAD, END = "<unk>", "<pad>", "<eos>"
PIECES = r" ?[A-Za-z]+| ?\d|\n| ?[^\sA-Za-z\d]| "
"""Words, single digits and signs, each with the space before it: joined they give the text back."""
POOL = 2000
"""Examples that are sorted by length together before they are cut into batches."""

Pair = tuple[list[int], list[int]]


@dataclass(frozen=True, kw_only=True)
class LanguageSpec:
    """Size of the model and length of its training."""

    hidden: int = 128
    layers: int = 4
    heads: int = 4
    context: int = 512
    steps: int = 3000
    batch_tokens: int = 4000
    """Padded tokens in one step."""
    learning_rate: float = 3e-3
    """Of AdamW."""
    matrix_learning_rate: float = 1e-2
    """Of Muon."""
    warmup: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if self.hidden % self.heads or min(self.layers, self.steps, self.batch_tokens) < 1:
            raise ConfigError("hidden must be a multiple of heads; layers, steps, batch_tokens at least 1", got=self)


def train_language_model(
    texts: Sequence[tuple[str, str]],
    spec: LanguageSpec,
    out: Path,
    *,
    progress: Callable[[int, float], None] | None = None,
) -> Path:
    """Train on (prompt, completion) pairs and save model and tokenizer in folder `out`, which is returned.

    `progress` gets the step and its loss.
    """
    torch.manual_seed(spec.seed)
    tokenizer = word_tokenizer(texts)
    pairs = [_encode(tokenizer, prompt, completion) for prompt, completion in texts]
    model = LlamaForCausalLM(_config(spec, len(tokenizer)))
    optimizers = _optimizers(model, spec)
    schedules = [torch.optim.lr_scheduler.LambdaLR(each, partial(_rate, spec=spec)) for each in optimizers]
    batches = _batches(pairs, spec)
    for step in range(spec.steps):
        loss = _loss(model, next(batches), tokenizer.pad_token_id)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        model.zero_grad(set_to_none=True)
        if progress is not None:
            progress(step, float(loss.detach()))
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    return out


def word_tokenizer(texts: Sequence[tuple[str, str]]) -> PreTrainedTokenizerFast:
    """A tokenizer over the words of `texts`, every digit a token of its own; decoding is lossless."""
    split = pre_tokenizers.Split(Regex(PIECES), "isolated")
    words = {f"{space}{digit}" for digit in range(10) for space in ("", " ")}
    for pair in texts:
        for text in pair:
            words.update(piece for piece, _ in split.pre_tokenize_str(text))
    vocabulary = [UNKNOWN, PAD, END, *sorted(words)]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, unk_token=UNKNOWN, pad_token=PAD, eos_token=END
    )


def _encode(tokenizer: PreTrainedTokenizerFast, prompt: str, completion: str) -> Pair:
    end = tokenizer.eos_token_id
    return tokenizer.encode(prompt), [*tokenizer.encode(completion), end]


def _config(spec: LanguageSpec, vocabulary: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=vocabulary + 8,  # room for a step-end token and the like
        hidden_size=spec.hidden,
        intermediate_size=spec.hidden * 8 // 3 // 8 * 8,
        num_hidden_layers=spec.layers,
        num_attention_heads=spec.heads,
        num_key_value_heads=spec.heads,
        max_position_embeddings=spec.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=2,
        pad_token_id=1,
    )


def _optimizers(model: LlamaForCausalLM, spec: LanguageSpec) -> list[torch.optim.Optimizer]:
    matrices = [weight for weight in model.model.layers.parameters() if weight.ndim == 2]
    known = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in known]
    return [
        torch.optim.Muon(matrices, lr=spec.matrix_learning_rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(others, lr=spec.learning_rate, betas=(0.9, 0.98), weight_decay=0.01),
    ]


def _rate(step: int, spec: LanguageSpec) -> float:
    """Share of the full rate: a short rise, then a straight fall to 0."""
    return min(1.0, (step + 1) / spec.warmup) * (1 - step / spec.steps)


def _batches(pairs: Sequence[Pair], spec: LanguageSpec) -> Iterator[list[Pair]]:
    """Batches of similar length for ever, in an order fixed by the seed."""
    rng = random.Random(spec.seed)
    order = list(pairs)
    while True:
        rng.shuffle(order)
        for start in range(0, len(order), POOL):
            batches = list(_pack(sorted(order[start : start + POOL], key=_length), spec.batch_tokens))
            rng.shuffle(batches)
            yield from batches


def _pack(pairs: Sequence[Pair], batch_tokens: int) -> Iterator[list[Pair]]:
    batch: list[Pair] = []
    for pair in pairs:  # sorted by length, so the newest is the longest
        if batch and (len(batch) + 1) * _length(pair) > batch_tokens:
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch


def _length(pair: Pair) -> int:
    return len(pair[0]) + len(pair[1])


def _loss(model: LlamaForCausalLM, batch: Sequence[Pair], pad: int) -> torch.Tensor:
    width = max(map(_length, batch))
    ids_NT = torch.tensor([[*p, *c, *[pad] * (width - len(p) - len(c))] for p, c in batch])
    written_NT = torch.tensor([[0] * len(p) + [1] * len(c) + [0] * (width - len(p) - len(c)) for p, c in batch]).bool()
    hidden_NTH = model.model(input_ids=ids_NT).last_hidden_state
    logits_TV = model.lm_head(hidden_NTH[:, :-1][written_NT[:, 1:]])
    return torch.nn.functional.cross_entropy(logits_TV, ids_NT[:, 1:][written_NT[:, 1:]])
