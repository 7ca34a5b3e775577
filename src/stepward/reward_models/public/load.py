"""Opens a published process reward model from its folder, with no card of ours and none of its code.

The format (given, or recognised from the folder) says how text is laid out and what is read; the transformer is one
that the library knows; the head comes from the checkpoint's own tensors. Adapters (LoRA) are merged into their base.
Scores carry the folder's name, the hash of all its weights, and the format.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from stepward.errors import ConfigError, ModelError
from stepward.protocols import StepScorerEngine
from stepward.reward_models.backbone import Backbone, Precision
from stepward.reward_models.checkpoint import CARD, Card, read_card
from stepward.reward_models.formats.detect import detect_format
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.process import PUBLISHED, LogitReader, ProcessRewardModel
from stepward.reward_models.public.adapters import is_adapter, open_adapted
from stepward.reward_models.public.head_files import open_head
from stepward.reward_models.public.implicit import REMEMBERED, LogRatioReader, Reading, TraceLogprobs
from stepward.reward_models.public.pathfinder import PathFinder
from stepward.reward_models.reader import StepReader
from stepward.types import Json, content_key

NO_REFERENCE = Path("none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How a checkpoint is opened."""

    format: PRMFormat | None = None
    """None: recognised from the folder."""
    device: str = "cpu"
    precision: Precision = "float32"
    base: Path | None = None
    """For an adapter, or a Stepward checkpoint whose backbone has moved: the model that it changes."""
    reference: Path | None = None
    """For implicit reward models: the model that the log-ratio is taken to; `NO_REFERENCE` takes the log-probability
    alone."""
    reading: Reading = "accumulated"
    """For implicit reward models: the value up to a step, or what the step added."""
    trust_remote_code: str = ""
    """"repository@commit" whose code may run; the usual families need none."""


def open_scorer(folder: Path, opening: Opening = Opening(), *, calibrated: bool = True) -> StepScorerEngine:
    """Whatever scores steps in `folder`, of Stepward or published: the one door for every kind of checkpoint.

    Raises `ModelError` as `open_public` and `ProcessRewardModel.load`, `ConfigError` for a format that a Stepward
    checkpoint does not have.
    """
    if (folder / CARD).is_file():
        own = read_card(folder).format
        if opening.format not in (None, own):
            raise ConfigError(f"{folder} has its own format", got=own.name, mend="leave the format out")
        if opening.reference is not None:
            raise ConfigError(f"{folder} names its own reference", got=opening.reference, mend="leave it out")
        return ProcessRewardModel.load(folder, calibrated=calibrated, device=opening.device, backbone=opening.base)
    if opening.format is None and not any((folder / name).is_file() for name in PUBLISHED):
        return ProcessRewardModel.load(folder)  # says what is missing
    format = opening.format or detect_format(folder)
    return (open_passes if format.passes else open_public)(folder, replace(opening, format=format))


def open_remembering(folder: Path) -> StepScorerEngine:
    """`open_scorer` for a search: a model that can keeps what it computed for the beginnings of traces."""
    engine = open_scorer(folder)
    return engine.remembering() if isinstance(engine, ProcessRewardModel) else engine


def open_passes(folder: Path, opening: Opening) -> PathFinder:
    """The published reward model in `folder`, of a format that asks it several times a step; as `open_public`."""
    format = opening.format or detect_format(folder)
    reader = _reader(folder, format, opening)
    model = _model(folder, format, reader, {})
    return PathFinder(reader=reader, format=format, origin=model.origin)


def open_public(folder: Path, opening: Opening = Opening()) -> ProcessRewardModel:
    """The published reward model in `folder`, as an engine that scores steps.

    Raises `ModelError` with the mend where the folder holds no such model: pickled weights, another architecture than
    the format's, missing or misshapen heads, a marker or answer that is no token of it, a missing base model.
    """
    format = opening.format or detect_format(folder)
    if format.passes:
        raise ModelError(
            f"format {format.name!r} asks its model {len(format.passes)} times for every step",
            mend="open it with open_scorer",
        )
    if format.output == "log_ratio":
        return _implicit(folder, format, opening)
    return _model(folder, format, _reader(folder, format, opening), {})


def _check_folders(folder: Path, format: PRMFormat, opening: Opening) -> None:
    """Raise `ModelError` where a second model is named that is not read, or not named although it is."""
    ratio = format.output == "log_ratio"
    if ratio and opening.reference is None:
        raise ModelError(
            f"format {format.name!r} is read against a reference model, and none is named",
            got=str(folder),
            mend=f"--reference FOLDER{f' of {format.reference}' * bool(format.reference)}, or --reference none",
        )
    if not ratio and opening.reference is not None:
        raise ModelError(f"format {format.name!r} reads one model", got=opening.reference, mend="leave reference out")
    if opening.base is not None and not is_adapter(folder):
        raise ModelError(f"{folder} is a whole model, no adapter", got=opening.base, mend="leave base out")


def model_name(folder: Path) -> str:
    """What to call the model in `folder`: its name, or the repository's in the hub client's cache."""
    place = folder.absolute()
    if place.parent.name == "snapshots" and place.parents[1].name.startswith("models--"):
        return place.parents[1].name.removeprefix("models--").replace("--", "/", 1)
    return place.name


def _reader(folder: Path, format: PRMFormat, opening: Opening) -> StepReader:
    backbone = _backbone(folder, format, opening)
    head = open_head(format, backbone, folder).to(opening.device)
    backbone.__dict__.pop("unembedding", None)  # the head holds the rows it needs
    return StepReader(backbone=backbone, head=head)


def _backbone(folder: Path, format: PRMFormat, opening: Opening) -> Backbone:
    _check_folders(folder, format, opening)
    if is_adapter(folder):
        backbone = open_adapted(folder, format, base=opening.base, precision=opening.precision)
    else:
        named = opening.trust_remote_code
        backbone = Backbone.open(folder, format, precision=opening.precision, trust_remote_code=named)
    _check_marker(backbone, folder)
    backbone.model.to(opening.device)
    if "unembedding" in backbone.__dict__:
        backbone.unembedding.to(opening.device)
    return backbone


def _check_marker(backbone: Backbone, folder: Path) -> None:
    codec = backbone.codec
    rows = len(backbone.model.get_input_embeddings().weight)  # type: ignore[operator]
    if codec.marker_is_new or codec.marker_id >= rows:
        raise ModelError(
            f"the step marker {codec.format.marker!r} of format {codec.format.name!r} is no token of {folder}",
            got=f"{rows} embeddings",
            mend="the model was never taught to answer there: name the format it was published with",
        )


def _implicit(folder: Path, format: PRMFormat, opening: Opening) -> ProcessRewardModel:
    """Two language models on the same ids; one where no reference is named."""
    policy, reference = _backbone(folder, format, opening), None
    if opening.reference is not None and opening.reference != NO_REFERENCE:
        opened = Backbone.open(opening.reference, format, precision=opening.precision)
        opened.model.to(opening.device)
        reference = TraceLogprobs(backbone=opened, remembered=REMEMBERED)
    reader = LogRatioReader(
        policy=TraceLogprobs(backbone=policy),
        reference=reference,
        coefficient=format.coefficient,
        reading=opening.reading,
    )
    notes: dict[str, Json] = {
        "reading": opening.reading,
        "reference": reference.backbone.revision if reference else None,
    }
    return _model(folder, format, reader, notes)


def _model(folder: Path, format: PRMFormat, reader: LogitReader, notes: dict[str, Json]) -> ProcessRewardModel:
    backbone = reader.backbone
    card = Card(
        kind="prm",
        format=format,
        mode="public",
        backbone=str(folder),
        backbone_revision=backbone.revision,
        precision=backbone.precision,
        sees="prefix" if backbone.causal else "trace",
    )
    revision = content_key(backbone.revision, format.to_json(), backbone.precision, notes)
    return ProcessRewardModel(
        reader=reader, card=card, revision=revision, maker=f"scorer:{model_name(folder)}", notes=notes
    )
