import asyncio
import json
import math
from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.isotonic import isotonic_regression
from sklearn.linear_model import LogisticRegression

from stepward.calibrate import (
    FITS,
    Beta,
    Calibrated,
    Calibrator,
    Isotonic,
    Platt,
    Temperature,
    fit_beta,
    fit_isotonic,
    fit_platt,
    fit_temperature,
    from_json,
    to_json,
)
from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.calibration import ece, nll
from stepward.types import Convention, Origin, Problem, Step, StepScores, Trace

EXAMPLES: list[Calibrator] = [
    Temperature(t=1.7),
    Platt(a=0.5, b=-0.25),
    Beta(a=0.8, b=1.1, c=0.1),
    Isotonic(xs=(0.1, 0.4), ys=(0.2, 0.9)),
]


def logit(p: np.ndarray) -> np.ndarray:
    return np.log(p) - np.log1p(-p)


def overconfident(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose log-odds are 3 times too large, and one unit too high."""
    rng = np.random.default_rng(seed)
    true_logit = rng.normal(0.5, 0.8, n)
    return 1 / (1 + np.exp(-(3 * true_logit + 1))), rng.random(n) < 1 / (1 + np.exp(-true_logit))


def test_temperature_finds_the_factor_by_which_log_odds_were_stretched() -> None:
    rng = np.random.default_rng(1)
    true_logit = rng.normal(0, 1, 20000)
    labels = rng.random(20000) < 1 / (1 + np.exp(-true_logit))
    assert fit_temperature(1 / (1 + np.exp(-2.5 * true_logit)), labels).t == pytest.approx(2.5, rel=0.05)


def test_temperature_is_the_minimum_of_the_likelihood() -> None:
    probs, labels = overconfident(500)
    best = fit_temperature(probs, labels).t
    at = {t: nll(Temperature(t=t).transform(probs), labels) for t in (best * 0.99, best, best * 1.01)}
    assert min(at, key=at.__getitem__) == best


def test_platt_agrees_with_scikit_learn_on_regularised_targets() -> None:
    probs, labels = overconfident(300)
    n_good, n_bad = labels.sum(), (~labels).sum()
    target = np.where(labels, (n_good + 1) / (n_good + 2), 1 / (n_bad + 2))
    x = np.concatenate([logit(probs), logit(probs)])[:, None]
    rival = LogisticRegression(C=math.inf, tol=1e-10, max_iter=1000).fit(
        x, np.repeat([1, 0], 300), sample_weight=np.concatenate([target, 1 - target])
    )
    ours = fit_platt(probs, labels)
    assert (ours.a, ours.b) == pytest.approx((rival.coef_[0, 0], rival.intercept_[0]), abs=1e-4)


def test_separable_labels_have_a_finite_platt_and_beta_fit() -> None:
    probs, labels = [0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1]
    for fit in (fit_platt, fit_beta):
        low, high = fit(probs, labels).transform([0.1, 0.9])
        assert 0.2 < low < 0.3 and 0.7 < high < 0.8


def test_isotonic_joins_the_centres_of_the_blocks_that_scikit_learn_finds() -> None:
    probs, labels = [0.1, 0.2, 0.3, 0.5, 0.7, 0.9], [0, 1, 0, 1, 1, 1]
    assert isotonic_regression([0, 1, 0, 1, 1, 1]).tolist() == [0, 0.5, 0.5, 1, 1, 1]
    fitted = fit_isotonic(probs, labels)
    assert fitted.xs == pytest.approx((0.1, 0.25, 0.7))
    assert fitted.ys == pytest.approx((1 / 8, 0.5, 7 / 8))
    assert fitted.transform([0.0, 0.175, 0.25, 1.0]) == pytest.approx([1 / 8, (1 / 8 + 0.5) / 2, 0.5, 7 / 8])


def test_isotonic_gives_equal_scores_one_value_in_any_order() -> None:
    forward = fit_isotonic([0.5, 0.5, 0.2, 0.9], [0, 1, 0, 1])
    assert forward == fit_isotonic([0.9, 0.2, 0.5, 0.5], [1, 0, 1, 0])
    assert forward.transform([0.5])[0] == pytest.approx(0.5)


@pytest.mark.parametrize("name", ["platt", "beta", "isotonic"])
def test_a_fit_mends_overconfident_scores_on_fresh_ones(name: str) -> None:
    fresh, truth = overconfident(4000, seed=1)
    fitted = FITS[name](*overconfident(4000))
    assert ece(fresh, truth) > 0.1
    assert ece(fitted.transform(fresh), truth) < 0.03


@pytest.mark.parametrize("name", FITS)
def test_every_fit_keeps_the_order_of_scores(name: str) -> None:
    out = FITS[name](*overconfident(300)).transform(np.linspace(0, 1, 101))
    assert (np.diff(out) >= 0).all() and out.min() > 0 and out.max() < 1


@pytest.mark.parametrize("name", FITS)
def test_fits_refuse_what_cannot_teach(name: str) -> None:
    fit = FITS[name]
    with pytest.raises(LabelError, match="one class"):
        fit([0.2, 0.4], [1, 1])
    with pytest.raises(ScoreError, match="score 1 is not a finite number"):
        fit([0.2, math.nan], [0, 1])
    if name != "logistic":
        with pytest.raises(ScoreError, match="no probability"):
            fit([0.2, 1.2], [0, 1])
    with pytest.raises(LabelError, match="2 scores"):
        fit([0.2, 0.4], [0, 1, 1])
    with pytest.raises(LabelError, match="0 or 1"):
        fit([0.2, 0.4], [0.0, 0.5])
    with pytest.raises(ScoreError, match="at least one"):
        fit([], [])


@pytest.mark.parametrize("calibrator", EXAMPLES)
def test_a_calibrator_survives_json(calibrator: Calibrator) -> None:
    assert from_json(json.loads(json.dumps(to_json(calibrator)))) == calibrator


@pytest.mark.parametrize("record", [{}, {"calibrator": "spline"}, {"calibrator": "platt", "a": 1.0}])
def test_a_damaged_record_is_refused(record: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        from_json(record)


def test_calibrators_refuse_impossible_parameters() -> None:
    for broken in ("Temperature(t=0)", "Platt(a=math.nan, b=0)", "Beta(a=-1, b=1, c=0)"):
        with pytest.raises(ConfigError):
            eval(broken)
    with pytest.raises(ConfigError, match="xs must rise"):
        Isotonic(xs=(0.5, 0.5), ys=(0.1, 0.2))


@pytest.mark.parametrize("calibrator", EXAMPLES)
def test_no_scores_stay_no_scores(calibrator: Calibrator) -> None:
    assert calibrator.transform([]).shape == (0,)


@dataclass(frozen=True)
class FixedScorer:
    values: tuple[float, ...]
    convention: Convention = "probability"

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        return StepScores(values=self.values, convention=self.convention, scorer=Origin(maker="prm:fixed"))


def test_calibrated_maps_each_step_and_names_its_calibrator() -> None:
    trace = Trace(problem_id="p", text="ab", steps=(Step(0, 1), Step(1, 2)))
    wrapped = Calibrated(scorer=FixedScorer((0.5, 0.9)), calibrator=Temperature(t=2.0))
    scores = asyncio.run(wrapped.score(Problem(id="p", text="?"), trace))
    assert scores.values == pytest.approx((0.5, 0.75))
    assert scores.scorer.settings["calibration"] == {"calibrator": "temperature", "t": 2.0}
    with pytest.raises(ScoreError, match="needs probabilities"):
        logits = Calibrated(scorer=FixedScorer((0.5, 3.0), "logit"), calibrator=Temperature(t=2.0))
        asyncio.run(logits.score(Problem(id="p", text="?"), trace))
