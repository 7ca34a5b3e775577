"""What a run's stage made, as examples: labelled traces where it labelled some, otherwise bare traces."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from stepward.codec import from_json
from stepward.config import load_recipe
from stepward.datasets.reading import Example
from stepward.errors import ConfigError
from stepward.spelling import suggest
from stepward.storage.jsonl import read_records
from stepward.storage.run import CONFIG
from stepward.types import LabeledTrace, Problem, Trace


def stage_examples(folder: Path) -> list[Example]:
    """The examples of the stage in `folder`, RUN/STAGE, or of the last stage of the run in `folder` that labelled.

    Problems are those of the stage or of the nearest one along its sources. Raises `ConfigError` where `folder` is no
    part of a run, or made nothing to write.
    """
    if (folder / CONFIG).is_file():
        folder = _last_labels(folder)
    sources = _sources(folder.parent)
    labelled = _labelled(folder)
    if not labelled:
        raise ConfigError(f"stage {folder.name!r} made nothing to write", got=str(folder.parent))
    at = folder.name
    while not (folder.parent / at / "problems.jsonl").is_file():
        if at not in sources:
            raise ConfigError(f"neither stage {folder.name!r} nor its sources hold problems", got=str(folder.parent))
        at = sources[at]
    found = [from_json(Problem, value) for _, value in read_records(folder.parent / at / "problems.jsonl")]
    problems = {problem.id: problem for problem in found}
    return [Example(problem=problems[each.trace.problem_id], labeled=each) for each in labelled]


def _last_labels(run: Path) -> Path:
    """The folder of the last stage of `run` that made labels or traces."""
    stages = [run / name for name in _stages(run)]
    for what in ("labels.jsonl", "traces.jsonl"):
        made = [stage for stage in stages if (stage / what).is_file()]
        if made:
            return made[-1]
    raise ConfigError(f"no stage of {run} made traces or labels", got=[stage.name for stage in stages])


def _labelled(folder: Path) -> list[LabeledTrace]:
    if (folder / "labels.jsonl").is_file():
        return [from_json(LabeledTrace, value) for _, value in read_records(folder / "labels.jsonl")]
    if not (folder / "traces.jsonl").is_file():
        return []
    traces = [from_json(Trace, value) for _, value in read_records(folder / "traces.jsonl")]
    return [LabeledTrace(trace=trace, labels=(None,) * len(trace)) for trace in traces]


def _sources(run: Path) -> dict[str, str]:
    return {name: str(spec["source"]) for name, spec in _stages(run).items() if spec.get("source")}


def _stages(run: Path) -> Mapping[str, Mapping[str, object]]:
    if not (run / CONFIG).is_file():
        raise ConfigError(
            f"{run} is no run folder: it has no {CONFIG}", mend="name a run, RUN/STAGE, or a file with --from"
        )
    stages = load_recipe(run / CONFIG).get("stages")
    found = stages if isinstance(stages, Mapping) else {}
    return {name: spec for name, spec in found.items() if isinstance(spec, Mapping)}


def check_stage(folder: Path) -> None:
    """Raise `ConfigError` with the nearest name where RUN/STAGE names no stage of a run that exists."""
    if not folder.exists() and (folder.parent / CONFIG).is_file():
        raise ConfigError(
            f"{folder.parent} has no stage {folder.name!r}", mend=suggest(folder.name, list(_stages(folder.parent)))
        )
