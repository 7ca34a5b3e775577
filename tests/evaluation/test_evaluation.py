import math
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from stepward.errors import LabelError, ScoreError
from stepward.evaluation.baselines import baseline_scores
from stepward.evaluation.label_quality import judge_labels
from stepward.evaluation.steps import Judged, auroc_gain, flatten, judge_steps
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import LabeledTrace, StepLabel, StepScores


def labelled(problem: str, values: Sequence[float | None], text: str = "") -> LabeledTrace:
    trace = cut(problem, text or "".join(f"step {i}\n" for i in range(len(values))), Newline())
    labels = [None if v is None else StepLabel(target="prefix", value=v, source="human") for v in values]
    return LabeledTrace(trace=trace, labels=tuple(labels))


def judged(problem: str, values: Sequence[float | None], scores: Sequence[float]) -> Judged:
    return Judged(labeled=labelled(problem, values), scores=StepScores(values=tuple(scores)))


def world(seed: int = 0, problems: int = 40) -> list[Judged]:
    rng = np.random.default_rng(seed)
    found = []
    for p in range(problems):
        good = (rng.random(4) < 0.6).astype(float)
        scores = np.clip(0.35 * good + 0.65 * rng.random(4), 0, 1)
        found.append(judged(f"p{p}", good.tolist(), scores.tolist()))
    return found


def test_pooled_figures_are_those_of_scikit_learn() -> None:
    rows = world()
    steps = flatten(rows)
    quality = judge_steps(rows, seed=1)
    good, scores = np.asarray(steps.good_S), np.asarray(steps.scores_S)
    assert quality.auroc.value == pytest.approx(roc_auc_score(good, scores), abs=1e-12)
    assert quality.average_precision.value == pytest.approx(average_precision_score(~good, -scores), abs=1e-12)
    assert quality.brier.value == pytest.approx(float(np.mean((scores - good) ** 2)), abs=1e-12)
    assert quality.wrong_share == pytest.approx(1 - good.mean())
    assert quality.auroc.low < quality.auroc.value < quality.auroc.high


def test_up_to_the_first_error_later_steps_do_not_count() -> None:
    row = judged("p", [1, 0, 1, 0], [0.9, 0.2, 0.1, 0.8])
    assert row.kept(to_first_error=True) == [0, 1]
    assert row.kept(to_first_error=False) == [0, 1, 2, 3]


def test_unlabelled_steps_are_left_out_and_counted() -> None:
    rows = [judged("p", [1, None, 0], [0.9, 0.0, 0.3]), judged("q", [None, 1, 0], [1.0, 0.8, 0.2])]
    quality = judge_steps(rows, seed=0)
    assert (quality.steps, quality.unlabelled, quality.problems) == (4, 2, 2)
    assert quality.auroc.value == 1.0


def test_first_errors_count_only_where_they_are_known() -> None:
    rows = [
        judged("a", [1, 0], [0.9, 0.1]),  # found
        judged("b", [1, 1], [0.9, 0.9]),  # passed
        judged("c", [1, 1], [0.9, 0.2]),  # false alarm
        judged("d", [None, 1], [0.1, 0.9]),  # not known
    ]
    quality = judge_steps(rows, seed=0)
    assert quality.first_error_accuracy.value == pytest.approx(2 / 3)
    assert quality.first_error_by_posterior.value == pytest.approx(2 / 3)
    assert quality.found_errors.value == 1.0
    assert quality.passed_clean.value == 0.5


def test_without_wrong_traces_the_rate_of_found_errors_is_undefined_and_says_so() -> None:
    rows = [judged("a", [1, None], [0.9, 0.9]), judged("b", [0, 0], [0.1, 0.2])]
    assert math.isnan(judge_steps(rows, seed=0).passed_clean.value)


def test_a_scorer_is_compared_pair_by_pair_with_another() -> None:
    rows = world(problems=80)
    blind = [Judged(labeled=r.labeled, scores=StepScores(values=(0.5,) * 4)) for r in rows]
    gain = auroc_gain(rows, blind, seed=0)
    assert gain.low > 0
    assert auroc_gain(rows, rows, seed=0).value == 0.0


def test_scores_must_fit_the_trace_and_labels_must_exist() -> None:
    with pytest.raises(ScoreError, match="needs one score"):
        judged("p", [1, 0], [0.5])
    with pytest.raises(LabelError, match="no labelled step"):
        judge_steps([judged("p", [None], [0.5])], seed=0)
    with pytest.raises(LabelError):
        judge_steps([judged("p", [1, 1], [0.5, 0.6])], seed=0)


def test_label_quality_counts_agreement_by_kind_and_position() -> None:
    truth = [labelled(f"p{i}", [1, 1, 0]) for i in range(30)]
    said = [labelled(f"p{i}", [1, 0, 1 if i % 3 == 0 else 0]) for i in range(30)]
    quality = judge_labels(said, truth, seed=0)
    assert quality.accuracy.value == pytest.approx((30 + 0 + 20) / 90)
    assert quality.called_right_when_wrong.value == pytest.approx(1 / 3)
    assert quality.called_wrong_when_right.value == pytest.approx(1 / 2)
    assert [(each.position, each.steps) for each in quality.by_position] == [(0, 30), (1, 30), (2, 30)]
    assert [each.accuracy.value for each in quality.by_position] == [1.0, 0.0, pytest.approx(2 / 3)]


def test_label_quality_refuses_traces_that_do_not_pair_up() -> None:
    with pytest.raises(LabelError, match="same traces"):
        judge_labels([labelled("p", [1])], [labelled("q", [1])], seed=0)
    with pytest.raises(LabelError, match="no labelled step"):
        judge_labels([labelled("p", [None])], [labelled("p", [1])], seed=0)


def test_baselines_learn_position_and_length_and_nothing_else() -> None:
    by_position = [labelled(f"p{i}", [1, 1, 0]) for i in range(20)]
    scores = baseline_scores(by_position, [by_position[0].trace])
    assert set(scores["always right"][0].values) == {0.5}
    position = scores["position"][0].values
    assert position[0] > position[1] > position[2]
    texts = [labelled(f"q{i}", [1, 0], text="ok\n" + "x" * 300 + "\n") for i in range(20)]
    length = baseline_scores(texts, [texts[0].trace])["length"][0].values
    assert length[0] > 0.8 > 0.2 > length[1]
    with pytest.raises(LabelError, match="right and wrong"):
        baseline_scores([labelled("p", [1, 1])], [])
