"""The perturbations that are run when none are named, and the names under which their results stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from stepward.config import build
from stepward.errors import ConfigError
from stepward.evaluation.robustness.contract import Perturbation
from stepward.types import Json

SUITE: tuple[Json, ...] = (
    "wrong_problem",
    "numeric_corruption",
    "fluent_wrong",
    "necessary_deletion",
    "leap_to_answer",
    "answer_only",
    "shuffled",
    "inert_deletion",
    "redundant_step",
    "verbose",
    "self_check",
    "repeated_question",
    {"use": "format_change", "style": "latex"},
    {"use": "format_change", "style": "plain"},
    {"use": "format_change", "style": "bullets"},
    {"use": "format_change", "style": "headers"},
    {"use": "typography", "signs": "spaces"},
    {"use": "typography", "signs": "unicode"},
    "merged_steps",
    "split_step",
    "translated",
    "truncated",
    "prompt_injection",
    "adversarial_suffix",
)
"""Every perturbation of the registry: what must lower scores, what must leave them, what must not raise them."""


def perturbations(specs: Sequence[Json], path: str = "perturbations") -> dict[str, Perturbation]:
    """Each spec's perturbation under its name; `ConfigError` names the one that is wrong, or stands twice."""
    found: dict[str, Perturbation] = {}
    for index, spec in enumerate(specs):
        name = label_of(spec)
        if name in found:
            raise ConfigError(f"{path}.{index} stands twice", got=name, mend="give one of them another seed")
        found[name] = cast("Perturbation", build("perturbation", spec, f"{path}.{index}"))
    return found


def label_of(spec: Json) -> str:
    """A spec's name, and its given settings where it has some: "format_change latex"."""
    if not isinstance(spec, Mapping):
        return str(spec).replace("-", "_")
    given = [
        str(value) if key in ("style", "signs", "place", "to") else f"{key}={value}"
        for key, value in spec.items()
        if key != "use"
    ]
    return " ".join([label_of(spec.get("use", "")), *given])
