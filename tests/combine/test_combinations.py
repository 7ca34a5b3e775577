import json
import math

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier

from stepward.combine.boosted_trees import BoostedTrees, FitTrees
from stepward.combine.features import PROCESS, WITH_OUTCOME, trace_features
from stepward.combine.held_out import held_out
from stepward.combine.learned_logistic import FitLogistic, LearnedLogistic
from stepward.combine.linear import Linear
from stepward.combine.log_linear import LogLinear, fit_log_linear
from stepward.combine.rank_mean import RankMean, pool_ranks
from stepward.combine.records import COMBINATIONS, from_json, to_json
from stepward.combine.signals import Combination, Signals
from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.ranking import auroc


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x)))


def pool(n: int, seed: int = 0, a: float = 1.0, b: float = 2.0) -> tuple[list[Signals], np.ndarray, list[int]]:
    """Traces that are right with chance sigma(a logit o + b logit s): five of a problem."""
    rng = np.random.default_rng(seed)
    outcome, process = rng.normal(0, 1, n), rng.normal(0, 1, n)
    right = rng.random(n) < sigmoid(a * outcome + b * process)
    traces = [
        Signals(steps=(float(sigmoid(p)),) * 3, outcome=float(sigmoid(o)))
        for o, p in zip(outcome, process, strict=True)
    ]
    return traces, right, [k // 5 for k in range(n)]


TRACES, RIGHT, PROBLEMS = pool(600)
EXAMPLES: list[Combination] = [
    Linear(outcome=0.3, reduce="min"),
    RankMean(outcome=0.7),
    LogLinear(a=0.5, b=1.5, c=-0.25, reduce="last"),
    FitLogistic(outcome=True).fit(TRACES, RIGHT),
    FitTrees(trees=5).fit(TRACES, RIGHT),
]


def test_linear_is_the_weighted_mean_of_the_formula() -> None:
    traces = [Signals(steps=(0.9, 0.4), outcome=0.8), Signals(steps=(0.5,), outcome=0.1)]
    assert Linear(outcome=0.25, reduce="min").combine(traces) == pytest.approx([0.25 * 0.8 + 0.75 * 0.4, 0.4])


def test_log_linear_is_naive_bayes_at_weights_of_one() -> None:
    (value,) = LogLinear(a=1, b=1, c=0, reduce="min").combine([Signals(steps=(0.9, 0.8), outcome=0.6)])
    odds = (0.8 / 0.2) * (0.6 / 0.4)
    assert value == pytest.approx(odds / (1 + odds))


def test_a_certain_signal_overrules_in_log_odds_and_cannot_in_a_mean() -> None:
    trace = [Signals(steps=(0.95, 0.95), outcome=1e-6)]
    assert LogLinear(a=1, b=1, c=0).combine(trace)[0] < 1e-3
    assert Linear(outcome=0.5).combine(trace)[0] > 0.47


def test_ranks_share_ties_and_ignore_scale() -> None:
    assert pool_ranks(np.array([0.2, 0.9, 0.2, 0.5])).tolist() == [0.25, 0.875, 0.25, 0.625]
    traces = [Signals(steps=(p,), outcome=o) for p, o in ((0.1, 0.9), (0.2, 0.5), (0.3, 0.1))]
    bent = [Signals(steps=(t.steps[0] ** 5,), outcome=(t.outcome or 0) ** 3) for t in traces]
    combined = RankMean(outcome=0.3).combine(traces)
    assert combined.tolist() == RankMean(outcome=0.3).combine(bent).tolist()
    assert combined.argmax() == 2, "the process signal has the greater share"
    assert RankMean().combine(traces[:1]).tolist() == [0.5]
    same = [Signals(steps=(0.4,), outcome=0.4)] * 4
    assert RankMean().combine(same).tolist() == [0.5] * 4


def test_a_fit_finds_the_weights_that_made_the_labels_within_its_intervals() -> None:
    traces, right, problems = pool(4000, seed=5)
    fitted = fit_log_linear(traces, right, problems, draws=60, seed=1)
    assert fitted.problems == 800 and fitted.traces == 4000
    for (name, weight), truth in zip(fitted.weights.items(), (1.0, 2.0, 0.0), strict=True):
        assert weight.low < weight.value < weight.high and weight.high - weight.low < 0.5
        assert weight.value == pytest.approx(truth, abs=0.25), name
    again = fit_log_linear(traces, right, problems, draws=60, seed=1)
    assert again == fitted


def test_intervals_resample_problems_not_traces() -> None:
    """Nine copies of a trace say no more than one: an interval over traces would be a third as wide."""
    traces, right, _ = pool(300, seed=2)
    once = fit_log_linear(traces, right, range(300), draws=80)
    copied = fit_log_linear(traces * 9, np.tile(right, 9), list(range(300)) * 9, draws=80)
    width = [weight.high - weight.low for weight in once.weights.values()]
    assert [weight.high - weight.low for weight in copied.weights.values()] == pytest.approx(width, rel=0.25)


def test_a_constant_signal_moves_into_the_shift_and_nothing_breaks() -> None:
    traces, right, problems = pool(400, seed=3, b=0.0)
    flat = [Signals(steps=(0.7,), outcome=t.outcome) for t in traces]
    fitted = fit_log_linear(flat, right, problems, draws=20)
    values = fitted.combination.combine(flat)
    assert auroc(values, right) == pytest.approx(auroc([t.outcome or 0.0 for t in flat], right))
    assert values.mean() == pytest.approx(right.mean(), abs=0.02)


def test_fits_refuse_one_class_and_unequal_counts() -> None:
    with pytest.raises(LabelError, match="one class"):
        fit_log_linear(TRACES[:4], [1, 1, 1, 1], [0, 1, 2, 3])
    with pytest.raises(LabelError, match="one class"):
        FitTrees().fit(TRACES[:4], [0, 0, 0, 0])
    with pytest.raises(LabelError, match="as many problems"):
        fit_log_linear(TRACES[:4], [1, 0, 1, 0], [0, 1])
    with pytest.raises(LabelError, match="need as many labels"):
        FitLogistic().fit(TRACES[:4], [1, 0])
    with pytest.raises(LabelError, match="no trace"):
        FitLogistic().fit([], [])


def test_signals_refuse_what_is_no_probability_and_traces_without_steps() -> None:
    for steps in ((math.nan,), (1.2,), (0.5, math.inf)):
        with pytest.raises(ScoreError):
            Signals(steps=steps)
    with pytest.raises(ScoreError, match="no signals"):
        Signals(steps=(), outcome=0.5)
    with pytest.raises(ScoreError):
        Signals(steps=(0.5,), outcome=-0.1)


@pytest.mark.parametrize("way", EXAMPLES, ids=lambda each: type(each).__name__)
def test_a_missing_outcome_is_refused_never_scored(way: Combination) -> None:
    traces = [Signals(steps=(0.5,), outcome=0.5), Signals(steps=(0.5,))]
    if isinstance(way, BoostedTrees):  # fitted without the outcome
        assert len(way.combine(traces)) == 2
        return
    with pytest.raises(ScoreError, match="needs an outcome score"):
        way.combine(traces)


def test_a_share_of_zero_needs_no_outcome() -> None:
    assert Linear(outcome=0.0, reduce="mean").combine([Signals(steps=(0.2, 0.4))]) == pytest.approx([0.3])


@pytest.mark.parametrize("way", EXAMPLES, ids=lambda each: type(each).__name__)
def test_a_combination_survives_json_and_gives_the_same_numbers(way: Combination) -> None:
    again = from_json(json.loads(json.dumps(to_json(way))))
    assert again == way
    assert again.combine(TRACES[:20]).tolist() == way.combine(TRACES[:20]).tolist()


@pytest.mark.parametrize("way", EXAMPLES, ids=lambda each: type(each).__name__)
def test_a_combination_gives_one_finite_number_a_trace_in_any_order(way: Combination) -> None:
    values = way.combine(TRACES[:30])
    assert values.shape == (30,) and np.isfinite(values).all()
    order = np.random.default_rng(0).permutation(30).tolist()
    assert way.combine([TRACES[k] for k in order]) == pytest.approx(values[order])
    if not way.needs_pool:
        alone = [float(way.combine([trace])[0]) for trace in TRACES[:30]]
        assert alone == pytest.approx(values.tolist())


def test_every_combination_has_an_example_here() -> None:
    assert {type(way) for way in EXAMPLES} == set(COMBINATIONS.values())


def test_damaged_and_foreign_records_are_refused() -> None:
    with pytest.raises(ConfigError, match="no such combination"):
        from_json({"combination": "mixture"})
    with pytest.raises(ValueError, match="LogLinear"):
        from_json({"combination": "log_linear", "a": 1.0})
    with pytest.raises(ConfigError, match="finite"):
        LogLinear(a=math.inf, b=0, c=0)
    with pytest.raises(ConfigError, match="share"):
        Linear(outcome=1.5)
    with pytest.raises(ConfigError, match="no such reducer"):
        RankMean(reduce="typical")
    old = to_json(EXAMPLES[3])
    with pytest.raises(ConfigError, match="other features"):
        from_json({**old, "version": "trace-features@0"})


def test_features_are_those_of_the_list() -> None:
    (values,) = trace_features([Signals(steps=(0.9, 0.3, 0.6), outcome=0.8)], WITH_OUTCOME).tolist()
    row = dict(zip(WITH_OUTCOME, values, strict=True))
    expected = {
        "min": 0.3,
        "mean": 0.6,
        "last": 0.6,
        "q50": 0.6,
        "log_product": math.log(0.9 * 0.3 * 0.6),
        "log_steps": math.log(3),
        "drop": 0.6,
        "weakest_at": 2 / 3,
        "outcome": math.log(4),
    }
    assert {name: row[name] for name in expected} == pytest.approx(expected)
    single = trace_features([Signals(steps=(0.5,))], PROCESS)[0]
    assert single[PROCESS.index("drop")] == 0.0 and single[PROCESS.index("weakest_at")] == 1.0


def test_trees_say_what_scikit_learn_says() -> None:
    how = FitTrees(outcome=True, trees=12, depth=3, fewest=5)
    ours = how.fit(TRACES, RIGHT)
    rival = GradientBoostingClassifier(
        n_estimators=12, max_depth=3, learning_rate=0.1, min_samples_leaf=5, subsample=0.8, random_state=0
    ).fit(trace_features(TRACES, WITH_OUTCOME), RIGHT)
    theirs = rival.predict_proba(trace_features(TRACES, WITH_OUTCOME))[:, 1]
    assert ours.combine(TRACES) == pytest.approx(theirs, abs=1e-9)


def test_learned_aggregates_beat_a_wrong_reducer_on_problems_left_out() -> None:
    """A trace is right where its last step is good: the minimum of all does not see that."""
    rng = np.random.default_rng(1)
    rows = rng.random((500, 4))
    traces = [Signals(steps=tuple(row.tolist())) for row in rows]
    right = rng.random(500) < sigmoid(6 * (rows[:, -1] - 0.5))
    problems = [k // 5 for k in range(500)]
    by_min = auroc(Linear(outcome=0.0, reduce="min").combine(traces), right)
    for how in (FitLogistic(), FitTrees(trees=30)):
        assert auroc(held_out(how.fit, traces, right, problems), right) > by_min + 0.1


def test_held_out_numbers_come_from_fits_that_saw_nothing_of_the_problem() -> None:
    seen: list[int] = []

    def fit(traces, correct) -> LearnedLogistic:
        seen.append(len(traces))
        return FitLogistic().fit(traces, correct)

    values = held_out(fit, TRACES[:100], RIGHT[:100], PROBLEMS[:100], folds=4)
    assert seen == [75] * 4 and len(values) == 100


def test_constant_features_get_no_weight() -> None:
    traces = [Signals(steps=(p, p)) for p in np.linspace(0.1, 0.9, 40).tolist()]
    fitted = FitLogistic().fit(traces, [p.steps[0] > 0.5 for p in traces])
    assert fitted.weights[PROCESS.index("log_steps")] == pytest.approx(0, abs=1e-6)
    with pytest.raises(ConfigError, match="penalty"):
        FitLogistic(penalty=0)
    with pytest.raises(ConfigError, match="boosting"):
        FitTrees(trees=0)
