"""One perturbed attempt with its scores: by how much steps moved, and what became of the trace's aggregates.

Steps are compared where they are aligned and stand at or behind the step of which something is expected. `before` and
`after` are the lowest score among them (among all such steps, where none is aligned: a borrowed trace), so that both
are over the same steps and neither side wins by length. Numbers that differ by less than `NOISE` of the larger one are
equal: rounding of the scorer is no move, and a product may be tiny.
"""

from __future__ import annotations

from dataclasses import dataclass

from stepward.errors import ScoreError
from stepward.evaluation.robustness.probing import Probe
from stepward.reduce import reduce_scores
from stepward.types import StepScores

NOISE = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A probe and the scores of its two traces."""

    probe: Probe
    base: StepScores
    perturbed: StepScores
    pool: tuple[StepScores, ...] = ()
    """Of every scored attempt at the same problem, this one among them."""

    def __post_init__(self) -> None:
        self.base.check(self.probe.base)
        self.perturbed.check(self.probe.perturbed.trace)
        if self.base.convention != self.perturbed.convention:
            raise ScoreError(
                "both sides of a probe need scores of one convention",
                got=(self.base.convention, self.perturbed.convention),
            )

    @property
    def problem_id(self) -> str:
        """What intervals resample."""
        return self.probe.attempt.problem.id

    @property
    def moves(self) -> list[float]:
        """New score less old one of each aligned step from the expected one on."""
        return [new - old for old, new in self._aligned()]

    @property
    def before(self) -> float:
        """The lowest of the old scores that are compared."""
        return min((old for old, _ in self._aligned()), default=min(self.base.values))

    @property
    def after(self) -> float:
        """The lowest of the new scores that are compared."""
        first = self.probe.perturbed.expected.step
        return min((new for _, new in self._aligned()), default=min(self.perturbed.values[first:]))

    def aggregate(self, how: str) -> tuple[float, float]:
        """The whole trace's number by the reducer `how`, old and new."""
        return reduce_scores(self.base, how), reduce_scores(self.perturbed, how)

    def frozen(self, how: str) -> float | None:
        """The new trace's number if every step had kept its old score; None where steps are new, or all stayed."""
        kept = [at for at in self.probe.perturbed.source if at is not None]
        if len(kept) != len(self.perturbed) or len(kept) == len(self.base):
            return None
        values = tuple(self.base.values[at] for at in kept)
        return reduce_scores(StepScores(values=values, convention=self.base.convention), how)

    def flips(self, how: str) -> bool | None:
        """Whether the perturbed trace, put into the pool, would be chosen from it; None for a pool of one."""
        if len(self.pool) < 2:
            return None
        best = max(reduce_scores(scores, how) for scores in self.pool if len(scores))
        return rises(best, self.aggregate(how)[1])

    def _aligned(self) -> list[tuple[float, float]]:
        first = self.probe.perturbed.expected.step
        pairs = zip(self.probe.perturbed.source, self.perturbed.values, strict=True)
        return [(self.base.values[at], new) for at, new in list(pairs)[first:] if at is not None]


def rises(before: float, after: float) -> bool:
    """Whether `after` is higher by more than rounding."""
    return after - before > NOISE * max(abs(before), abs(after))
