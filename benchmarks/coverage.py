"""How often a nominal 95 % interval holds the truth, for every kind that the package publishes.

Worlds with a known truth are drawn again and again: problems share a shift or a chance of their own, so their steps are
alike. Ours stands beside the rival that papers use on the same draws: plain bootstrap percentiles, or value -+ 1.96
standard errors. The Monte-Carlo error of a coverage of 95 % is sqrt(.95 x .05 / worlds).

    nice -n 19 python benchmarks/coverage.py                        all, 1,000 worlds: some minutes
    nice -n 19 python benchmarks/coverage.py --kind auroc --worlds 500
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.special import ndtr
from sklearn.metrics import average_precision_score

from stepward.metrics.bootstrap import (
    ClusteredSteps,
    Interval,
    auroc_draws,
    bootstrap_mean,
    bootstrap_ratio,
    bootstrap_share,
    bounded_interval,
    interval,
    rarer_problems,
    resamples,
    wilson,
)
from stepward.metrics.calibration import ece
from stepward.metrics.checks import Floats
from stepward.metrics.delta import Measured, Share, f1, harmonic
from stepward.metrics.step_intervals import average_precision_draws, bootstrap_brier, bootstrap_ece

PROBLEMS, DRAWS, STEPS = (10, 20, 50, 200), 400, 6
MANY = 200_000
"""Problems of the one great sample that a truth without a formula is taken from."""
Rng = np.random.Generator
Pair = tuple[Interval, Interval]
"""Ours and the rival's."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of interval in one world: `look(rng, problems)` draws a world and gives both intervals."""

    name: str
    truth: float
    look: Callable[[Rng, int], Pair]


def clustered(scores_PS: Floats, good_PS: Floats) -> ClusteredSteps:
    problems, steps = scores_PS.shape
    ids = np.repeat(np.arange(problems), steps).tolist()
    return ClusteredSteps(scores_S=scores_PS.ravel(), good_S=good_PS.ravel(), problem_S=ids)


def ranked(rng: Rng, problems: int, gap: float, wrong: float) -> ClusteredSteps:
    """Scores N(gap x good + u, 1), u ~ N(0, 1/4) for each problem; both classes present."""
    good_PS = rng.random((problems, STEPS)) >= wrong
    good_PS[0, 0], good_PS[-1, -1] = True, False
    return clustered(rng.normal(gap * good_PS + rng.normal(0, 0.5, (problems, 1))), good_PS)


def believed(rng: Rng, problems: int, sharpness: float) -> ClusteredSteps:
    """Steps right with chance sigmoid(l), believed to be right with sigmoid(sharpness l); l shares a shift."""
    logit_PS = rng.normal(1, 1, (problems, STEPS)) + rng.normal(0, 0.7, (problems, 1))
    good_PS = rng.random((problems, STEPS)) < 1 / (1 + np.exp(-logit_PS))
    return clustered(1 / (1 + np.exp(-sharpness * logit_PS)), good_PS)


def auroc(rng: Rng, problems: int, gap: float, wrong: float) -> Pair:
    steps = ranked(rng, problems, gap, wrong)
    values = auroc_draws(steps, draws=DRAWS, seed=int(rng.integers(2**31)))
    return bounded_interval(values[0], values[1:], problems=rarer_problems(steps)), interval(values[0], values[1:])


def auroc_difference(rng: Rng, problems: int) -> Pair:
    good_PS = rng.random((problems, STEPS)) < 0.7
    good_PS[0, 0], good_PS[-1, -1] = True, False
    shared_PS = rng.normal(0, 0.5, (problems, 1)) + rng.normal(0, 0.7, good_PS.shape)
    one, two = (clustered(rng.normal(gap * good_PS + shared_PS, 0.7), good_PS) for gap in (1.5, 1.0))
    seed = int(rng.integers(2**31))
    values = auroc_draws(one, draws=DRAWS, seed=seed) - auroc_draws(two, draws=DRAWS, seed=seed)
    return interval(values[0], values[1:], problems=rarer_problems(one)), interval(values[0], values[1:])


def precision(rng: Rng, problems: int, gap: float, wrong: float) -> Pair:
    steps = ranked(rng, problems, gap, wrong)
    values = average_precision_draws(steps, draws=DRAWS, seed=int(rng.integers(2**31)))
    return bounded_interval(values[0], values[1:], problems=rarer_problems(steps)), interval(values[0], values[1:])


def share(rng: Rng, problems: int, a: float, b: float) -> Pair:
    """1 + Poisson(3) traces of each problem, each right with the problem's chance ~ Beta(a, b)."""
    sizes_P = 1 + rng.poisson(3, problems)
    hits_P = rng.binomial(sizes_P, rng.beta(a, b, problems))
    return _ratio(bootstrap_share, hits_P, sizes_P, int(rng.integers(2**31)))


def lone_share(rng: Rng, problems: int, chance: float) -> Pair:
    """One trace of each problem."""
    return _ratio(bootstrap_share, rng.random(problems) < chance, np.ones(problems), int(rng.integers(2**31)))


def ratio(rng: Rng, problems: int) -> Pair:
    """Tokens per trace: 8 traces a problem, normal about the problem's own normal mean."""
    sums_P = 8 * rng.normal(100, 20, problems) + rng.normal(0, 30 * math.sqrt(8), problems)
    return _ratio(bootstrap_ratio, sums_P, np.full(problems, 8), int(rng.integers(2**31)))


def costs(rng: Rng, problems: int) -> Pair:
    """Cost of one trace a problem, log-normal: a few problems hold much of the sum."""
    sums_P = rng.lognormal(0, 0.8, problems)
    return _ratio(bootstrap_ratio, sums_P, np.ones(problems), int(rng.integers(2**31)))


def _ratio(make: Callable[..., Interval], sums_P: Floats, sizes_P: Floats, seed: int) -> Pair:
    times_DP = resamples(len(sizes_P), DRAWS, seed)
    value = float(np.sum(sums_P) / np.sum(sizes_P))
    return make(sums_P, sizes_P, draws=DRAWS, seed=seed), interval(value, (times_DP @ sums_P) / (times_DP @ sizes_P))


def difference(rng: Rng, problems: int, first: float, second: float) -> Pair:
    """Accuracy of two systems on 4 traces a problem, chances sharing the problem's difficulty."""
    shift_P = rng.normal(0, 1, problems)
    right = [rng.binomial(4, ndtr(centre * math.sqrt(2) + shift_P)) / 4 for centre in (first, second)]
    gain_P, seed = right[0] - right[1], int(rng.integers(2**31))
    plain = interval(gain_P.mean(), resamples(problems, DRAWS, seed) @ gain_P / problems)
    return bootstrap_mean(gain_P, draws=DRAWS, seed=seed), plain


def brier(rng: Rng, problems: int, sharpness: float) -> Pair:
    steps, seed = believed(rng, problems, sharpness), int(rng.integers(2**31))
    squares_P = ((np.asarray(steps.scores_S) - steps.good_S) ** 2).reshape(problems, STEPS).mean(axis=1)
    plain = interval(squares_P.mean(), resamples(problems, DRAWS, seed) @ squares_P / problems)
    return bootstrap_brier(steps, draws=DRAWS, seed=seed), plain


def calibration(rng: Rng, problems: int, sharpness: float) -> Pair:
    steps, seed = believed(rng, problems, sharpness), int(rng.integers(2**31))
    scores_S, good_S = np.asarray(steps.scores_S), np.asarray(steps.good_S)
    gaps_PB = np.zeros((problems, 15))
    bin_S = np.clip(np.ceil(scores_S * 15).astype(int) - 1, 0, 14)
    np.add.at(gaps_PB, (np.asarray(steps.problem_S), bin_S), scores_S - good_S)
    plain = np.abs(resamples(problems, DRAWS, seed) @ gaps_PB).sum(axis=1) / len(scores_S)
    return bootstrap_ece(steps, draws=DRAWS, seed=seed), interval(ece(scores_S, good_S), plain)


def kappa(rng: Rng, problems: int) -> Pair:
    """Cohen's kappa of two raters on 4 units a problem; the second errs at a rate of the problem's own."""
    first_PU = rng.normal(rng.normal(0, 0.6, (problems, 1)), 1, (problems, 4)) > -0.6
    wrong_PU = rng.random((problems, 4)) < 0.15 * np.exp(rng.normal(0, 0.5, (problems, 1)))
    second_PU = np.where(wrong_PU, rng.random((problems, 4)) < 0.5, first_PU)
    second_PU[0, 0], first_PU[-1, -1] = False, True
    parts_PC = np.stack([(first_PU == second_PU).mean(1), first_PU.mean(1), second_PU.mean(1)], axis=1)
    times_DP = np.vstack([np.ones(problems), resamples(problems, DRAWS, int(rng.integers(2**31)))])
    same_D, one_D, two_D = (times_DP @ parts_PC / problems).T
    chance_D = one_D * two_D + (1 - one_D) * (1 - two_D)
    values_D = np.divide(same_D - chance_D, 1 - chance_D, out=np.full(len(same_D), np.nan), where=chance_D < 1)
    ours = bounded_interval(values_D[0], values_D[1:], problems=problems, span=(-1.0, 1.0))
    return ours, interval(values_D[0], values_D[1:])


def one_share(rng: Rng, items: int, chance: float) -> Pair:
    right = int(rng.binomial(items, chance))
    return wilson(right, items), _wald(Share(value=right / items, trials=items))


def process_bench(rng: Rng, items: int, a: float, b: float) -> Pair:
    """F1 of `items` with and as many without an error."""
    found = harmonic(*(Share(value=rng.binomial(items, p) / items, trials=items) for p in (a, b)))
    return found.interval(), _normal(found)


def step_f1(rng: Rng, problems: int) -> Pair:
    """F1 of called errors: 30 % wrong steps, chances of a hit and of a false call differ by problem."""
    wrong_P = rng.binomial(STEPS, 0.3, problems)
    hit_P = rng.binomial(wrong_P, rng.beta(6, 2, problems))
    false_P = rng.binomial(STEPS - wrong_P, rng.beta(1, 9, problems))
    hit_P[0], wrong_P[0] = max(hit_P[0], 1), max(wrong_P[0], 1)
    found = f1(hit_P, wrong_P - hit_P + false_P)
    return found.interval(), _normal(found)


def _wald(found: Share) -> Interval:
    return _normal(Measured(value=found.value, se=math.sqrt(found.variance), units=found.trials))


def _normal(found: Measured) -> Interval:
    return Interval(value=found.value, low=found.value - 1.96 * found.se, high=found.value + 1.96 * found.se)


def kinds() -> Iterator[Kind]:
    """Every kind with its truth, by formula or from one great sample."""
    rng = np.random.default_rng(7)
    for gap in (1.0, 2.5):
        for wrong in (0.3, 0.1):
            truth = float(ndtr(gap / math.sqrt(2.5)))
            yield Kind(name=f"AUROC, {wrong:.0%} wrong", truth=truth, look=partial(auroc, gap=gap, wrong=wrong))
    apart = ndtr(1.5 / math.sqrt(2.46)) - ndtr(1 / math.sqrt(2.46))
    yield Kind(name="AUROC difference, paired", truth=float(apart), look=auroc_difference)
    for gap in (1.0, 2.5):
        great = ranked(rng, MANY, gap, 0.3)
        truth = float(average_precision_score(~np.asarray(great.good_S), -np.asarray(great.scores_S)))
        yield Kind(name="average precision", truth=truth, look=partial(precision, gap=gap, wrong=0.3))
    for a, b in ((2, 2), (5, 1), (9, 1)):
        yield Kind(name="share of traces", truth=a / (a + b), look=partial(share, a=a, b=b))
    for chance in (0.7, 0.9):
        yield Kind(name="share, one trace a problem", truth=chance, look=partial(lone_share, chance=chance))
    yield Kind(name="ratio (tokens per trace)", truth=100.0, look=ratio)
    yield Kind(name="ratio, log-normal cost", truth=math.exp(0.32), look=costs)
    for first, second in ((0.5, 0.2), (1.2, 1.0)):
        truth = float(ndtr(first) - ndtr(second))
        yield Kind(
            name="accuracy difference, paired", truth=truth, look=partial(difference, first=first, second=second)
        )
    for sharpness in (1.0, 3.0):
        great = believed(rng, MANY, sharpness)
        truth = float(np.mean((np.asarray(great.scores_S) - great.good_S) ** 2))
        yield Kind(name="Brier score", truth=truth, look=partial(brier, sharpness=sharpness))
    for sharpness in (1.0, 1.5, 3.0):
        great = believed(rng, MANY, sharpness)
        truth = ece(great.scores_S, great.good_S) if sharpness > 1 else 0.0
        yield Kind(name="ECE, 15 bins", truth=truth, look=partial(calibration, sharpness=sharpness))
    truth = np.mean([kappa(rng, 20_000)[0].value for _ in range(5)])
    yield Kind(name="kappa", truth=float(truth), look=kappa)
    for chance in (0.5, 0.7, 0.9):
        yield Kind(name="Wilson, independent items", truth=chance, look=partial(one_share, chance=chance))
    for a, b in ((0.7, 0.85), (0.3, 0.95)):
        yield Kind(name="ProcessBench F1, delta", truth=2 * a * b / (a + b), look=partial(process_bench, a=a, b=b))
    # expected counts: TP = .3 x .75, FP = .7 x .1, FN = .3 x .25 of the steps
    yield Kind(name="step F1, delta over problems", truth=0.45 / (0.45 + 0.07 + 0.075), look=step_f1)


def covers(found: Interval, truth: float) -> bool:
    return found.low - 1e-9 <= truth <= found.high + 1e-9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", default="", help="only kinds whose name holds this, whatever the case")
    parser.add_argument("--worlds", type=int, default=1000)
    chosen = parser.parse_args()
    error = math.sqrt(0.95 * 0.05 / chosen.worlds)
    print(f"{chosen.worlds} worlds, {DRAWS} draws; Monte-Carlo error of a coverage of 95 %: {error:.1%}")
    print(f"{'kind':30} {'truth':>7}  " + "".join(f"{f'{p} problems':>16}" for p in PROBLEMS) + "   ours / rival, %")
    for kind in kinds():
        if chosen.kind.lower() in kind.name.lower():
            cells = []
            for problems in PROBLEMS:
                rng = np.random.default_rng([problems, len(kind.name)])
                found = [kind.look(rng, problems) for _ in range(chosen.worlds)]
                ours, rival = (np.mean([covers(pair[side], kind.truth) for pair in found]) for side in (0, 1))
                cells.append(f"{100 * ours:9.1f} /{100 * rival:5.1f}")
            print(f"{kind.name:30} {kind.truth:7.3f}  " + "".join(cells), flush=True)


if __name__ == "__main__":
    main()
