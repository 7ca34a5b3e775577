import asyncio
import json
import math

import numpy as np
import pytest

from stepward.calibrate import (
    Calibrated,
    CalibratedTrace,
    FitPerDomain,
    LabelledScores,
    LengthPlatt,
    Logistic,
    PerDomain,
    Platt,
    Temperature,
    any_from_json,
    calibrated,
    cross_fitted,
    fit_isotonic,
    fit_length_platt,
    fit_logistic,
    fit_platt,
    from_json,
    problem_folds,
    problem_key,
    refuse_shared_problems,
    to_json,
)
from stepward.errors import ConfigError, LabelError, ScoreError, TraceError
from stepward.metrics.calibration import brier, ece
from stepward.reward_models.fake import ScriptedScorer
from stepward.reward_models.wrappers import CachedScorer
from stepward.types import Origin, Problem, Step, StepScores, Trace

UPSIDE = PerDomain(
    by_domain={"law": Platt(a=1, b=1), "maths": Temperature(t=2)}, pooled=Platt(a=1, b=0), small=("art",)
)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def two_domains(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scores that are two units too high in log-odds in law, and right in maths."""
    rng = np.random.default_rng(seed)
    domains = ["law" if k % 2 else "maths" for k in range(n)]
    true = rng.normal(0, 1.5, n)
    shift = np.array([2.0 if domain == "law" else 0.0 for domain in domains])
    return sigmoid(true + shift), rng.random(n) < sigmoid(true), domains


def trace_of(*steps: str) -> Trace:
    spans, at = [], 0
    for text in steps:
        spans.append(Step(at, at + len(text)))
        at += len(text)
    return Trace(problem_id="p", text="".join(steps), steps=tuple(spans))


def test_each_domain_gets_the_map_that_mends_it() -> None:
    scores, labels, domains = two_domains()
    fitted = FitPerDomain().fit(scores, labels, domains)
    law, maths = fitted.by_domain["law"], fitted.by_domain["maths"]
    assert isinstance(law, Platt) and isinstance(maths, Platt)
    assert (law.a, law.b) == pytest.approx((1, -2), abs=0.3)
    assert (maths.a, maths.b) == pytest.approx((1, 0), abs=0.15)
    fresh, truth, where = two_domains(seed=1)
    rows = LabelledScores.of(fresh, truth, range(len(fresh)), where)
    together = fit_platt(scores, labels)
    assert ece(rows.through(fitted), truth) < 0.03 < 0.1 < ece(rows.through(together)[1::2], truth[1::2])


def test_a_domain_with_few_labels_or_one_class_uses_the_pooled_map() -> None:
    scores, labels, domains = two_domains(400)
    small = ["art"] * 20
    fitted = FitPerDomain(fewest=100).fit(
        np.r_[scores, np.full(20, 0.5), np.full(150, 0.5)],
        np.r_[labels, [1, 0] * 10, np.ones(150)],
        [*domains, *small, *["sport"] * 150],
    )
    assert set(fitted.by_domain) == {"law", "maths"} and fitted.small == ("art", "sport")
    assert fitted.at("art") is fitted.pooled is fitted.at("sport")


def test_an_unseen_domain_is_pooled_or_refused_and_the_record_says_which() -> None:
    scores = StepScores(values=(0.5,))
    assert calibrated(UPSIDE, scores, "law").values == pytest.approx((sigmoid(np.array(1.0)),))
    found = calibrated(UPSIDE, scores, "cooking")
    assert found.values == pytest.approx((0.5,)) and found.scorer.settings["domain"] == "pooled"
    strict = PerDomain(by_domain=UPSIDE.by_domain, pooled=UPSIDE.pooled, small=("art",), unseen="refuse")
    with pytest.raises(ScoreError, match="not fitted for the domain 'cooking'"):
        calibrated(strict, scores, "cooking")
    assert calibrated(strict, scores, "art").values == pytest.approx((0.5,)), "seen, if only by a few labels"


def test_domains_must_share_one_kind_of_score() -> None:
    with pytest.raises(ConfigError, match="one kind"):
        PerDomain(by_domain={"law": Logistic(a=1, b=0)}, pooled=Platt(a=1, b=0))
    with pytest.raises(ConfigError, match="pooled or refused"):
        PerDomain(by_domain={}, pooled=Platt(a=1, b=0), unseen="raw")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no such calibration"):
        FitPerDomain(method="spline")
    with pytest.raises(ConfigError, match="two labels"):
        FitPerDomain(fewest=1)
    with pytest.raises(LabelError, match="as many domains"):
        FitPerDomain().fit([0.1, 0.9], [0, 1], ["law"])
    with pytest.raises(LabelError, match="one class"):
        FitPerDomain().fit([0.1, 0.9], [1, 1], ["law", "law"])


@pytest.mark.parametrize("record", [UPSIDE, Logistic(a=2.5, b=-1.0), LengthPlatt(a=1.0, b=0.5, c=-0.25)])
def test_records_survive_json(record: PerDomain | Logistic | LengthPlatt) -> None:
    assert any_from_json(json.loads(json.dumps(to_json(record)))) == record


def test_a_calibrator_of_traces_is_no_calibrator_of_steps() -> None:
    with pytest.raises(ConfigError, match="calibrates traces"):
        from_json(to_json(LengthPlatt(a=1, b=0, c=0)))
    with pytest.raises(ConfigError, match="damaged"):
        any_from_json({"calibrator": "per_domain", "pooled": {"calibrator": "platt", "a": 1.0, "b": 0.0}})


def test_logits_become_probabilities_by_a_fitted_line_whatever_their_unit() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(3, 2, 4000)
    labels = rng.random(4000) < sigmoid(0.5 * raw - 1)
    found = fit_logistic(raw, labels)
    assert (found.a, found.b) == pytest.approx((0.5, -1), abs=0.1)
    scaled = fit_logistic(1000 * raw, labels)
    assert scaled.transform(1000 * raw) == pytest.approx(found.transform(raw), abs=1e-6)
    scores = StepScores(values=(3.0, -40.0), convention="logit")
    out = calibrated(found, scores)
    assert out.convention == "probability" and min(out.values) >= 0 and out.values[0] > 0.5 > out.values[1]


def test_constant_raw_scores_get_the_base_rate() -> None:
    assert fit_logistic([2.0] * 8, [1, 1, 1, 1, 1, 1, 0, 0]).transform([2.0])[0] == pytest.approx(0.75, abs=0.08)


def test_a_map_refuses_scores_of_the_other_kind() -> None:
    with pytest.raises(ScoreError, match="needs probabilities"):
        calibrated(Platt(a=1, b=0), StepScores(values=(0.3,), convention="logit"))
    with pytest.raises(ScoreError, match="no probabilities"):
        calibrated(Logistic(a=1, b=0), StepScores(values=(0.3,)))
    with pytest.raises(ScoreError, match="not a finite"):
        Logistic(a=1, b=0).transform([math.nan])


def test_the_calibrated_scorer_asks_for_the_problems_domain() -> None:
    scorer = Calibrated(scorer=ScriptedScorer(default=0.5), calibrator=UPSIDE)
    trace = trace_of("a.", "b.")
    law = asyncio.run(scorer.score(Problem(id="p", text="t", domain="law"), trace))
    other = asyncio.run(scorer.score(Problem(id="p", text="t"), trace))
    assert law.values[0] > 0.7 and other.values == (0.5, 0.5)
    assert law.scorer.settings["domain"] == "law" and law.spend == other.spend != law.spend + law.spend


def test_length_platt_finds_the_weights_that_made_the_labels() -> None:
    rng = np.random.default_rng(3)
    steps = rng.integers(1, 12, 6000)
    logits = rng.normal(0, 2, 6000)
    labels = rng.random(6000) < sigmoid(0.5 * logits + 1 - 0.8 * np.log(steps))
    found = fit_length_platt(sigmoid(logits), steps.tolist(), labels)
    assert (found.a, found.b, found.c) == pytest.approx((0.5, 1, -0.8), abs=0.12)


def test_the_product_of_dependent_steps_needs_a_calibration_of_its_own() -> None:
    rng = np.random.default_rng(4)
    quality = rng.random(3000)
    steps = rng.integers(2, 10, 3000)
    labels = rng.random(3000) < quality
    product = quality**steps  # every step repeats the same doubt
    mapped = fit_length_platt(product[:1500], steps[:1500].tolist(), labels[:1500])
    after = mapped.transform_traces(product[1500:], steps[1500:].tolist())
    assert ece(product[1500:], labels[1500:]) > 0.25 > 0.06 > ece(after, labels[1500:])
    isotonic = fit_isotonic(product[:1500], labels[:1500])
    assert ece(isotonic.transform(product[1500:]), labels[1500:]) < 0.1


def test_equal_lengths_teach_nothing_of_length() -> None:
    found = fit_length_platt([0.2, 0.4, 0.6, 0.8], [3, 3, 3, 3], [0, 1, 0, 1])
    assert found.c == 0.0
    with pytest.raises(ScoreError, match="at least 1"):
        fit_length_platt([0.2, 0.8], [0, 3], [0, 1])
    with pytest.raises(LabelError, match="one class"):
        fit_length_platt([0.2, 0.8], [2, 3], [1, 1])
    with pytest.raises(ConfigError, match="finite"):
        LengthPlatt(a=math.nan, b=0, c=0)


def test_a_calibrated_trace_is_reduced_first_and_then_mapped() -> None:
    scorer = ScriptedScorer(scores={"a.": 0.9, "b.": 0.4})
    trace, problem = trace_of("a.", "b."), Problem(id="p", text="t")
    doubled = CalibratedTrace(scorer=scorer, calibrator=LengthPlatt(a=1, b=0, c=-1), how="min")
    found = asyncio.run(doubled.score_trace(problem, trace))
    assert found.value == pytest.approx(0.4 / 0.6 / 2 / (1 + 0.4 / 0.6 / 2))
    plain = CalibratedTrace(scorer=scorer, calibrator=Platt(a=1, b=0), how="min")
    assert asyncio.run(plain.score_trace(problem, trace)).value == pytest.approx(0.4)
    with pytest.raises(TraceError, match="no step"):
        asyncio.run(plain.score_trace(problem, trace_of()))


def test_problems_are_known_by_their_text_not_by_their_id() -> None:
    taught = Problem(id="a", text="what is 1 + 1 ?")
    same, other = Problem(id="b", text="what is 1 + 1 ?"), Problem(id="a", text="what is 1 + 2 ?")
    refuse_shared_problems([other], [problem_key(taught)])
    with pytest.raises(ConfigError, match="1 problems also taught the model; got \\['b'\\]"):
        refuse_shared_problems([other, same], [problem_key(taught)])


def test_folds_keep_problems_whole_and_are_even() -> None:
    problems = [k // 3 for k in range(30)]
    folds = problem_folds(problems, folds=5, seed=1)
    assert all(len({folds[k] for k in range(30) if problems[k] == p}) == 1 for p in range(10))
    assert sorted(map(folds.count, range(5))) == [6] * 5
    assert folds == problem_folds(problems, folds=5, seed=1) != problem_folds(problems, folds=5, seed=2)
    with pytest.raises(LabelError, match="two folds"):
        problem_folds([1, 1, 1], folds=2, seed=0)


def test_cross_fitting_maps_a_score_without_having_seen_its_problem() -> None:
    rng = np.random.default_rng(0)
    problems = np.repeat(np.arange(8), 25).tolist()
    scores, labels = rng.random(200), rng.random(200) < np.repeat(rng.random(8), 25)
    rows = LabelledScores.of(scores, labels, problems)
    fits = []

    def fit(part: LabelledScores):
        fits.append((set(part.problem_K), fit_isotonic(part.scores_K, part.good_K)))
        return fits[-1][1]

    out = cross_fitted(fit, rows, folds=4, seed=2)
    assert len(fits) == 4
    for problem in range(8):
        (blind,) = [found for seen, found in fits if problem not in seen]
        own = [k for k in range(200) if problems[k] == problem]
        assert out[own] == pytest.approx(blind.transform(scores[own]))
    assert brier(out, labels) > brier(rows.through(fit(rows)), labels), "a map flatters what it was fitted on"


def test_rows_of_unequal_length_are_refused() -> None:
    with pytest.raises(LabelError, match="as many problems"):
        LabelledScores.of([0.1, 0.2], [0, 1], ["p"])


def test_a_cache_does_not_mix_domains_that_are_calibrated_apart() -> None:
    inner = Calibrated(scorer=ScriptedScorer(default=0.5), calibrator=UPSIDE)
    trace = trace_of("a.")

    async def scores() -> list[tuple[float, ...]]:
        cached = CachedScorer(scorer=inner, origin=Origin(maker="scorer:test"))
        problems = [Problem(id="p", text="t", domain=domain) for domain in ("law", "maths", "law")]
        return [(await cached.score(problem, trace)).values for problem in problems]

    law, maths, again = asyncio.run(scores())
    assert law == again != maths
