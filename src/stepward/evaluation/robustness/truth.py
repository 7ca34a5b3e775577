"""Where the fault of a perturbed trace stands: exactly for problems of the world, as claimed for any other.

The world's checker knows of every step whether it is right, so a deletion that hurts nothing, or steps that may stand
in any order, are found out: a drop is then not expected, and the perturbation does not apply.
"""

from __future__ import annotations

from dataclasses import replace

from stepward.evaluation.robustness.contract import Expected, Inapplicable, Outcome, Perturbed
from stepward.types import Problem, Trace
from stepward.world.checker import WorldChecker

HARMLESS = Inapplicable(reason="the checker finds no error in what was made")


def is_world(problem: Problem) -> bool:
    """Whether the truth behind `problem` is known."""
    return "world" in problem.meta


def first_error(problem: Problem, trace: Trace) -> int | None:
    """The first wrong step of a trace of one of the world's problems; None where there is none."""
    return WorldChecker().check(problem, trace).first_error


def faults(problem: Problem, trace: Trace) -> list[int]:
    """Every step that is wrong by itself; a wrong value carried on faithfully is none."""
    labels = WorldChecker(target="validity").check(problem, trace).labels
    return [index for index, label in enumerate(labels) if label is not None and not label.good]


def located(problem: Problem, perturbed: Perturbed) -> Outcome:
    """`perturbed` with the drop where the checker finds the fault; as it is where there is no checker."""
    if not is_world(problem):
        return perturbed
    error = first_error(problem, perturbed.trace)
    return HARMLESS if error is None else replace(perturbed, expected=Expected(kind="drop", step=error))
