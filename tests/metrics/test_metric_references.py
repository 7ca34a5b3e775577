"""Metrics against straightforward references that share no code with them, on random and on degenerate data."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, matthews_corrcoef, roc_auc_score

from stepward.errors import LabelError, ScoreError
from stepward.metrics.agreement import (
    Ratings,
    cohen_kappa,
    fleiss_kappa,
    gwet_ac1,
    krippendorff_alpha,
    weighted_kappa,
)
from stepward.metrics.calibration import (
    brier,
    brier_parts,
    ece,
    ece_equal_mass,
    equal_mass_bins,
    equal_width_bins,
    nll,
    noise_floor,
)
from stepward.metrics.confusion import Confusion
from stepward.metrics.first_error import decode_threshold, posterior_from_prefix, posterior_from_validity
from stepward.metrics.ranking import (
    auroc,
    average_precision,
    per_solution_auroc,
    per_solution_average_precision,
    pooled_average_precision,
    truncated_auroc,
    truncated_average_precision,
)

Row = tuple[list[float], list[int]]
NEAR = 1e-9


def samples() -> list[Row]:
    """Random rows with and without ties, a constant score, two items, scores at the ends, rare errors."""
    rng = np.random.default_rng(0)
    rows: list[Row] = [
        ([0.5] * 6, [1, 0, 1, 1, 0, 1]),
        ([0.2, 0.7], [0, 1]),
        ([0.7, 0.2], [0, 1]),
        ([0.0, 1.0, 0.0, 1.0], [0, 1, 1, 0]),
        ([0.0, 0.0, 1.0], [0, 1, 1]),
    ]
    for size, steps, share in ((40, 5, 0.5), (60, 1000, 0.9), (200, 15, 0.7), (33, 3, 0.1)):
        scores, good = (rng.integers(0, steps + 1, size) / steps).tolist(), (rng.random(size) < share).astype(int)
        good[:2] = (0, 1)
        rows.append((scores, good.tolist()))
    return rows


ROWS = samples()


def wins(scores: Sequence[float], good: Sequence[int]) -> float:
    """AUROC: each good item against each bad one."""
    up = [s for s, g in zip(scores, good, strict=True) if g]
    down = [s for s, g in zip(scores, good, strict=True) if not g]
    return sum((a > b) + (a == b) / 2 for a in up for b in down) / (len(up) * len(down))


def precision_by_thresholds(scores: Sequence[float], good: Sequence[int]) -> float:
    """AP of errors: flag everything at or below each score in turn."""
    errors, recall, total = good.count(0), 0.0, 0.0
    for threshold in sorted(set(scores)):
        flagged = [g for s, g in zip(scores, good, strict=True) if s <= threshold]
        total += (flagged.count(0) / errors - recall) * flagged.count(0) / len(flagged)
        recall = flagged.count(0) / errors
    return total


@pytest.mark.parametrize("row", ROWS)
def test_rankings_agree_with_pairs_thresholds_and_scikit_learn(row: Row) -> None:
    scores, good = row
    assert auroc(scores, good) == pytest.approx(wins(scores, good), abs=NEAR)
    assert auroc(scores, good) == pytest.approx(roc_auc_score(good, scores), abs=NEAR)
    assert average_precision(scores, good) == pytest.approx(precision_by_thresholds(scores, good), abs=NEAR)
    bad = [1 - g for g in good]
    assert average_precision(scores, good) == pytest.approx(
        average_precision_score(bad, [-s for s in scores]), abs=NEAR
    )


def test_views_of_solutions_agree_with_loops_over_them() -> None:
    rng = np.random.default_rng(1)
    scores = [rng.integers(0, 5, size).tolist() for size in (4, 6, 1, 5, 8)]
    good = [[1, 0, 1, 0], [1, 1, 0, 1, 0, 0], [1], [1] * 5, [0, 1] * 4]
    mixed = [(s, g) for s, g in zip(scores, good, strict=True) if len(set(g)) == 2]
    for ours, metric in ((per_solution_auroc, wins), (per_solution_average_precision, precision_by_thresholds)):
        found = ours(scores, good)
        assert found.value == pytest.approx(sum(metric(s, g) for s, g in mixed) / len(mixed), abs=NEAR)
        assert (found.defined, found.undefined) == (3, 2)
    cut = [(s[: g.index(0) + 1], g[: g.index(0) + 1]) if 0 in g else (s, g) for s, g in zip(scores, good, strict=True)]
    flat = [x for s, _ in cut for x in s], [x for _, g in cut for x in g]
    assert truncated_auroc(scores, good) == pytest.approx(wins(*flat), abs=NEAR)
    assert truncated_average_precision(scores, good) == pytest.approx(precision_by_thresholds(*flat), abs=NEAR)
    whole = [x for s in scores for x in s], [x for g in good for x in g]
    assert pooled_average_precision(scores, good) == pytest.approx(precision_by_thresholds(*whole), abs=NEAR)
    with pytest.raises(LabelError, match="average precision per solution"):
        per_solution_average_precision([[0.1]], [[1]])


def binned(scores: Sequence[float], good: Sequence[int], edges: Sequence[float]) -> list[list[tuple[float, int]]]:
    """Items of each bin (edge, next edge], the first holding its lower edge."""
    bins = []
    for low, high in itertools.pairwise(edges):
        first = low == edges[0]
        bins.append([(s, g) for s, g in zip(scores, good, strict=True) if low < s <= high or (first and s == low)])
    return [each for each in bins if each]


def gap_sum(bins: Sequence[Sequence[tuple[float, int]]]) -> float:
    total = sum(map(len, bins))
    return sum(abs(sum(s for s, _ in each) - sum(g for _, g in each)) for each in bins) / total


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("count", [1, 2, 15])
def test_calibration_errors_agree_with_loops_over_bins(row: Row, count: int) -> None:
    scores, good = row
    width = binned(scores, good, [k / count for k in range(count + 1)])
    assert ece(scores, good, bins=count) == pytest.approx(gap_sum(width), abs=NEAR)
    assert [b.count for b in equal_width_bins(scores, good, bins=count)] == [len(each) for each in width]
    ordered = sorted(scores)
    inner = {ordered[math.ceil(len(ordered) * k / count - 1e-12) - 1] for k in range(1, count)}
    mass = binned(scores, good, sorted({0.0, 1.0} | inner))
    assert ece_equal_mass(scores, good, bins=count) == pytest.approx(gap_sum(mass), abs=NEAR)
    assert [b.count for b in equal_mass_bins(scores, good, bins=count)] == [len(each) for each in mass]


@pytest.mark.parametrize("row", ROWS)
def test_brier_parts_and_likelihood_agree_with_loops(row: Row) -> None:
    scores, good = row
    total, rate = len(good), sum(good) / len(good)
    assert brier(scores, good) == pytest.approx(
        sum((s - g) ** 2 for s, g in zip(scores, good, strict=True)) / total, abs=NEAR
    )
    parts, reliability, resolution, within = brier_parts(scores, good, bins=10), 0.0, 0.0, 0.0
    for each in binned(scores, good, [k / 10 for k in range(11)]):
        score, own = sum(s for s, _ in each) / len(each), sum(g for _, g in each) / len(each)
        reliability += len(each) / total * (score - own) ** 2
        resolution += len(each) / total * (own - rate) ** 2
        # Stephenson et al.: variance of scores within the bin less twice their covariance with outcomes
        within += sum((s - score) ** 2 - 2 * (s - score) * (g - own) for s, g in each) / total
    found = (parts.reliability, parts.resolution, parts.uncertainty, parts.within)
    assert found == pytest.approx((reliability, resolution, rate * (1 - rate), within), abs=NEAR)
    likely = [math.log(max(s if g else 1 - s, 2.220446049250313e-16)) for s, g in zip(scores, good, strict=True)]
    assert nll(scores, good) == pytest.approx(-sum(likely) / total, abs=1e-6)


@pytest.mark.parametrize("metric", [auroc, average_precision, ece, ece_equal_mass, brier, nll])
def test_nothing_at_all_is_refused_by_name(metric: object) -> None:
    assert callable(metric)
    with pytest.raises(ScoreError, match="at least one number"):
        metric([], [])


def test_one_class_and_one_item_are_fine_for_calibration() -> None:
    assert ece([0.9], [1]) == pytest.approx(0.1)
    assert brier_parts([0.9, 0.9], [1, 1]).resolution == 0
    assert ece([1.0, 1.0], [1, 1]) == 0


def test_the_noise_floor_is_the_mean_ece_of_calibrated_scores() -> None:
    rng = np.random.default_rng(0)
    probs = rng.random(3000)
    drawn = [ece(probs, rng.random(3000) < probs) for _ in range(200)]
    floor = noise_floor(equal_width_bins(probs, rng.random(3000) < probs))
    assert floor == pytest.approx(float(np.mean(drawn)), rel=0.06)


def alpha_by_pairs(ratings: Ratings, level: str) -> float:
    """1 - D_o / D_e over all pairs of values, within units and overall (Krippendorff 2011)."""
    units = [[v for v in column if v is not None] for column in zip(*ratings, strict=True)]
    units = [values for values in units if len(values) > 1]
    every = [v for values in units for v in values]
    counts, order = Counter(every), sorted(set(every), key=str if level == "nominal" else float)

    def distance(a: object, b: object) -> float:
        if level == "nominal":
            return float(a != b)
        if level == "interval":
            return (float(str(a)) - float(str(b))) ** 2
        i, j = sorted((order.index(a), order.index(b)))  # type: ignore[arg-type]
        return (sum(counts[each] for each in order[i : j + 1]) - (counts[order[i]] + counts[order[j]]) / 2) ** 2

    observed = sum(sum(distance(a, b) for a, b in itertools.permutations(v, 2)) / (len(v) - 1) for v in units)
    expected = sum(distance(a, b) for a, b in itertools.permutations(every, 2)) / (len(every) - 1)
    return 1 - observed / expected


def ratings(seed: int, raters: int, units: int, missing: float) -> list[list[int | None]]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, units)
    rows = np.where(rng.random((raters, units)) < 0.6, truth, rng.integers(0, 4, (raters, units)))
    gone = rng.random((raters, units)) < missing
    return [[None if g else int(v) for v, g in zip(*pair, strict=True)] for pair in zip(rows, gone, strict=True)]


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
@pytest.mark.parametrize(("seed", "raters", "missing"), [(0, 2, 0.0), (1, 4, 0.3), (2, 3, 0.6), (3, 6, 0.1)])
def test_alpha_agrees_with_all_pairs_of_values(level: str, seed: int, raters: int, missing: float) -> None:
    table = ratings(seed, raters, 25, missing)
    assert krippendorff_alpha(table, level=level) == pytest.approx(alpha_by_pairs(table, level), abs=NEAR)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(3))
def test_kappas_agree_with_their_definitions(seed: int) -> None:
    first, second = [[v for v in row if v is not None] for row in ratings(seed, 2, 50, 0.0)]
    pairs = list(zip(first, second, strict=True))
    chance = sum(first.count(c) * second.count(c) for c in range(4)) / 50**2
    same = sum(a == b for a, b in pairs) / 50
    assert cohen_kappa(first, second) == pytest.approx((same - chance) / (1 - chance), abs=NEAR)
    for power in (1, 2, 0.5):
        observed = sum(abs(a - b) ** power for a, b in pairs) / 50
        expected = sum(abs(a - b) ** power for a in first for b in second) / 50**2
        ours = weighted_kappa(first, second, [0, 1, 2, 3], power=power)
        assert ours == pytest.approx(1 - observed / expected, abs=NEAR)


def agreeing(values: Sequence[object]) -> float:
    """Share of the pairs of ratings of one unit that agree."""
    pairs = list(itertools.combinations(values, 2))
    return sum(a == b for a, b in pairs) / len(pairs)


@pytest.mark.parametrize(("seed", "raters", "missing"), [(0, 2, 0.0), (1, 3, 0.0), (2, 4, 0.4)])
def test_ac1_agrees_with_its_definition(seed: int, raters: int, missing: float) -> None:
    table = ratings(seed, raters, 30, missing)
    units = [[v for v in column if v is not None] for column in zip(*table, strict=True)]
    twice, some = [u for u in units if len(u) > 1], [u for u in units if u]
    shares = [sum(u.count(c) / len(u) for u in some) / len(some) for c in range(4)]
    chance = sum(p * (1 - p) for p in shares) / 3
    observed = sum(map(agreeing, twice)) / len(twice)
    assert gwet_ac1(table) == pytest.approx((observed - chance) / (1 - chance), abs=NEAR)


@pytest.mark.parametrize(("seed", "raters"), [(0, 2), (1, 3), (2, 7)])
def test_fleiss_kappa_agrees_with_its_definition(seed: int, raters: int) -> None:
    table = ratings(seed, raters, 30, 0.0)
    units = list(zip(*table, strict=True))
    every = Counter(v for unit in units for v in unit)
    chance = sum((n / (30 * raters)) ** 2 for n in every.values())
    observed = sum(map(agreeing, units)) / 30
    assert fleiss_kappa(table) == pytest.approx((observed - chance) / (1 - chance), abs=NEAR)


def test_fleiss_gives_his_own_number() -> None:
    """Fleiss (1971) as it is usually retold: fourteen raters, ten subjects, five categories, kappa 0.210."""
    counts = [
        (0, 0, 0, 0, 14), (0, 2, 6, 4, 2), (0, 0, 3, 5, 6), (0, 3, 9, 2, 0), (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0), (3, 2, 6, 3, 0), (2, 5, 3, 2, 2), (6, 5, 2, 1, 0), (0, 2, 2, 3, 7),
    ]  # fmt: skip
    units = [[c for c, n in enumerate(row) for _ in range(n)] for row in counts]
    assert fleiss_kappa(list(zip(*units, strict=True))) == pytest.approx(0.210, abs=1e-3)


def test_fleiss_needs_as_many_ratings_of_each_unit_and_two_categories() -> None:
    with pytest.raises(LabelError, match="as many ratings"):
        fleiss_kappa([[1, 2], [1, None]])
    with pytest.raises(LabelError, match="as many ratings"):
        fleiss_kappa([[1, 2]])
    with pytest.raises(LabelError, match="undefined"):
        fleiss_kappa([[1, 1], [1, 1]])


@pytest.mark.parametrize("seed", range(3))
def test_confusion_numbers_agree_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    said, true = rng.random(50) < 0.7, rng.random(50) < 0.8
    assert Confusion.of(said, true).mcc == pytest.approx(matthews_corrcoef(true, said), abs=NEAR)


@pytest.mark.parametrize("values", [[0.9, 0.8, 0.3, 0.6], [1.0, 1.0], [0.0, 0.5], [0.5], [0.2, 1.0, 0.0, 0.7]])
def test_posteriors_agree_with_all_ways_that_steps_can_be_right(values: list[float]) -> None:
    """Enumerate right and wrong of every step as independent events; the first wrong one is the first error."""
    chances: Counter[int | None] = Counter()
    for world in itertools.product((True, False), repeat=len(values)):
        chance = math.prod(p if right else 1 - p for p, right in zip(values, world, strict=True))
        chances[world.index(False) if False in world else None] += chance  # type: ignore[assignment]
    found = posterior_from_validity(values)
    expected = tuple(float(chances[at]) for at in range(len(values)))
    assert found.at == pytest.approx(expected, abs=NEAR)
    assert found.none == pytest.approx(float(chances[None]), abs=NEAR)
    prefix = np.cumprod(values)
    assert posterior_from_prefix(prefix).at == pytest.approx(expected, abs=NEAR)
    assert decode_threshold(values, 0.5) == next((i for i, p in enumerate(values) if p < 0.5), None)
