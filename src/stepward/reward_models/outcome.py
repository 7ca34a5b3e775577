"""The outcome reward model: one score per trace, read at its last step end. The control for every claim about steps.

Same backbone, format and head as a process reward model, trained on whether the answer is right (Cobbe et al.,
arXiv 2110.14168). Read at every step end it is a poor man's value model: `PerPrefix`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stepward.errors import ModelError, TraceError
from stepward.reward_models.process import ProcessRewardModel
from stepward.types import Origin, Problem, StepScores, Trace, TraceScore


@dataclass(eq=False, kw_only=True)
class OutcomeRewardModel:
    """Scores many traces at once. Live state: holds the weights."""

    steps: ProcessRewardModel

    @classmethod
    def load(
        cls, folder: Path, *, calibrated: bool = True, device: str = "cpu", backbone: Path | None = None
    ) -> OutcomeRewardModel:
        """The model in `folder`; `ModelError` where it is none, or was trained on steps."""
        steps = ProcessRewardModel.load(folder, calibrated=calibrated, device=device, backbone=backbone)
        if steps.card.kind != "orm":
            raise ModelError(f"{folder} holds no outcome reward model", got=steps.card.kind, mend="load it as a PRM")
        return cls(steps=steps)

    @property
    def origin(self) -> Origin:
        """Name, revision and settings of the model."""
        return self.steps.origin

    def score_traces(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[TraceScore]:
        """One score per pair, in order. Raises `TraceError` for a trace without steps, else as `score_batch`."""
        for problem, trace in pairs:
            if not len(trace):
                raise TraceError(
                    f"a trace of problem {problem.id!r} has no step: there is nothing to judge",
                    mend="leave empty traces out of the selection, and count them",
                )
        scores = self.steps.score_batch(pairs)
        return [TraceScore(value=own.values[-1], scorer=own.scorer, spend=own.spend) for own in scores]


@dataclass(eq=False, kw_only=True)
class PerPrefix:
    """An outcome reward model read at every step end: a `StepScorerEngine` whose target is value."""

    outcome: OutcomeRewardModel

    @property
    def origin(self) -> Origin:
        """Name, revision and settings of the model."""
        return replace(self.outcome.origin, maker="scorer:orm-per-prefix")

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order: the outcome score of every prefix.

        Raises `ScoreError` for a model whose scores depend on later steps, else as `ProcessRewardModel.score_batch`.
        """
        scores = self.outcome.steps.score_batch(pairs)
        return [replace(own.check_online(), target="value", scorer=self.origin) for own in scores]
