"""Calibrators as plain data: they travel inside a checkpoint's card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, cast

from stepward.calibrate.aggregate import LengthPlatt
from stepward.calibrate.domains import PerDomain
from stepward.calibrate.maps import Beta, Calibrator, Isotonic, Logistic, Platt, Temperature
from stepward.errors import ConfigError
from stepward.types import Json

CALIBRATORS: Mapping[str, Callable[..., Any]] = {
    "beta": Beta,
    "isotonic": Isotonic,
    "length_platt": LengthPlatt,
    "logistic": Logistic,
    "per_domain": PerDomain,
    "platt": Platt,
    "temperature": Temperature,
}
"""Every record that `from_json` reads. `length_platt` is for traces alone."""


def to_json(calibrator: Calibrator | LengthPlatt) -> dict[str, Json]:
    """A record that `from_json` reads back: the fields, and the name under "calibrator"."""
    name = next((name for name, kind in CALIBRATORS.items() if kind is type(calibrator)), None)
    if name is None:
        raise ConfigError("only the calibrators of CALIBRATORS can be written", got=type(calibrator).__name__)
    known = fields(cast(Any, calibrator))
    return {"calibrator": name, **{each.name: _plain(getattr(calibrator, each.name)) for each in known}}


def from_json(record: Mapping[str, Json]) -> Calibrator:
    """The calibrator that `to_json` wrote; `ConfigError` for anything else."""
    found = any_from_json(record)
    if isinstance(found, LengthPlatt):
        raise ConfigError("this record calibrates traces, not steps", got=record.get("calibrator"))
    return found


def any_from_json(record: Mapping[str, Json]) -> Calibrator | LengthPlatt:
    """The same, those of traces too."""
    name = record.get("calibrator")
    if not isinstance(name, str) or name not in CALIBRATORS:
        raise ConfigError("there is no such calibrator", got=name, mend=f"one of {', '.join(CALIBRATORS)}")
    try:
        values = {key: _read(key, value) for key, value in record.items() if key != "calibrator"}
        return cast("Calibrator | LengthPlatt", CALIBRATORS[name](**values))
    except (TypeError, AttributeError) as error:
        raise ConfigError(f"the record of a {name} calibrator is damaged: {error}", got=dict(record)) from None


def _plain(value: object) -> Json:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return [_plain(inner) for inner in value]
    return cast(Json, value) if isinstance(value, float | int | str) else to_json(cast(Calibrator, value))


def _read(key: str, value: Json) -> object:
    if isinstance(value, Mapping):
        return from_json(value) if "calibrator" in value else {name: _read(name, each) for name, each in value.items()}
    return tuple(value) if isinstance(value, list | tuple) else value
