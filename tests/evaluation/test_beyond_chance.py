"""Agreement beyond chance over problems, against `metrics.agreement`, scikit-learn and counts by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from stepward.errors import LabelError
from stepward.evaluation.beyond_chance import PairDraws, Rated
from stepward.metrics.agreement import cohen_kappa, gwet_ac1, krippendorff_alpha, weighted_kappa


def units(pairs: list[tuple[float, float]], *, each: int = 3) -> list[Rated]:
    return [Rated(f"p{at // each}", a, b) for at, (a, b) in enumerate(pairs)]


def drawn(seed: int, values: int, count: int = 60) -> list[tuple[float, float]]:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, values, count)
    second = np.where(rng.random(count) < 0.6, first, rng.integers(0, values, count))
    return [(float(a), float(b)) for a, b in zip(first, second, strict=True)]


@pytest.mark.parametrize(("seed", "values"), [(0, 2), (1, 3), (2, 5), (3, 9)])
def test_every_measure_is_that_of_single_samples(seed: int, values: int) -> None:
    pairs = drawn(seed, values)
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    found = PairDraws.of(units(pairs), seed=0)
    ordered = sorted({*first, *second})
    expected = {
        "kappa": cohen_kappa_score(first, second),
        "ac1": gwet_ac1([first, second]),
        "nominal_alpha": krippendorff_alpha([first, second]),
        "ordinal_alpha": krippendorff_alpha([first, second], level="ordinal"),
        "interval_alpha": krippendorff_alpha([first, second], level="interval"),
        "weighted_kappa": cohen_kappa_score(first, second, weights="quadratic"),
    }
    assert weighted_kappa(first, second, ordered) == pytest.approx(expected["weighted_kappa"])
    for name, value in expected.items():
        interval = getattr(found, name)()
        assert interval.value == pytest.approx(value, abs=1e-9), name
        assert -1 <= interval.low < value < interval.high <= 1, name


def test_values_that_are_no_numbers_have_the_nominal_measures_alone() -> None:
    rated = [Rated("p", "none", 1), Rated("q", 1, 1), Rated("r", "none", "none"), Rated("s", 2, "none")]
    found = PairDraws.of(rated, seed=0)
    assert found.kappa().value == pytest.approx(cohen_kappa(["n", 1, "n", 2], [1, 1, "n", "n"]))
    for measure in (found.weighted_kappa, found.ordinal_alpha, found.interval_alpha):
        with pytest.raises(LabelError, match="finite numbers"):
            measure()


def test_one_value_alone_has_no_measure_and_nothing_no_draws() -> None:
    found = PairDraws.of(units([(1.0, 1.0)] * 6), seed=0)
    for name in ("kappa", "ac1", "nominal_alpha", "ordinal_alpha", "interval_alpha", "weighted_kappa"):
        assert math.isnan(getattr(found, name)().value), name
    with pytest.raises(LabelError, match="without a unit"):
        PairDraws.of([], seed=0)


def test_ac1_stays_where_kappa_falls_because_errors_are_rare() -> None:
    """94 of 100 agreed, both name 3 errors, no one of them together."""
    pairs = [(1.0, 1.0)] * 94 + [(0.0, 1.0)] * 3 + [(1.0, 0.0)] * 3
    found = PairDraws.of(units(pairs, each=2), seed=0)
    assert found.kappa().value == pytest.approx(-0.03092783505154639)
    assert found.ac1().value == pytest.approx((0.94 - 2 * 0.03 * 0.97) / (1 - 2 * 0.03 * 0.97))


def test_problems_are_drawn_and_not_units() -> None:
    pairs = drawn(4, 3, 90)
    alike = [Rated(f"p{at}", a, b) for at, (a, b) in enumerate(pairs) for _ in range(4)]
    apart = [Rated(f"p{at}/{copy}", a, b) for at, (a, b) in enumerate(pairs) for copy in range(4)]
    wide, narrow = PairDraws.of(alike, seed=0).kappa(), PairDraws.of(apart, seed=0).kappa()
    assert wide.value == pytest.approx(narrow.value)
    assert wide.high - wide.low > 1.7 * (narrow.high - narrow.low), "four copies say no more than one"
