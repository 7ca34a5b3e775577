"""What an evaluation judges, against what, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stepward.errors import ConfigError, LabelError
from stepward.evaluation.evaluated import Kind, Role
from stepward.evaluation.labelers import check_one_labeler
from stepward.evaluation.pricing import Rates
from stepward.evaluation.steps import Judged
from stepward.types import LabeledTrace, Problem, StepScores

REDUCERS = ("min", "mean", "last", "product")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A scorer with what it gave, by key of the trace."""

    role: Role
    scores: Mapping[str, StepScores]
    reduce: tuple[str, ...] = REDUCERS
    """How its step scores become one number; the first is the one that is compared. None for a baseline."""
    kind: Kind = ""
    before: Mapping[str, StepScores] | None = None
    """Its scores of the same traces before calibration, where they are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What is judged, and against what."""

    name: str
    """Of the data."""
    problems: Mapping[str, Problem]
    labels: Mapping[str, LabeledTrace]
    """By key, of one labeler for each trace; labels may be None and verdicts missing."""
    entrants: Mapping[str, Entrant]
    """By name shown; the first is the one that is evaluated."""
    taught_by: frozenset[str] | None = None
    """Keys (`stepward.calibrate.problem_key`) of the problems that taught the first; None where that is not known."""
    labeler: str = ""
    """Whose labels these are, where there were several labelers to choose from."""
    others: Mapping[str, Mapping[str, LabeledTrace]] = field(default_factory=dict)
    """By name, what labelers that were not chosen say of the same traces, by the trace's id."""

    def __post_init__(self) -> None:
        if not self.labels or not self.entrants:
            raise LabelError("there is nothing to judge", got=(len(self.labels), list(self.entrants)))
        check_one_labeler(self.labels.values())
        for name, entrant in self.entrants.items():
            stray = [key for key in entrant.scores if key not in self.labels]
            if stray or not entrant.scores:
                raise LabelError(f"{name!r} must have scored some of the traces, and none but these", got=stray[:3])
            if entrant.before is not None and set(entrant.before) != set(entrant.scores):
                raise LabelError(f"the scores of {name!r} before calibration must be of the same traces")

    @property
    def domains(self) -> dict[str, str]:
        """The domain of each problem."""
        return {name: problem.domain for name, problem in self.problems.items()}

    def judged(self, name: str) -> dict[str, Judged]:
        """The traces that `name` scored, in the order of the data."""
        return self._judged(self.entrants[name].scores)

    def judged_before(self, name: str) -> list[Judged]:
        """The same with its scores before calibration; empty where they are not known."""
        return list(self._judged(self.entrants[name].before or {}).values())

    def _judged(self, scores: Mapping[str, StepScores]) -> dict[str, Judged]:
        return {key: Judged(labeled=e, scores=scores[key]) for key, e in self.labels.items() if key in scores}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How it is judged."""

    seed: int = 0
    threshold: float = 0.5
    """Below it a scorer calls a step wrong, for failures and decisions."""
    ns: tuple[int, ...] = ()
    """Sizes to choose from; empty for powers of two up to the smallest pool."""
    rates: Rates = field(default_factory=Rates)

    def __post_init__(self) -> None:
        if any(n < 1 for n in self.ns):
            raise ConfigError("ns must hold whole numbers of at least 1", got=self.ns)
