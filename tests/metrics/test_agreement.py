import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from stepward.errors import ConfigError, LabelError
from stepward.metrics.agreement import cohen_kappa, fleiss_kappa, gwet_ac1, krippendorff_alpha, weighted_kappa

# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", section E: four observers, twelve units.
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def test_golden_kappa() -> None:
    pairs = [("y", "y")] * 65 + [("n", "n")] * 20 + [("y", "n")] * 10 + [("n", "y")] * 5
    assert cohen_kappa([a for a, _ in pairs], [b for _, b in pairs]) == pytest.approx(0.625)


@pytest.mark.parametrize(("power", "name"), [(None, None), (1.0, "linear"), (2.0, "quadratic")])
def test_kappas_agree_with_scikit_learn(power: float | None, name: str | None) -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(-1, 2, 200).tolist()
    second = [a if rng.random() < 0.6 else int(rng.integers(-1, 2)) for a in first]
    ours = cohen_kappa(first, second) if power is None else weighted_kappa(first, second, [-1, 0, 1], power=power)
    assert ours == pytest.approx(cohen_kappa_score(first, second, weights=name, labels=[-1, 0, 1]), abs=1e-12)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_gives_krippendorffs_own_numbers(level: str, alpha: float) -> None:
    assert krippendorff_alpha(KRIPPENDORFF, level=level) == pytest.approx(alpha, abs=1e-3)  # type: ignore[arg-type]


def test_alpha_ignores_units_that_one_rater_rated() -> None:
    alone = [[*row, 9 if index == 0 else None] for index, row in enumerate(KRIPPENDORFF)]
    assert krippendorff_alpha(alone) == pytest.approx(krippendorff_alpha(KRIPPENDORFF))


def test_ac1_of_two_raters_matches_its_formula_where_kappa_collapses() -> None:
    first, second = [1] * 95 + [1] * 3 + [0] * 2, [1] * 95 + [0] * 3 + [1] * 2
    share = (98 + 97) / 200
    chance = 2 * share * (1 - share)
    assert gwet_ac1([first, second]) == pytest.approx((0.95 - chance) / (1 - chance))
    assert cohen_kappa(first, second) < 0


def test_ac1_takes_missing_ratings_and_unused_categories() -> None:
    # unit 1: 2 of 3 agree (pairs 1/3); unit 2: both; unit 3 has one rating and adds to the shares alone
    ratings = [[1, 0, 1], [1, 0, None], [0, None, None]]
    observed, share = (1 / 3 + 1) / 2, (2 / 3 + 0 + 1) / 3
    chance = 2 * share * (1 - share)
    assert gwet_ac1(ratings) == pytest.approx((observed - chance) / (1 - chance))
    assert gwet_ac1([[1, 1], [1, 1]], categories=[0, 1]) == 1.0


def test_one_category_alone_is_undefined() -> None:
    for metric in (krippendorff_alpha, gwet_ac1):
        with pytest.raises(LabelError, match="undefined"):
            metric([[1, 1], [1, 1]])
    with pytest.raises(LabelError, match="undefined"):
        cohen_kappa([1, 1], [1, 1])


def test_a_rating_that_is_nan_is_no_category() -> None:
    nan = float("nan")
    for metric in (krippendorff_alpha, gwet_ac1, fleiss_kappa):
        with pytest.raises(LabelError, match="a rating is NaN; give None"):
            metric([[1, nan, 0], [1, 0, 0]])
    with pytest.raises(LabelError, match="a rating is NaN"):
        cohen_kappa([1, nan], [1, 0])


def test_ill_shaped_ratings_are_refused() -> None:
    with pytest.raises(LabelError, match="one rating or None"):
        krippendorff_alpha([[1, 2], [1]])
    with pytest.raises(LabelError, match="no unit has two"):
        krippendorff_alpha([[1, None], [None, 2]])
    with pytest.raises(LabelError, match="finite numbers"):
        krippendorff_alpha([["a", "b"], ["a", "b"]], level="ordinal")
    with pytest.raises(LabelError, match="must be as many"):
        cohen_kappa([1], [])
    with pytest.raises(LabelError, match="none of the categories"):
        weighted_kappa([1, 5], [1, 1], [0, 1])
    for categories in ([1], [1, 1, 2]):
        with pytest.raises(ConfigError, match="two categories, each once"):
            weighted_kappa([1], [1], categories)
