"""A reward model on disk: a folder that says everything about its scores.

    stepward.json        kind, format, readout, head, backbone (path, revision, mode), training origin, calibrator
    head.safetensors     the head, fp32
    tokenizer files      with the step marker
    config.json, model.safetensors                      mode full: the trained backbone itself
    adapter_config.json, adapter_model.safetensors      mode lora: on the backbone that stepward.json names
                                                        mode frozen: the backbone that stepward.json names, as it is

A named backbone is checked by the content hash of its weights: another model of the same shape is refused, not scored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from stepward.calibrate import from_json
from stepward.errors import ConfigError, ModelError
from stepward.reward_models.backbone import Backbone, Precision, content_hash, quiet, revision_of
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.heads import ScoreHead, load_head, save_head
from stepward.reward_models.readout import LAST, Readout
from stepward.storage.files import make_folder, write_atomic
from stepward.types import Json, Sees, Target, content_key

Kind = Literal["prm", "orm"]
Mode = Literal["frozen", "lora", "full", "public"]
"""public: a published checkpoint, which has no card on disk."""
CARD, HEAD, ADAPTER = "stepward.json", "head.safetensors", "adapter_model.safetensors"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a checkpoint says of itself."""

    kind: Kind
    format: PRMFormat
    mode: Mode
    backbone: str
    """Folder of the backbone it was trained from; read for frozen and lora, told for full."""
    backbone_revision: str
    readout: Readout = LAST
    head_hidden: int = 0
    precision: Precision = "float32"
    """Of the backbone. In bfloat16 scores move in the third digit with the batch they were computed in."""
    second: Target | None = None
    """What the second output of the head says of a step, where there is one."""
    sees: Sees = "prefix"
    """For a bidirectional backbone: whether it was taught on prefixes or on whole traces."""
    training: Mapping[str, Json] = field(default_factory=dict)
    """Settings, data and held-out figures of the training run."""
    calibrator: Mapping[str, Json] | None = None
    """Turns raw probabilities into calibrated ones; a record of `stepward.calibrate`."""

    @property
    def outputs(self) -> int:
        """Outputs of the head."""
        return 1 if self.second is None else 2

    def to_json(self) -> dict[str, Any]:
        """Plain data that `from_json` reads back."""
        return {"version": VERSION, **asdict(self)}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Card:
        """The card that `record` describes; `KeyError`, `TypeError` or `ConfigError` where it describes none."""
        rest = {name: value for name, value in record.items() if name not in ("version", "format", "readout")}
        readout = Readout(**{**record["readout"], "layers": tuple(record["readout"]["layers"])})
        return cls(format=PRMFormat.from_json(record["format"]), readout=readout, **rest)


@dataclass(eq=False, kw_only=True)
class Checkpoint:
    """A loaded reward model: backbone, head, card, and the hash of everything its scores depend on."""

    card: Card
    backbone: Backbone
    head: ScoreHead
    revision: str = ""

    def save(self, folder: Path) -> None:
        """Write the checkpoint into `folder`; the card comes last, so a folder with a card is whole."""
        make_folder(folder)
        with quiet():
            self.backbone.codec.tokenizer.save_pretrained(folder)
            if self.card.mode == "full":
                self.backbone.model.save_pretrained(folder)  # type: ignore[operator]
            if self.card.mode == "lora":  # the marker's embedding is rebuilt from the backbone
                self.backbone.model.save_pretrained(folder, save_embedding_layers=False)  # type: ignore[operator]
        save_head(self.head, folder / HEAD)
        write_card(folder, self.card)


def write_card(folder: Path, card: Card) -> None:
    """Write `card` into `folder`, in one move."""
    write_atomic(folder / CARD, (json.dumps(card.to_json(), indent=2, ensure_ascii=False) + "\n").encode())


def read_card(folder: Path) -> Card:
    """The card of the checkpoint in `folder`; `ModelError` where it is none."""
    file = folder / CARD
    if not file.is_file():
        raise ModelError(
            f"{folder} is not a Stepward checkpoint: it has no {CARD}",
            got=sorted(path.name for path in folder.iterdir())[:8] if folder.is_dir() else "no such folder",
            mend="name a folder written by `stepward train`",
        )
    try:
        return Card.from_json(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{file} is no card that this version reads", got=str(error), mend="train it again") from error


def set_calibrator(folder: Path, calibrator: Mapping[str, Json] | None) -> None:
    """Put `calibrator` (a record of `stepward.calibrate.to_json`) into the checkpoint in `folder`, or take it out."""
    write_card(folder, replace(read_card(folder), calibrator=calibrator))


def load_checkpoint(folder: Path, *, backbone: Path | None = None) -> Checkpoint:
    """The reward model in `folder`. `backbone` says where a frozen or adapted backbone lies now, if it has moved.

    Raises `ModelError` that names the file where anything is missing, pickled, of the wrong width or not finite, and
    where the backbone's weights are not those it was trained on.
    """
    card = read_card(folder)
    source = folder if card.mode == "full" else backbone or Path(card.backbone)
    opened = Backbone.open(source, card.format, precision=card.precision)
    if card.mode != "full" and opened.revision != card.backbone_revision:
        raise ModelError(
            f"{source} is not the backbone of {folder}, whose weights have revision {card.backbone_revision}",
            got=opened.revision,
            mend="pass backbone=... with the folder it was trained on",
        )
    try:
        card.readout.check(opened.layers)
        if card.calibrator is not None:
            from_json(card.calibrator)
    except ConfigError as error:
        raise ModelError(f"{folder / CARD} does not fit", got=str(error), mend="train or calibrate it again") from error
    if card.mode == "frozen":
        opened.drop_above(card.readout.deepest(opened.layers))
    if card.mode == "lora":
        opened.model = _adapted(opened.model, folder)
    width = card.readout.width(opened.width)
    head = load_head(folder / HEAD, width=width, hidden=card.head_hidden, outputs=card.outputs)
    _check_finite(opened, source)
    return Checkpoint(card=card, backbone=opened, head=head, revision=checkpoint_revision(folder, card))


def checkpoint_revision(folder: Path, card: Card) -> str:
    """Hash of everything that the scores of a checkpoint depend on: weights, format, readout and calibrator."""
    own = content_hash([folder / name for name in (HEAD, ADAPTER) if (folder / name).is_file()])
    weights = revision_of(folder) if card.mode == "full" else card.backbone_revision
    return content_key({**card.to_json(), "training": None, "backbone": ""}, weights, own)


def _adapted(model: Any, folder: Path) -> Any:
    from peft import PeftModel

    if not (folder / ADAPTER).is_file():
        raise ModelError(f"{folder / ADAPTER} is missing", mend="copy the adapter beside stepward.json")
    with quiet():
        return PeftModel.from_pretrained(model, str(folder)).eval()


def _check_finite(backbone: Backbone, source: Path) -> None:
    for name, tensor in backbone.model.named_parameters():
        if not bool(tensor.isfinite().all()):
            raise ModelError(f"the weights in {source} are not finite", got=name, mend="train it again")
