"""A judge against human labels: figures by class, the map of its votes, and who may use it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from stepward.calibrate import problem_key
from stepward.codec import to_json
from stepward.errors import ConfigError, LabelError
from stepward.evaluation.judge_quality import Judged, fit_judge, judge_quality, up_to_first_error
from stepward.pipeline.stages.calibrate_judge import CalibrateJudge
from stepward.pipeline.workshop import Workshop
from stepward.relabel.calibrated import CalibratedVotes
from stepward.segment.cut import from_steps
from stepward.storage.run import Run
from stepward.types import LabeledTrace, Origin, Problem, StepLabel

JUDGE = Origin(maker="labeler:judge", revision="r1", settings={"votes": 4})


def human(trace, *good: int | None) -> LabeledTrace:
    labels = [g if g is None else StepLabel(target="validity", value=float(g), source="human") for g in good]
    return LabeledTrace(trace=trace, labels=tuple(labels))


def votes(trace, *right: int | None, judge: Origin = JUDGE, abstained: int = 0) -> LabeledTrace:
    """Labels by four votes, of which `right` call each step right."""
    labels = [
        None if k is None else StepLabel(
            target="prefix", value=k / 4, source="judge", successes=k, trials=4, origin=judge) for k in right
    ]  # fmt: skip
    return LabeledTrace(trace=trace, labels=tuple(labels), meta={"votes": 4, "abstained": abstained})


def row(number: int, truth: list[int | None], right: list[int | None], **settings) -> Judged:
    problem = Problem(id=f"p{number}", text=f"What is {number}?")
    trace = from_steps(problem.id, [f"{number} is {step}." for step in range(len(truth))])
    return problem, votes(trace, *right, **settings), human(trace, *truth)


def slice_of(count: int = 12) -> list[Judged]:
    """Even problems hold an error at step 1, which the judge sees in two of three; step 2 is no concern of anyone's."""
    rows = []
    for n in range(count):
        if n % 2:
            rows.append(row(n, [1, 1, 1], [4, 3, 4]))
        else:
            rows.append(row(n, [1, 0, 1], [4, 1 if n % 3 else 3, 0]))
    return rows


def test_figures_by_class_are_those_of_a_hand_count() -> None:
    quality = judge_quality(slice_of())
    assert (quality.traces, quality.silent, quality.votes, quality.abstained) == (12, 0, 48, 0)
    assert quality.recall_right.value == 1.0 and quality.recall_wrong.value == pytest.approx(4 / 6)
    assert quality.precision_wrong.value == 1.0 and quality.precision_right.value == pytest.approx(24 / 26)
    assert quality.first_errors.found_of_wrong.value == pytest.approx(4 / 6)
    assert quality.noise.false_good.value == pytest.approx((2 + 0.5) / (6 + 1))
    assert 0 < quality.agreement.first_error.kappa.value < 1
    assert {each.name for each in quality.agreement.by_location} == {"no error", "step 1"}


def test_what_stands_behind_the_first_error_is_not_compared() -> None:
    same = [replace_last(each, 4) for each in slice_of()]
    assert judge_quality(same).recall_right == judge_quality(slice_of()).recall_right
    _, _, true = row(0, [1, 0, 1, None], [4, 4, 4, 4])
    assert [label and label.good for label in up_to_first_error(true).labels] == [True, False, None, None]


def replace_last(judged: Judged, right: int) -> Judged:
    problem, said, true = judged
    if true.first_error is None:
        return judged
    last = said.labels[-1]
    assert last is not None
    return problem, replace(said, labels=(*said.labels[:-1], replace(last, value=1.0, successes=right))), true


def test_the_map_is_judged_on_problems_that_it_did_not_see() -> None:
    timid = [row(n, [1, 1 - n % 2], [2, 2 - n % 2]) for n in range(40)]
    quality = judge_quality(timid)
    assert quality.raw.brier == pytest.approx((60 * 0.25 + 20 * 0.0625) / 80)
    assert quality.mapped is not None and quality.mapped.brier < 0.01
    assert judge_quality(timid[:3]).mapped is None


def test_silent_traces_and_abstentions_are_counted() -> None:
    rows = [*slice_of(), row(90, [1, 1], [None, None], abstained=4), row(91, [1, 1], [4, None], abstained=1)]
    quality = judge_quality(rows)
    assert (quality.traces, quality.silent, quality.abstained, quality.votes) == (14, 1, 5, 56)


def test_a_slice_of_two_judges_or_of_one_class_is_refused() -> None:
    other = replace(JUDGE, revision="r2")
    with pytest.raises(LabelError, match="labels of one judge"):
        fit_judge([*slice_of(), row(50, [1, 0], [4, 0], judge=other)])
    with pytest.raises(LabelError):
        fit_judge([row(n, [1, 1], [4, 3]) for n in range(9)])
    with pytest.raises(ConfigError, match="did you mean 'platt'"):
        fit_judge(slice_of(), method="plat")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps(to_json(fit_judge(slice_of(40)))))
    return file


def test_votes_become_probabilities_and_keep_their_counts(path: Path) -> None:
    problem, said, _ = row(77, [1, 1, 1], [4, 3, 0])
    relabeler = CalibratedVotes(path=str(path))
    (made,) = relabeler.relabel(problem, [said])
    values = [label.value for label in made.labels if label is not None]
    assert values == sorted(values, reverse=True) and 0 < values[-1] < 0.1 < 0.9 < values[0] < 1
    assert [label.successes for label in made.labels if label] == [4, 3, 0]
    origin = made.labels[0].origin  # type: ignore[union-attr]
    assert (origin.maker, origin.settings["of"], origin.settings["with"]) == (
        "relabeler:calibrated", "labeler:judge", {"votes": 4})  # fmt: skip
    empty = LabeledTrace(trace=said.trace, labels=(None,) * 3)
    assert relabeler.relabel(problem, [empty])[0].labels == (None,) * 3


def test_the_map_of_one_judge_is_no_map_of_another_and_not_for_its_own_slice(path: Path) -> None:
    relabeler = CalibratedVotes(path=str(path))
    problem, said, _ = row(77, [1], [4], judge=replace(JUDGE, settings={"votes": 8}))
    with pytest.raises(LabelError, match="not of the judge that was calibrated"):
        relabeler.relabel(problem, [said])
    seeded, mine, _ = row(77, [1], [4], judge=replace(JUDGE, seed=5))
    assert relabeler.relabel(seeded, [mine])[0].labels[0].origin.seed == 5  # type: ignore[union-attr]
    known, own, _ = row(1, [1], [4])
    assert problem_key(known) in relabeler.calibration.problems
    with pytest.raises(ConfigError, match="also taught the judge's calibration"):
        relabeler.relabel(known, [own])


def test_labels_without_votes_are_refused(path: Path) -> None:
    problem, _, true = row(77, [1], [4])
    with pytest.raises(LabelError, match="has no share"):
        CalibratedVotes(path=str(path)).relabel(problem, [true])


@pytest.mark.parametrize("content", [None, "{", "{}", '{"judge": {"maker": "x"}}'])
def test_a_file_that_holds_no_calibration_is_named(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "odd.json"
    if content is not None:
        file.write_text(content)
    problem, said, _ = row(77, [1], [4])
    with pytest.raises(ConfigError, match=r"odd.json holds no calibration of a judge"):
        CalibratedVotes(path=str(file)).relabel(problem, [said])


def test_a_stage_keeps_figures_and_map(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run", {"name": "r"}) as run:
        shop = Workshop(run=run, stage="fit", seed=0, stages=("said", "human", "fit"), sources={})
        for problem, said, true in slice_of(40):
            shop.records("problems", "human").append(problem.id, to_json(problem))
            shop.records("labels", "said").append(problem.id, to_json(said))
            shop.records("labels", "human").append(problem.id, to_json(true))
        result = CalibrateJudge(labels="said", truth="human").run(shop)
        assert "of wrong ones wrong; kappa of first errors" in result["headline"]  # type: ignore[index, call-overload, operator]
        problem, said, _ = row(77, [1], [4])
        (made,) = CalibratedVotes(path=result["calibration"]).relabel(problem, [said])  # type: ignore[index, call-overload, arg-type]
        assert made.labels[0] is not None and made.labels[0].value > 0.9
        quality = json.loads((tmp_path / "run" / "fit" / "quality.json").read_text())
        assert quality["traces"] == 40 and quality["judge"]["revision"] == "r1"
