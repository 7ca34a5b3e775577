"""Combinations as plain data: they travel beside a checkpoint, in a run folder, or in a file of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from stepward.codec import named_from_json, named_to_json
from stepward.combine.boosted_trees import BoostedTrees
from stepward.combine.learned_logistic import LearnedLogistic
from stepward.combine.linear import Linear
from stepward.combine.log_linear import LogLinear
from stepward.combine.rank_mean import RankMean
from stepward.combine.signals import Combination
from stepward.types import Json

COMBINATIONS: Mapping[str, type] = {
    "boosted_trees": BoostedTrees,
    "learned_logistic": LearnedLogistic,
    "linear": Linear,
    "log_linear": LogLinear,
    "rank_mean": RankMean,
}


def to_json(combination: Combination) -> dict[str, Json]:
    """A record that `from_json` reads back: the fields, and the name under "combination"."""
    return named_to_json("combination", COMBINATIONS, combination)


def from_json(record: Mapping[str, Json]) -> Combination:
    """The combination that `to_json` wrote; `ConfigError` or `DataError` for anything else."""
    return cast(Combination, named_from_json("combination", COMBINATIONS, record))
