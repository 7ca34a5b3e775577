"""Combinations as plain data: they travel beside a checkpoint, in a run folder, or in a file of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from stepward.codec import from_json as read_record
from stepward.codec import to_json as write_record
from stepward.combine.boosted_trees import BoostedTrees
from stepward.combine.learned_logistic import LearnedLogistic
from stepward.combine.linear import Linear
from stepward.combine.log_linear import LogLinear
from stepward.combine.rank_mean import RankMean
from stepward.combine.signals import Combination
from stepward.errors import ConfigError
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
    name = next((name for name, kind in COMBINATIONS.items() if kind is type(combination)), None)
    if name is None:
        raise ConfigError("only the combinations of COMBINATIONS can be written", got=type(combination).__name__)
    return {"combination": name, **cast("Mapping[str, Json]", write_record(combination))}


def from_json(record: Mapping[str, Json]) -> Combination:
    """The combination that `to_json` wrote; `ConfigError` or `DataError` for anything else."""
    name = record.get("combination")
    if not isinstance(name, str) or name not in COMBINATIONS:
        raise ConfigError("there is no such combination", got=name, mend=f"one of {', '.join(COMBINATIONS)}")
    fields = {key: value for key, value in record.items() if key != "combination"}
    return cast(Combination, read_record(COMBINATIONS[name], fields))
