"""How far raters agree beyond chance.

Rows are raters, columns units (`ratings_RU`); None is a missing rating. All are (observed - chance) / (1 - chance):
    Cohen kappa         two raters; chance from each rater's own marginals
    weighted kappa      the same on ordered categories: disagreement weighs (|i - j| / (C - 1))^power
    Krippendorff alpha  any raters, missing ratings allowed: 1 - D_o / D_e over the coincidence matrix, with nominal,
                        ordinal or interval distance (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability")
    Fleiss kappa        any raters, equally many ratings for each unit; chance = sum_c share_c^2 over all ratings
    Gwet AC1            chance = sum_c pi_c (1 - pi_c) / (C - 1): steady where one category is rare, where kappa is not

Degenerate case: where all ratings are one category there is no chance disagreement to measure against; each raises
`LabelError` rather than naming it 0 or 1. Give `categories` to AC1 to have it defined there as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from stepward.errors import ConfigError, LabelError
from stepward.metrics.checks import Floats, same_count

Rating: TypeAlias = str | int | float | bool
Ratings: TypeAlias = Sequence[Sequence[Rating | None]]
Level = Literal["nominal", "ordinal", "interval"]


def cohen_kappa(first_U: Sequence[Rating], second_U: Sequence[Rating]) -> float:
    """Agreement of two raters on unordered categories."""
    categories = list(dict.fromkeys([*first_U, *second_U]))
    table_CC = _table(first_U, second_U, categories)
    return _beyond_chance(table_CC, 1.0 - np.eye(len(categories)))


def weighted_kappa(
    first_U: Sequence[Rating], second_U: Sequence[Rating], categories: Sequence[Rating], *, power: float = 2.0
) -> float:
    """Agreement of two raters on `categories` given in order; `power` 1 is linear, 2 quadratic."""
    if len(categories) < 2 or len(set(categories)) < len(categories) or power <= 0:
        raise ConfigError(
            "weighted kappa needs two categories, each once, and power > 0", got=(list(categories), power)
        )
    place = np.arange(len(categories))
    distance_CC = (np.abs(place[:, None] - place[None, :]) / (len(categories) - 1)) ** power
    return _beyond_chance(_table(first_U, second_U, categories), distance_CC)


def krippendorff_alpha(ratings_RU: Ratings, *, level: Level = "nominal") -> float:
    """Agreement of any number of raters. Units with fewer than two ratings say nothing and are not counted."""
    counts_UC, categories = _counts(ratings_RU, level)
    counts_UC = counts_UC[counts_UC.sum(axis=1) >= 2]
    if len(counts_UC) == 0:
        raise LabelError("alpha is undefined: no unit has two ratings")
    rated_U = counts_UC.sum(axis=1)
    pairs_CC = (counts_UC / (rated_U - 1)[:, None]).T @ counts_UC
    coincidence_CC = pairs_CC - np.diag((counts_UC / (rated_U - 1)[:, None]).sum(axis=0))
    total_C = coincidence_CC.sum(axis=0)
    distance_CC = _distance(total_C, categories, level)
    expected = (np.outer(total_C, total_C) * distance_CC).sum() / (total_C.sum() - 1)
    if expected == 0:
        raise LabelError("alpha is undefined: all ratings are one category")
    return float(1.0 - (coincidence_CC * distance_CC).sum() / expected)


def fleiss_kappa(ratings_RU: Ratings) -> float:
    """Agreement of raters who need not be the same for each unit. `LabelError` where units differ in their ratings."""
    counts_UC, _ = _counts(ratings_RU, "nominal")
    rated_U = counts_UC.sum(axis=1)
    sizes = sorted(set(rated_U.astype(int).tolist()))
    if len(sizes) != 1 or sizes[0] < 2:
        raise LabelError(
            "Fleiss kappa needs as many ratings of every unit, two or more", got=sizes, mend="take alpha or AC1"
        )
    observed = ((counts_UC**2).sum(axis=1) - rated_U).sum() / (rated_U * (rated_U - 1)).sum()
    chance = float(((counts_UC.sum(axis=0) / counts_UC.sum()) ** 2).sum())
    if chance == 1:
        raise LabelError("kappa is undefined: all ratings are one category")
    return float((observed - chance) / (1 - chance))


def gwet_ac1(ratings_RU: Ratings, *, categories: Sequence[Rating] = ()) -> float:
    """AC1 of any number of raters; `categories` names those that nobody used."""
    counts_UC, seen = _counts(ratings_RU, "nominal")
    used = len({*seen, *categories})
    rated_U = counts_UC.sum(axis=1)
    twice_UC, twice_U = counts_UC[rated_U >= 2], rated_U[rated_U >= 2]
    if used < 2 or len(twice_UC) == 0:
        raise LabelError("AC1 is undefined without two categories and a unit with two ratings", got=seen)
    observed = ((twice_UC * (twice_UC - 1)).sum(axis=1) / (twice_U * (twice_U - 1))).mean()
    share_C = (counts_UC[rated_U >= 1] / rated_U[rated_U >= 1, None]).mean(axis=0)
    chance = (share_C * (1 - share_C)).sum() / (used - 1)
    return float((observed - chance) / (1 - chance))


def _beyond_chance(table_CC: Floats, distance_CC: Floats) -> float:
    """1 - observed / expected disagreement."""
    share_CC = table_CC / table_CC.sum()
    expected = (np.outer(share_CC.sum(axis=1), share_CC.sum(axis=0)) * distance_CC).sum()
    if expected == 0:
        raise LabelError("kappa is undefined: both raters used one and the same category only")
    return float(1.0 - (share_CC * distance_CC).sum() / expected)


def _table(first_U: Sequence[Rating], second_U: Sequence[Rating], categories: Sequence[Rating]) -> Floats:
    same_count(first_U, second_U, "ratings of both raters")
    if not first_U:
        raise LabelError("agreement is undefined without a unit")
    _refuse_nan([*first_U, *second_U])
    place = {category: index for index, category in enumerate(categories)}
    unknown = {*first_U, *second_U} - place.keys()
    if unknown:
        raise LabelError("a rating is none of the categories", got=sorted(map(str, unknown)))
    table = np.zeros((len(categories), len(categories)))
    for a, b in zip(first_U, second_U, strict=True):
        table[place[a], place[b]] += 1
    return table


def _counts(ratings_RU: Ratings, level: Level) -> tuple[Floats, list[Rating]]:
    """How often each unit got each category [U, C], and the categories, in order unless nominal."""
    units = {len(row) for row in ratings_RU}
    if len(units) != 1:
        raise LabelError("every rater needs one rating or None per unit", got=sorted(units))
    seen = list(dict.fromkeys(rating for row in ratings_RU for rating in row if rating is not None))
    _refuse_nan(seen)
    if level != "nominal":
        if not all(isinstance(rating, int | float) and np.isfinite(rating) for rating in seen):
            raise LabelError(f"{level} agreement needs finite numbers", got=seen)
        seen.sort(key=float)
    place = {category: index for index, category in enumerate(seen)}
    counts = np.zeros((units.pop(), len(seen)))
    for row in ratings_RU:
        for unit, rating in enumerate(row):
            if rating is not None:
                counts[unit, place[rating]] += 1
    return counts, seen


def _refuse_nan(ratings: Sequence[Rating]) -> None:
    """NaN differs from itself, so each would be a category of its own."""
    if any(rating != rating for rating in ratings):
        raise LabelError("a rating is NaN", mend="give None for a missing one")


def _distance(total_C: Floats, categories: Sequence[Rating], level: Level) -> Floats:
    """Squared distance of each two categories."""
    if level == "nominal":
        return 1.0 - np.eye(len(categories))
    if level == "interval":
        values = np.array([float(category) for category in categories])
        return np.asarray((values[:, None] - values[None, :]) ** 2)
    middle_C = np.cumsum(total_C) - total_C / 2
    return np.asarray((middle_C[:, None] - middle_C[None, :]) ** 2)
