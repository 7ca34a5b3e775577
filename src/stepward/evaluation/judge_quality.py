"""A judge against human labels: what its verdicts are worth by class, where it errs, and a map from votes to chances.

Compared are the steps up to and with the first error that people marked: what stands behind it has no agreed truth.

    recall, precision   by class: of right steps called right, of wrong steps called wrong, and of either call
    agreement           exact first errors and Cohen's kappa over them, so that agreement by chance is taken off
    position            the same by where people put the first error; how often the judge is early or late
    calibration         Brier score and expected calibration error of the share of votes, before and behind the map,
                        every problem through a map that did not see it

Judges name early steps too often, call unusual but right steps wrong, and accept fluent wrong ones: only such a slice
shows which of these a judge does. The map is fitted by `fit_judge`, kept as JSON, and applied by the relabeler
`calibrated`, which refuses problems of the slice.

Degenerate cases: a slice without a wrong step, or without a right one, teaches nothing and is refused; precision is NaN
for a call that the judge never makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from stepward.calibrate import FITS, Calibrator, LabelledScores, cross_fitted, problem_key, to_json
from stepward.errors import ConfigError, LabelError
from stepward.evaluation.agreement import AgreementReport, agreement
from stepward.evaluation.label_quality import FirstErrors, judge_first_errors, share_over_problems
from stepward.evaluation.noise import NoiseMatrix, noise_matrix
from stepward.metrics.bootstrap import Interval
from stepward.metrics.calibration import brier, ece_equal_mass
from stepward.metrics.checks import Floats
from stepward.relabel.calibrated import JudgeCalibration, same_judge, vote_share
from stepward.spelling import suggest
from stepward.types import LabeledTrace, Origin, Problem

Judged = tuple[Problem, LabeledTrace, LabeledTrace]
"""A problem, the judge's labels of one trace, and the human ones."""
FOLDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class VoteCalibration:
    """How far the share of votes is from a probability."""

    brier: float
    ece: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeQuality:
    """A judge on a slice that people labelled."""

    judge: Origin
    traces: int
    silent: int
    """Traces that the judge left without any label."""
    votes: int
    abstained: int
    """Votes that held an abstention."""
    recall_right: Interval
    """Share of right steps that the judge calls right."""
    recall_wrong: Interval
    precision_right: Interval
    """Share of steps called right that are right."""
    precision_wrong: Interval
    noise: NoiseMatrix
    first_errors: FirstErrors
    agreement: AgreementReport
    """By length, and by where people put the first error."""
    raw: VoteCalibration
    """Of the share of votes as it stands."""
    mapped: VoteCalibration | None
    """Of the map, problem by problem through one that did not see it; None where there are too few problems."""


def judge_quality(rows: Sequence[Judged], *, method: str = "platt", seed: int = 0) -> JudgeQuality:
    """How good the judge's labels of `rows` are. `LabelError` for labels of several judges, or of one class alone."""
    compared = [(problem, said, up_to_first_error(true)) for problem, said, true in rows]
    scores = _scores(compared)
    noise = noise_matrix(compared, seed=seed)
    said, true = [row[1] for row in compared], [row[2] for row in compared]
    return JudgeQuality(
        judge=one_judge(said),
        traces=len(rows),
        silent=sum(not any(each.labels) for each in said),
        votes=sum(_count(each, "votes") for each in said),
        abstained=sum(_count(each, "abstained") for each in said),
        recall_right=_share(compared, truth=True, seed=seed),
        recall_wrong=_share(compared, truth=False, seed=seed),
        precision_right=_share(compared, call=True, seed=seed),
        precision_wrong=_share(compared, call=False, seed=seed),
        noise=noise,
        first_errors=judge_first_errors(said, true, seed=seed),
        agreement=agreement([(problem, truth, call) for problem, call, truth in compared], seed=seed),
        raw=_calibration(scores.scores_K, scores),
        mapped=_mapped(scores, method, seed),
    )


def fit_judge(rows: Sequence[Judged], *, method: str = "platt", seed: int = 0) -> JudgeCalibration:
    """A map from the judge's share of votes to the chance that a step is right, and what it was fitted on.

    Raises `LabelError` for labels of several judges, or where either class is missing.
    """
    compared = [(problem, said, up_to_first_error(true)) for problem, said, true in rows]
    scores, noise = _scores(compared), noise_matrix(compared, seed=seed)
    return JudgeCalibration(
        judge=one_judge([said for _, said, _ in compared]),
        calibrator=to_json(_fit(scores, method)),
        problems=tuple(sorted({problem_key(problem) for problem, _, _ in rows})),
        steps=len(scores.scores_K),
        false_bad=noise.false_bad.value,
        false_good=noise.false_good.value,
    )


def up_to_first_error(true: LabeledTrace) -> LabeledTrace:
    """The labels up to and with the first bad one."""
    bad = next((at for at, label in enumerate(true.labels) if label is not None and not label.good), len(true.labels))
    kept = true.labels[: bad + 1]
    return replace(true, labels=(*kept, *(None,) * (len(true.labels) - len(kept))))


def one_judge(labeled: Sequence[LabeledTrace]) -> Origin:
    """Whose labels these are. `LabelError` where they are of several judges, or there are none."""
    origins = [label.origin for each in labeled for label in each.labels if label is not None]
    if not origins or not all(same_judge(origin, origins[0]) for origin in origins):
        raise LabelError("a calibration is of the labels of one judge", got=sorted({each.revision for each in origins}))
    return replace(origins[0], seed=None)


def _scores(rows: Sequence[Judged]) -> LabelledScores:
    found = [
        (vote_share(said), true.good, problem.id)
        for problem, judged, human in rows
        for said, true in zip(judged.labels, human.labels, strict=True)
        if said is not None and true is not None
    ]
    if not found:
        raise LabelError("judge and people share no labelled step")
    shares, good, problems = zip(*found, strict=True)
    return LabelledScores.of(shares, good, problems)


def _fit(scores: LabelledScores, method: str) -> Calibrator:
    if method not in FITS:
        raise ConfigError(f"no map is called {method!r}", mend=suggest(method, FITS))
    return FITS[method](scores.scores_K, scores.good_K)


def _mapped(scores: LabelledScores, method: str, seed: int) -> VoteCalibration | None:
    """None where a fold would be left with one class: too few problems to say."""
    try:
        values_K = cross_fitted(lambda part: _fit(part, method), scores, folds=FOLDS, seed=seed)
    except LabelError:
        return None
    return _calibration(values_K, scores)


def _calibration(values_K: Floats, scores: LabelledScores) -> VoteCalibration:
    return VoteCalibration(brier=brier(values_K, scores.good_K), ece=ece_equal_mass(values_K, scores.good_K))


def _share(rows: Sequence[Judged], *, seed: int, truth: bool | None = None, call: bool | None = None) -> Interval:
    """Share of calls that are right, among steps of one true class or of one call."""
    found = [
        (problem.id, float(said.good == true.good), 1)
        for problem, judged, human in rows
        for said, true in zip(judged.labels, human.labels, strict=True)
        if said is not None and true is not None
        if truth in (None, true.good) and call in (None, said.good)
    ]
    return share_over_problems(found, seed)


def _count(labeled: LabeledTrace, name: str) -> int:
    found = labeled.meta.get(name)
    return found if isinstance(found, int) else 0
