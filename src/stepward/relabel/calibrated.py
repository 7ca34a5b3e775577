"""A judge's votes as probabilities: the share of votes through a map that was fitted on human labels.

    value = f(k / n)          with f from `evaluation.judge_quality.fit_judge`, k of n votes for the step

Eight of eight votes of a lenient judge are no certainty; the map says what they were worth on the slice that people
labelled. It belongs to one judge (model, prompt, votes, protocol): labels of another one are refused, and so are
problems of the slice, on which it would look better than it is. Counts stay with the labels.

Degenerate case: a label without counts has no share of votes and is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from stepward.calibrate import Calibrator, from_json, refuse_shared_problems
from stepward.codec import from_json as read_record
from stepward.errors import ConfigError, DataError, LabelError
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, content_key


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCalibration:
    """What a judge's votes were worth on human labels. Plain data."""

    judge: Origin
    """Of the judge's labels: model, prompt, temperature, votes, protocol."""
    calibrator: Mapping[str, Json]
    """The map, as `calibrate.to_json` writes it."""
    problems: tuple[str, ...]
    """Keys of the problems that taught it (`calibrate.problem_key`)."""
    steps: int
    false_bad: float
    """Share of the slice's right steps that the judge called wrong."""
    false_good: float
    """Share of its wrong steps that the judge called right."""

    @property
    def map(self) -> Calibrator:
        """The map; `ConfigError` where the record is none."""
        return from_json(self.calibrator)

    @property
    def revision(self) -> str:
        """Hash of what it does."""
        return content_key(self.judge.revision, dict(self.judge.settings), dict(self.calibrator))


@dataclass(frozen=True, kw_only=True)
class CalibratedVotes:
    """The labels of a judge with probabilities for values. `path` is the file of a `JudgeCalibration`."""

    path: str

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """One per trace. `LabelError` for labels of another judge, `ConfigError` for a problem of the slice."""
        refuse_shared_problems([problem], self.calibration.problems, what="the judge's calibration")
        return [self._one(each) for each in labeled]

    @cached_property
    def calibration(self) -> JudgeCalibration:
        """The record in the file; `ConfigError` where it is none."""
        return read_calibration(Path(self.path))

    def _one(self, labeled: LabeledTrace) -> LabeledTrace:
        shares = [None if label is None else vote_share(label) for label in labeled.labels]
        cast = [share for share in shares if share is not None]
        values = iter(self.calibration.map.transform(cast).tolist()) if cast else iter(())
        labels = [None if label is None else self._label(label, next(values)) for label in labeled.labels]
        return replace(labeled, labels=tuple(labels))

    def _label(self, old: StepLabel, value: float) -> StepLabel:
        judge = self.calibration.judge
        if not same_judge(old.origin, judge):
            raise LabelError(
                "these labels are not of the judge that was calibrated",
                got=f"{old.origin.maker} {old.origin.revision}",
                mend=f"calibrate this judge on human labels; the file knows {judge.maker} {judge.revision}",
            )
        settings: dict[str, Json] = {"of": old.origin.maker, "with": dict(old.origin.settings)}
        revision = self.calibration.revision
        origin = Origin(maker="relabeler:calibrated", revision=revision, settings=settings, seed=old.origin.seed)
        return replace(old, value=value, origin=origin)


def vote_share(label: StepLabel) -> float:
    """Share k / n of the votes; `LabelError` for a label without counts."""
    if label.successes is None or not label.trials:
        raise LabelError("a label without votes has no share of them", got=label.origin.maker)
    return label.successes / label.trials


def same_judge(one: Origin, other: Origin) -> bool:
    """Whether two labels are of one judge: maker, model, prompt and settings; the seed may differ."""
    return (one.maker, one.revision, dict(one.settings)) == (other.maker, other.revision, dict(other.settings))


def read_calibration(path: Path) -> JudgeCalibration:
    """The record in the JSON file at `path`; `ConfigError` where there is none."""
    try:
        record = read_record(JudgeCalibration, json.loads(path.read_text(encoding="utf-8")))
        record.map  # noqa: B018  (a file without a map is refused here)
    except (OSError, ValueError, DataError) as error:
        raise ConfigError(
            f"{path} holds no calibration of a judge: {error}", mend="fit one with `fit_judge`"
        ) from error
    return record
