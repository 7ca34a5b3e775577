"""Stepward judges every step of an LLM's reasoning.

    problems -> traces -> steps -> labels -> PRM and ORM -> evaluation -> search -> report

The names below are the Python face; everything else is reached by its module's full name.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stepward.api import evaluate, label, score, solve, train
    from stepward.types import LabeledTrace, Problem, Sampling, Step, StepLabel, StepScores, Trace

WHERE = {
    "LabeledTrace": "types",
    "Problem": "types",
    "Sampling": "types",
    "Step": "types",
    "StepLabel": "types",
    "StepScores": "types",
    "Trace": "types",
    "evaluate": "api",
    "label": "api",
    "score": "api",
    "solve": "api",
    "train": "api",
}
"""Module of each public name; it is imported when the name is first used."""

__version__ = "0.1.0"
__all__ = [
    "LabeledTrace",
    "Problem",
    "Sampling",
    "Step",
    "StepLabel",
    "StepScores",
    "Trace",
    "evaluate",
    "label",
    "score",
    "solve",
    "train",
]


def __getattr__(name: str) -> object:
    if name in WHERE:
        return getattr(import_module(f"stepward.{WHERE[name]}"), name)
    raise AttributeError(f"module 'stepward' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
