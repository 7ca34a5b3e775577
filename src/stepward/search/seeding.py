"""The same search under another seed."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

from stepward.errors import ConfigError
from stepward.protocols import Search
from stepward.search.growth import Growing
from stepward.types import Sampling


def with_seed(search: Search, seed: int) -> Search:
    """`search` with `seed` for everything in it that draws. `ConfigError` for one that has no place for a seed."""
    if not is_dataclass(search) or isinstance(search, type):
        raise ConfigError("only a dataclass can be given another seed", got=type(search).__name__)
    changed: dict[str, Any] = {}
    for each in fields(search):
        value = getattr(search, each.name)
        if isinstance(value, Sampling):
            changed[each.name] = replace(value, seed=seed)
        elif isinstance(value, Growing):
            changed[each.name] = replace(value, sampling=replace(value.sampling, seed=seed))
        elif each.name == "seed":
            changed[each.name] = seed
    if not changed:
        raise ConfigError("this search draws nothing that a seed could change", got=type(search).__name__)
    return cast(Search, replace(search, **changed))
