"""Agreement, noise and accounts of filters, against counts by hand and against metrics that are tested elsewhere."""

import math

import numpy as np
import pytest

from stepward.errors import ConfigError, LabelError
from stepward.evaluation.agreement import agreement
from stepward.evaluation.dropped import RelabelCounter, difficulty_of, span
from stepward.evaluation.noise import confident_joint, noise_matrix, rollout_noise
from stepward.metrics.agreement import Rating, cohen_kappa, gwet_ac1, krippendorff_alpha, weighted_kappa
from stepward.metrics.binomial import CountPosterior
from stepward.relabel.after_error import AfterError
from stepward.relabel.filters.few_trials import FewTrials
from stepward.relabel.posterior import PosteriorMean
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Outcome, Problem, StepLabel, Target, Verdict

SIGNS = {"+": 1.0, "-": 0.0, "?": None}
Row = tuple[Problem, LabeledTrace, LabeledTrace]


def labelled(problem: str, signs: str, target: Target = "prefix") -> LabeledTrace:
    trace = from_steps(problem, [f"step {at}" for at in range(len(signs))], "\n")
    found = [SIGNS[sign] for sign in signs]
    labels = [None if x is None else StepLabel(target=target, value=x, source="human") for x in found]
    return LabeledTrace(trace=trace, labels=tuple(labels))


def rows(*pairs: tuple[str, str, str]) -> list[Row]:
    return [(Problem(id=p, text="?"), labelled(p, one), labelled(p, two)) for p, one, two in pairs]


SOME = rows(
    ("p", "++-+", "++--"),
    ("p", "++++", "++++"),
    ("q", "++-+", "+-++"),
    ("q", "++", "+-"),
    ("r", "-+", "-+"),
    ("s", "+?-", "+--"),
)


def test_rates_and_kappas_are_those_of_the_counts() -> None:
    found = agreement(SOME, seed=0)
    assert (found.traces, found.problems, found.unknown) == (5, 3, 1)
    assert found.first_error.rate.value == pytest.approx(3 / 5)
    first, second = [2, "none", 2, "none", 0], [2, "none", 1, 1, 0]
    assert found.first_error.kappa.value == pytest.approx(cohen_kappa(first, second))
    assert found.near.value == pytest.approx(4 / 5)
    assert (found.steps.units, found.steps.rate.value) == (18, pytest.approx(14 / 18))
    assert found.first_error.rate.low <= 3 / 5 <= found.first_error.rate.high


def test_every_row_has_measures_that_take_chance_off() -> None:
    found = agreement(SOME, seed=0)
    first: list[Rating | None] = [2, "none", 2, "none", 0]
    second: list[Rating | None] = [2, "none", 1, 1, 0]
    assert found.first_error.alpha.value == pytest.approx(krippendorff_alpha([first, second]))
    assert found.first_error.ac1.value == pytest.approx(gwet_ac1([first, second]))
    for row in (found.first_error, found.steps):
        assert row.alpha.low <= row.alpha.value <= row.alpha.high and row.ac1.low <= row.ac1.value <= row.ac1.high


def test_first_errors_are_compared_as_shares_of_their_traces() -> None:
    found = agreement(SOME, seed=0).prefix
    assert found is not None
    first, second = [2 / 4, 1.0, 2 / 4, 1.0, 0.0], [2 / 4, 1.0, 1 / 4, 1 / 2, 0.0]
    assert found.interval_alpha.value == pytest.approx(krippendorff_alpha([first, second], level="interval"))
    assert found.ordinal_alpha.value == pytest.approx(krippendorff_alpha([first, second], level="ordinal"))
    assert found.weighted_kappa.value == pytest.approx(weighted_kappa(first, second, [at / 4 for at in range(5)]))


def test_lengths_alone_are_no_agreement() -> None:
    """One sees no error, the other one at the last step, of long and short traces: bare indexes would agree."""
    long_, short = "+" * 12, "++"
    found = agreement(rows(*((f"p{at}", t, t[:-1] + "-") for at, t in enumerate([long_, short] * 5))), seed=0)
    assert found.prefix is not None and found.prefix.interval_alpha.value < 0


def test_agreement_is_told_by_length_and_by_where_the_first_labelling_sees_the_error() -> None:
    found = agreement(SOME, seed=0)
    assert [(row.name, row.units, row.rate.value) for row in found.by_length] == [
        *(("1 to 2 steps", 2, 0.5), ("3 to 4 steps", 3, pytest.approx(2 / 3)))
    ]
    places = {row.name: (row.units, row.rate.value) for row in found.by_location}
    assert places == {"no error": (2, 0.5), "step 0": (1, 1.0), "step 2 to 3": (2, 0.5)}
    none = next(row for row in found.by_location if row.name == "no error")
    assert none.kappa.value == pytest.approx(cohen_kappa([0, 1, 0, 1, 0], [0, 1, 0, 0, 0]))


def test_kappa_is_undefined_where_chance_agreement_is_complete() -> None:
    found = agreement(rows(("p", "++", "++"), ("q", "+", "+")), seed=0)
    assert found.first_error.rate.value == 1.0 and math.isnan(found.first_error.kappa.value)
    assert math.isnan(found.steps.alpha.value) and math.isnan(found.steps.ac1.value)


def test_what_cannot_be_compared_is_refused() -> None:
    problem = Problem(id="p", text="?")
    with pytest.raises(LabelError, match="same traces"):
        agreement([(problem, labelled("p", "+"), labelled("p", "++"))], seed=0)
    with pytest.raises(LabelError, match="share no step"):
        agreement(rows(("p", "?", "+")), seed=0)
    with pytest.raises(LabelError, match="same traces"):
        noise_matrix([(problem, labelled("p", "+"), labelled("p", "++"))], seed=0)


def test_noise_is_counted_by_class_with_half_an_error_added_and_wilson_s_width_at_least() -> None:
    found = noise_matrix(rows(("p", "++-+?", "+++-+"), ("q", "----", "+---")), seed=0)
    assert found.false_bad.value == pytest.approx((2 + 0.5) / (4 + 1))
    assert found.false_good.value == pytest.approx((1 + 0.5) / (4 + 1))
    assert (found.steps, found.problems, found.unlabelled, found.good_share) == (8, 2, 1, 0.5)
    assert found.matrix == ((pytest.approx(0.7), pytest.approx(0.3)), (pytest.approx(0.5), pytest.approx(0.5)))
    assert found.objective() == {"use": "noisy", "false_bad": 0.5, "false_good": pytest.approx(0.3)}
    sure = noise_matrix(rows(("p", "++--", "++--")), seed=0)
    assert sure.false_bad.high > 0.5, "two right labels of one problem prove little"


def test_labels_that_say_nothing_have_no_objective_and_one_class_no_rate() -> None:
    with pytest.raises(LabelError, match="say nothing"):
        noise_matrix(rows(("p", "--++", "++--")), seed=0).objective()
    with pytest.raises(LabelError, match="no bad step"):
        noise_matrix(rows(("p", "+-", "++")), seed=0)


def test_rollouts_miss_a_right_prefix_with_chance_one_less_p_to_the_k() -> None:
    certain = CountPosterior(a=1e5, b=9e5)
    assert rollout_noise(certain, 8).false_bad.value == pytest.approx(0.9**8, abs=1e-4)
    uniform = CountPosterior(a=1.0, b=1.0)
    assert rollout_noise(uniform, 8).false_bad.value == pytest.approx(1 / 9)
    assert rollout_noise(uniform, 8, options=4).false_good.value == pytest.approx(0.8999, abs=1e-4)
    assert rollout_noise(uniform, 8, recovers=0.1).false_good.value == pytest.approx(1 - 0.9**8)
    with pytest.raises(ConfigError, match="trials"):
        rollout_noise(uniform, 0)


def test_without_truth_a_model_that_did_not_see_the_labels_finds_the_rates() -> None:
    rng = np.random.default_rng(0)
    good = rng.random(4000) < 0.7
    probs = np.clip(np.where(good, 0.9, 0.1) + rng.normal(0, 0.05, 4000), 0, 1)
    said = np.where(good, rng.random(4000) >= 0.2, rng.random(4000) < 0.1)
    found = confident_joint(probs, said, [str(at % 100) for at in range(4000)], seed=0)
    assert found.false_bad.low < 0.2 < found.false_bad.high
    assert found.false_good.low < 0.1 < found.false_good.high
    assert found.good_share == pytest.approx(good.mean(), abs=0.02)
    with pytest.raises(LabelError, match="one class"):
        confident_joint([0.5, 0.6], [True, True], ["a", "b"], seed=0)


def rolled(counts: list[tuple[int, int]], verdict: Outcome) -> LabeledTrace:
    trace = from_steps("p", [f"step {at}" for at in range(len(counts))], "\n", finish="length")
    labels = [StepLabel(target="value", value=k / n, source="rollout", successes=k, trials=n) for k, n in counts]
    return LabeledTrace(trace=trace, labels=tuple(labels), verdict=Verdict(outcome=verdict))


def test_an_account_says_how_many_of_what_kind_were_dropped() -> None:
    before = [rolled([(1, 8), (1, 2), (0, 2)], "equal"), rolled([(0, 2)], "different")]
    counter = RelabelCounter(name="few_trials")
    counter.add(before, FewTrials(trials=4).relabel(Problem(id="p", text="?"), before))
    found = counter.account()
    assert (found.labels_before, found.labels_after, found.traces_before, found.traces_after) == (4, 1, 2, 1)
    assert (found.good.before, found.good.dropped, found.bad.before, found.bad.dropped) == (2, 1, 2, 2)
    assert {s.name: (s.before, s.dropped) for s in found.by_position} == {
        "0": (2, 1),
        "1": (1, 1),
        "2-3": (1, 1),
    }
    assert {s.name: s.dropped for s in found.by_length} == {"1-2": 1, "3-4": 2}
    assert {s.name: s.dropped for s in found.by_difficulty} == {"up to 1/2": 3}


def test_an_account_tells_changes_from_drops() -> None:
    before = [rolled([(1, 8), (0, 8), (2, 8)], "equal")]
    problem = Problem(id="p", text="?")
    counter = RelabelCounter(name="posterior_mean")
    counter.add(before, PosteriorMean().relabel(problem, before))
    changed = counter.account()
    assert (changed.changed, changed.flipped, changed.labels_after) == (3, 0, 3)
    counter = RelabelCounter(name="after_error")
    counter.add(before, AfterError(how="zero").relabel(problem, before))
    assert counter.account().flipped == 1
    with pytest.raises(LabelError, match="same traces in the same order"):
        counter.add(before, [])


def test_difficulty_is_the_share_of_right_traces() -> None:
    def verdicts(*outcomes: Outcome) -> str:
        return difficulty_of([rolled([(1, 2)], outcome) for outcome in outcomes])

    assert verdicts("different", "different") == "never right"
    assert verdicts("equal", "different", "different", "different") == "up to 1/4"
    assert verdicts("equal", "equal", "undecided") == "always right"
    assert verdicts("undecided") == "unknown"
    assert span(17, ((0, 3), (4, math.inf))) == "4+"
