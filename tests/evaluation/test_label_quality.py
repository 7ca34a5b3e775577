import math
from collections.abc import Sequence

import numpy as np
import pytest

from stepward.errors import LabelError
from stepward.evaluation.label_quality import first_error_difference, judge_first_errors, judge_labels
from stepward.evaluation.value_quality import judge_values
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import LabeledTrace, Source, Spend, StepLabel, Target


def labels_of(
    problem: str,
    values: Sequence[float | None],
    *,
    target: Target = "prefix",
    trials: int | None = None,
    spend: Spend | None = None,
) -> LabeledTrace:
    source: Source = "rollout"

    def label(value: float) -> StepLabel:
        won = None if trials is None else round(value * trials)
        return StepLabel(target=target, value=value, source=source, successes=won, trials=trials)

    trace = cut(problem, "".join(f"step {i}\n" for i in range(len(values))), Newline())
    labels = tuple(None if value is None else label(value) for value in values)
    return LabeledTrace(trace=trace, labels=labels, spend=spend or Spend())


TRUTH = [
    labels_of("a", [1, 0, 0]),
    labels_of("b", [1, 1, 0]),
    labels_of("c", [1, 1, 1]),
    labels_of("d", [0, 0, 0]),
    labels_of("e", [1, 1, 1]),
]
SAID = [
    labels_of("a", [1, 0, 1]),  # exact: what stands behind the first error does not count
    labels_of("b", [0, 0, 0]),  # early
    labels_of("c", [1, 1, None]),  # not told
    labels_of("d", [1, 1, 1]),  # late, as none
    labels_of("e", [1, 1, 1]),  # exact
]


def test_first_errors_are_exact_early_late_or_not_told() -> None:
    found = judge_first_errors(SAID, TRUTH, seed=0)
    assert found.traces == 5
    assert found.found.value == pytest.approx(2 / 5)
    assert found.told.value == pytest.approx(4 / 5)
    assert found.accuracy.value == pytest.approx(2 / 4)
    assert found.found_of_wrong.value == pytest.approx(1 / 3)
    assert found.found_of_right.value == pytest.approx(1 / 2)
    assert found.early.value == pytest.approx(1 / 3)
    assert found.late.value == pytest.approx(1 / 3)


def test_traces_whose_true_first_error_is_not_known_are_left_out() -> None:
    hidden = labels_of("f", [None, 0])
    found = judge_first_errors([*SAID, labels_of("f", [1, 0])], [*TRUTH, hidden], seed=0)
    assert found.traces == 5
    assert judge_first_errors([hidden], [hidden], seed=0).traces == 0
    assert math.isnan(judge_first_errors([hidden], [hidden], seed=0).found.value)


def test_a_gain_in_first_errors_is_paired_over_problems() -> None:
    gain = first_error_difference(TRUTH, SAID, TRUTH, seed=0)
    assert gain.value == pytest.approx(3 / 5)
    assert gain.low < gain.value < gain.high
    same = first_error_difference(SAID, SAID, TRUTH, seed=0)
    assert (same.value, same.low, same.high) == (0, 0, 0)


def test_a_gain_without_any_known_first_error_is_refused() -> None:
    hidden = [labels_of("f", [None, 0])]
    with pytest.raises(LabelError, match="no trace"):
        first_error_difference(hidden, hidden, hidden, seed=0)


def test_coverage_and_cost_count_traces_without_labels() -> None:
    said = [
        labels_of("a", [1, 0, None], spend=Spend(policy_tokens=90, prompt_tokens=30)),
        labels_of("b", [None, None], spend=Spend(policy_tokens=10)),
    ]
    truth = [labels_of("a", [1, 0, 0]), labels_of("b", [1, 1])]
    quality = judge_labels(said, truth, seed=0)
    assert quality.labelled_steps.value == pytest.approx(2 / 5)
    assert quality.labelled_traces.value == pytest.approx(1 / 2)
    assert (quality.policy_tokens.value, quality.prompt_tokens.value) == (50, 15)
    assert quality.first_errors.told.value == pytest.approx(1 / 2)


def test_soft_labels_are_judged_by_value_less_the_error_of_the_reference() -> None:
    said = [labels_of("a", [0.5, 0.25], target="value"), labels_of("b", [None, 1.0], target="value")]
    true = [labels_of("a", [0.5, 0.5], target="value", trials=5), labels_of("b", [0.2, 0.8], target="value", trials=5)]
    quality = judge_values(said, true, seed=0)
    raw = (0 + 0.25**2 + 0.2**2) / 3
    noise = (0.25 / 4 + 0.25 / 4 + 0.16 / 4) / 3
    assert quality.steps == 3
    assert quality.squared_error.value == pytest.approx(raw - noise)
    assert quality.bias.value == pytest.approx((0 - 0.25 + 0.2) / 3)
    assert [(each.labels, each.said, each.true) for each in quality.bins] == [
        (1, 0.25, 0.5),
        (1, 0.5, 0.5),
        (1, 1, 0.8),
    ]
    assert quality.calibration_error == pytest.approx((0.25 + 0 + 0.2) / 3)


def test_the_squared_error_of_k_of_n_is_that_of_a_binomial_share() -> None:
    rng = np.random.default_rng(3)
    worth = rng.random((200, 20))
    said = [labels_of(f"p{i}", ks / 8, target="value") for i, ks in enumerate(rng.binomial(8, worth))]
    true = [labels_of(f"p{i}", ks / 64, target="value", trials=64) for i, ks in enumerate(rng.binomial(64, worth))]
    quality = judge_values(said, true, seed=0)
    assert quality.steps == worth.size
    assert quality.squared_error.value == pytest.approx(np.mean(worth * (1 - worth) / 8), rel=0.1)


def test_only_value_labels_are_judged_by_values() -> None:
    value = labels_of("a", [0.5], target="value")
    with pytest.raises(LabelError, match="value labels"):
        judge_values([labels_of("a", [1])], [value], seed=0)
    with pytest.raises(LabelError, match="same traces"):
        judge_values([labels_of("b", [0.5], target="value")], [value], seed=0)
    with pytest.raises(LabelError, match="share no step"):
        judge_values([labels_of("a", [None])], [value], seed=0)
