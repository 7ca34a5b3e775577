"""Fine-tunes a language model to judge: it learns to write critiques and the verdicts that end them.

    L = sum over tokens of critique and verdict of  w_t x -log pi(token | prompt, what stands before)

The prompt is read and not learned. A verdict is a few tokens behind hundreds, so its weight is an option: with weight 1
it is one token among many. Everything here is text: how a problem and its steps become a prompt, and how verdicts are
read again, is the judge format's matter. Each token is one read position whose "logit" is its log-probability, so
packing, accumulation, resuming and early stopping are those of every other training. Prompts that begin alike are
computed once. What comes out is an ordinary model folder; adapters are merged into it, and an unembedding that is not
tied to the embedding stays as it is. (GenRM, arXiv 2408.15240; ThinkPRM, arXiv 2504.16828.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from stepward.errors import ConfigError, DataError, LabelError
from stepward.policies.chat import SLOT, PromptFormat, encode_prefix
from stepward.reward_models.backbone import Backbone, codec_for, quiet, revision_of, understood
from stepward.reward_models.encoding.codec import Encoded, StepCodec
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.log_ratio import pass_through
from stepward.reward_models.readout import Readout
from stepward.storage.files import make_folder, write_atomic
from stepward.training.descent import GradientRun, adapted
from stepward.training.examples import Example, Slot
from stepward.training.objectives.likelihood import NegativeLogLikelihood
from stepward.training.spec import TrainSpec
from stepward.training.split import hold_out
from stepward.training.watch import SILENT, Watch
from stepward.types import Json, Problem, content_key

CARD = "judge.json"
TEXT = PRMFormat(name="text", marker="\n", added=False, one_token=False)
TOKENS = Readout(layers=(), likelihood="step")


@dataclass(frozen=True, slots=True, kw_only=True)
class CritiqueExample:
    """What a judge is shown, and what it shall write. Raises `DataError` where a text is empty."""

    prompt: str
    """Whole, in the model's chat template where it has one, up to where the judge begins."""
    critique: str
    """Up to where the verdict stands; may be empty for a judge that answers at once."""
    verdict: str
    """As the judge writes it, a leading space included."""
    problem: str = ""
    """The problem's text, by default the prompt: critiques of one problem stay on one side of a split."""
    weight: float = 1.0
    """Of all its tokens; rare verdicts may count more."""

    def __post_init__(self) -> None:
        if not self.prompt or not self.verdict or not self.weight > 0:
            raise DataError("a critique needs a prompt, a verdict and a weight above 0", got=self)


@dataclass(frozen=True, slots=True, kw_only=True)
class CritiqueSet:
    """Critiques as the trainer sees them, and how many were left out, by reason."""

    examples: tuple[Example, ...]
    excluded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeResult:
    """What a training came to."""

    folder: Path
    """A model folder; whole only where `finished`."""
    finished: bool
    """False where a stop request came first: call again to go on."""
    figures: Mapping[str, Json] = field(default_factory=dict)


def train_judge(
    rows: Sequence[CritiqueExample],
    spec: TrainSpec,
    *,
    backbone: Path,
    out: Path,
    verdict_weight: float = 1.0,
    watch: Watch = SILENT,
) -> JudgeResult:
    """Fine-tune the causal language model in folder `backbone` on `rows` into the model folder `out`.

    Of `spec` mode (lora or full), adapter, descent, normalisation, held_out and seed count; objective and readout are
    the likelihood's. Interrupted it goes on where it was. Raises `LabelError` where nothing can be learned,
    `ConfigError` where `out` holds another training, `ModelError` where `backbone` is no language model.
    """
    spec = replace(spec, objective=NegativeLogLikelihood(), readout=TOKENS)
    key = content_key(spec.to_json(), [_row(row) for row in rows], verdict_weight, revision_of(backbone))
    if (done := _finished(out, key)) is not None:
        return done
    torch.manual_seed(spec.seed)
    whole, opened = _open(backbone)
    made = critique_examples(opened.codec, rows, verdict_weight=verdict_weight)
    if spec.mode == "lora":
        adapted(opened, spec.adapter)
    halves = hold_out(made.examples, share=spec.held_out, seed=spec.seed)
    if not halves.train:
        raise LabelError("every prompt fell on the held-out side", got=len(halves.held_out), mend="lower held_out")
    make_folder(out)
    run = GradientRun(spec=spec, halves=halves, backbone=opened, head=pass_through(), out=out, key=key, watch=watch)
    if not run.run():
        return JudgeResult(folder=out, finished=False)
    figures: dict[str, Json] = {
        "steps": run.place.step,
        "held_out_loss": run.place.best_loss,
        "critiques": len(made.examples),
        "excluded": dict(made.excluded),
    }
    _save(whole, opened, out, {"key": key, "spec": spec.to_json(), "figures": figures})
    return JudgeResult(folder=out, finished=True, figures=figures)


def critique_examples(codec: StepCodec, rows: Sequence[CritiqueExample], *, verdict_weight: float = 1.0) -> CritiqueSet:
    """One example per row that the model can read; the others are counted. `LabelError` where none is left."""
    if not verdict_weight > 0:
        raise ConfigError("verdict_weight must be above 0", got=verdict_weight, mend="1 counts it as any other token")
    made = [_example(codec.tokenizer, row, verdict_weight) for row in rows]
    kept = tuple(example for example in made if len(example.encoded) <= codec.context)
    over = len(made) - len(kept)
    if not kept:
        raise LabelError("no critique can be trained on", got=f"{over} over {codec.context} tokens")
    return CritiqueSet(examples=kept, excluded={f"over {codec.context} tokens": over} if over else {})


def _example(tokenizer: Any, row: CritiqueExample, verdict_weight: float) -> Example:
    """Pieces are tokenised one by one, as they are when the judge writes and when its verdict is read."""
    way = PromptFormat(mode="raw" if tokenizer.chat_template else "plain", template=SLOT)
    prompt = way.encode(tokenizer, Problem(id="prompt", text=row.prompt))
    critique, verdict = encode_prefix(tokenizer, row.critique), encode_prefix(tokenizer, row.verdict)
    end = () if tokenizer.eos_token_id is None else (int(tokenizer.eos_token_id),)
    weights = [1.0] * len(critique) + [verdict_weight] * len(verdict) + [1.0] * len(end)
    ids = (*prompt, *critique, *verdict, *end)
    places = range(len(prompt), len(ids))
    encoded = Encoded(ids=ids, spans=tuple((at, at + 1) for at in places), read_positions=tuple(places))
    slots = tuple(Slot(step=step, target=1.0, weight=row.weight * own) for step, own in enumerate(weights))
    return Example(
        encoded=encoded, slots=slots, group=content_key(row.problem or row.prompt), trace_id=content_key(*_row(row))
    )


def _open(folder: Path) -> tuple[Any, Backbone]:
    """The whole language model, and its transformer as a backbone; they share weights."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with quiet(), understood(folder):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        whole: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True
        )
    return whole, Backbone.of(whole.base_model, codec_for(tokenizer, whole.config, TEXT), folder)


def _save(whole: Any, backbone: Backbone, out: Path, card: Mapping[str, Json]) -> None:
    """Write the model folder; the card comes last, so a folder with a card is whole."""
    merge = getattr(backbone.model, "merge_and_unload", None)
    with quiet():
        if merge is not None:
            merge()
        whole.eval().save_pretrained(out)
        backbone.codec.tokenizer.save_pretrained(out)
    write_atomic(out / CARD, (json.dumps(card, indent=2) + "\n").encode())


def _finished(out: Path, key: str) -> JudgeResult | None:
    file = out / CARD
    if not file.is_file():
        return None
    card = json.loads(file.read_text(encoding="utf-8"))
    if card.get("key") != key:
        raise ConfigError(
            f"{out} holds a judge trained with other settings or critiques",
            got=card.get("key"),
            mend="train into a new folder, or delete this one",
        )
    return JudgeResult(folder=out, finished=True, figures=card["figures"])


def _row(row: CritiqueExample) -> list[Json]:
    return [row.prompt, row.critique, row.verdict, row.problem, row.weight]
