"""A checkpoint as a plain transformers folder: a token classifier with two labels, "wrong" and "right".

With u the logit that our head gives a step, the exported classifier gives [0, u] at the step's marker, so that its
softmax at label 1 is sigmoid(u), our score. A temperature or Platt calibrator is a line in the logit and is folded
in:
    u' = u / t        u' = a u + b
exact while our own calibration does not hold the probability back (it does beyond 1e-6 of 0 and 1).

Told in the folder: the marker in the tokenizer, the format in config.json (by which our own loader knows it), how to
read scores in README.md, and which problems taught it. Refused, with the mend: what a token classifier cannot say
(other layers, pooled steps, surprise, a head of two layers, curved calibrators, chat layouts, prefixes read
one by one).
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from stepward.calibrate import Platt, Temperature, from_json
from stepward.errors import ConfigError, ModelError
from stepward.reward_models.backbone import Backbone, quiet
from stepward.reward_models.checkpoint import Card, Checkpoint, load_checkpoint
from stepward.reward_models.export_card import card_text
from stepward.reward_models.formats.detect import TOLD
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.readout import LAST
from stepward.reward_models.trained_on import TRAINED_ON
from stepward.storage.files import make_folder, write_atomic

LABELS = {0: "wrong", 1: "right"}
PROBE = 8
"""Tokens on which the exported classifier is held against our head before it is written."""
CLOSE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    folder: Path
    architecture: str
    format: PRMFormat
    """How the folder is read."""
    notes: tuple[str, ...]
    """What a user of its scores must know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The logit of a step as a line in its hidden state: weight [width], and bias."""

    weight: Tensor
    bias: Tensor
    notes: tuple[str, ...] = ()

    def scaled(self, a: float, b: float, note: str) -> Line:
        """The line a u + b."""
        return Line(weight=self.weight * a, bias=self.bias * a + b, notes=(*self.notes, note))


def export_token_classifier(
    checkpoint: Path, out: Path, *, calibrated: bool = True, backbone: Path | None = None
) -> Exported:
    """Write the reward model in `checkpoint` as a token classifier into `out`, in fp32; `out` must be new or empty.

    `calibrated` folds the calibrator in; False leaves it out. `backbone` says where a moved backbone lies. Raises
    `ModelError` where the model is none that a token classifier can express, and `ConfigError` where `out` holds files.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(
            f"{out} is not empty", got=sorted(p.name for p in out.iterdir())[:8], mend="name a new folder"
        )
    found = load_checkpoint(checkpoint, backbone=backbone)
    _refuse(checkpoint, found)
    line = _calibrated(_line(found), found.card, calibrated)
    model = _classifier(_merged(found.backbone), line)
    format = _format(found)
    setattr(model.config, TOLD, json.loads(json.dumps(format.to_json())))
    make_folder(out)
    with quiet():
        _tokenizer(found).save_pretrained(out)
        model.save_pretrained(out)
    _write_facts(checkpoint, out, format, found)
    return Exported(folder=out, architecture=type(model).__name__, format=format, notes=_notes(found, line))


def _refuse(folder: Path, found: Checkpoint) -> None:
    """Raise `ModelError` with the mend for the first thing about `found` that a token classifier cannot express."""
    for what, mend in _obstacles(found):
        raise ModelError(f"{folder} cannot be written as a token classifier: {what}", mend=mend)


def _obstacles(found: Checkpoint) -> Iterator[tuple[str, str]]:
    card, layers = found.card, found.backbone.layers
    own = "score it with `stepward score`, or train one with the default readout and format"
    if card.readout.absolute(layers) != (layers,) or replace(card.readout, layers=LAST.layers) != LAST:
        yield f"it reads more than the last layer at the marker ({card.readout})", own
    if card.head_hidden or getattr(found.head, "inner", None) is not None:
        yield "its head has two layers", "train with head_hidden: 0"
    if getattr(found.head, "out", None) is None or found.head.out.out_features != 1:
        yield "its head has two outputs, or is none of ours", "train with one target"
    if _laid_out(card.format) != _laid_out(STEPWARD_DEFAULT):
        yield f"format {card.format.name!r} is a chat, joins texts, or is read elsewhere than at its marker", own
    if card.format.convention != "probability":
        yield f"its scores are a {card.format.convention}, which a softmax is not", "train with a probability format"
    if not found.backbone.causal and card.sees == "prefix":
        yield "its backbone looks ahead, so each step is read by itself, without the later ones", own


def _laid_out(format: PRMFormat) -> tuple[object, ...]:
    """What decides where ids stand and are read, beyond prompt and marker."""
    joined = (format.layout, format.assembly, format.step, format.between, format.line_breaks, format.passes)
    return (*joined, format.keep_marker, format.one_token, format.read, format.shift, format.output)


def _line(found: Checkpoint) -> Line:
    sign = 1.0 if found.card.format.polarity == "good" else -1.0
    out = found.head.out
    return Line(weight=sign * out.weight[0].detach().float().cpu(), bias=sign * out.bias[0].detach().float().cpu())


def _calibrated(line: Line, card: Card, calibrated: bool) -> Line:
    if card.calibrator is None:
        return line
    if not calibrated:
        return replace(line, notes=(*line.notes, "the calibrator was left out: scores are raw"))
    found = from_json(card.calibrator)
    if isinstance(found, Temperature):
        return line.scaled(1 / found.t, 0.0, f"a temperature of {found.t:g} is folded in")
    if isinstance(found, Platt):
        return line.scaled(found.a, found.b, f"a Platt calibrator (a = {found.a:g}, b = {found.b:g}) is folded in")
    raise ModelError(
        f"a {type(found).__name__} calibrator is no line in the logit, so it cannot be folded into a linear head",
        mend="export with calibrated=False (--raw), or fit a platt or temperature calibrator",
    )


def _merged(backbone: Backbone) -> Any:
    """The transformer alone, adapters merged, in fp32 on the CPU."""
    model: Any = backbone.model
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    return model.float().cpu().eval()


def _classifier(inner: Any, line: Line) -> Any:
    """The token classifier of the architecture of `inner`, with `inner` as its body and `line` as its head."""
    import transformers

    auto: Any = transformers.AutoModelForTokenClassification
    config: Any = copy.deepcopy(inner.config)
    config.update({"id2label": LABELS, "label2id": {v: k for k, v in LABELS.items()}, "classifier_dropout": 0.0})
    config.dtype, config._name_or_path = torch.float32, ""
    try:
        with quiet(), torch.device("meta"):
            model = auto.from_config(config)
    except ValueError as error:
        raise ModelError(
            f"transformers has no token classifier for {type(inner).__name__}",
            mend="export a model of another architecture",
        ) from error
    setattr(model, model.base_model_prefix, inner)
    head = [name for name, part in model.named_children() if isinstance(part, nn.Linear) and part.out_features == 2]
    if head:
        setattr(model, head[0], _head(line))
    _check(model.eval(), inner, line)
    return model


def _head(line: Line) -> nn.Linear:
    head = nn.Linear(len(line.weight), 2)
    with torch.no_grad():
        head.weight.copy_(torch.stack([torch.zeros_like(line.weight), line.weight]))
        head.bias.copy_(torch.stack([torch.zeros_like(line.bias), line.bias]))
    return head


@torch.inference_mode()
def _check(model: Any, inner: Any, line: Line) -> None:
    """Raise `ModelError` unless the classifier says what our head says of the body's states."""
    strange = [name for name, part in model.named_parameters() if part.is_meta]
    difference = torch.inf
    if not strange:
        ids = torch.arange(PROBE).unsqueeze(0) % inner.config.vocab_size
        ours = inner(input_ids=ids).last_hidden_state.float() @ line.weight + line.bias
        theirs = model(input_ids=ids).logits
        difference = float((theirs[..., 1] - theirs[..., 0] - ours).abs().max())
    if not difference <= CLOSE * (1 + float(line.bias.abs())):
        raise ModelError(
            f"{type(model).__name__} is more than a linear head on the last layer",
            got=strange or difference,
            mend="export a model of another architecture",
        )


def _format(found: Checkpoint) -> PRMFormat:
    """How the exported folder is read: as before, with two classes for an output."""
    return replace(
        found.backbone.codec.words,
        name=f"{found.card.format.name}-token-classification",
        summary="A Stepward reward model as a transformers token classifier.",
        marker_ids=(found.backbone.codec.marker_id,),
        added=False,
        output="classes",
        classes=(1,),
        polarity="good",
    )


def _tokenizer(found: Checkpoint) -> Any:
    """The tokenizer, so that what others put in front of a text and fill it up with is what our ids have.

    Some tokenizers name a beginning-of-sequence token that they do not use; TRL would put it before every text.
    """
    tokenizer: Any = found.backbone.codec.tokenizer
    if not found.backbone.codec.opening:
        tokenizer.bos_token = None
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    return tokenizer


def _write_facts(checkpoint: Path, out: Path, format: PRMFormat, found: Checkpoint) -> None:
    write_atomic(out / "README.md", card_text(found.card, format, found.backbone.codec).encode())
    if (checkpoint / TRAINED_ON).is_file():
        shutil.copyfile(checkpoint / TRAINED_ON, out / TRAINED_ON)


def _notes(found: Checkpoint, line: Line) -> tuple[str, ...]:
    card = found.card
    notes = list(line.notes)
    if card.kind == "orm":
        notes.append("an outcome reward model: its score for a whole trace is the one at the last marker")
    if card.precision != "float32":
        notes.append(f"the backbone was used in {card.precision}; in fp32 scores move in the third digit")
    return tuple(notes)
