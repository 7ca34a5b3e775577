"""What a judge is told: its format, how often it is asked, and how it writes."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from stepward.errors import ConfigError, ScoreError
from stepward.reward_models.generative.ballots import check_prior
from stepward.reward_models.generative.record import JudgeFormat, Phase
from stepward.reward_models.generative.writing import Runner
from stepward.types import Sampling


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgeSettings:
    """Raises `ConfigError` where they do not fit the format."""

    format: JudgeFormat
    votes: int | None = None
    """None takes the format's."""
    quorum: int = 1
    """Votes a step needs to have a score."""
    prior: float | None = None
    """What `score` gives a step that nobody judged; None raises `ScoreError` instead."""
    rounds: int = 1
    """How often each critique is thought through; above 1 the format's `rethink` phrases go between."""
    sampling: Sampling | None = None
    """None takes the format's. Stop strings and token limits always stand with the phases."""
    most_tokens: int | None = None
    """A limit on each phase below the format's."""
    skip: tuple[str, ...] = ()
    """Names of phases that are left out."""
    runner: Runner | None = None
    """Runs the code of phases that have some."""
    for_labels: bool = False
    """Whether formats that are shown the reference answer are allowed: to label with, never to score."""

    def __post_init__(self) -> None:
        check_prior(self.prior)
        if not 1 <= self.quorum <= self.votes_cast:
            raise ConfigError("quorum must lie between 1 and the number of votes", got=(self.quorum, self.votes_cast))
        if not 1 <= self.rounds <= 1 + len(self.format.rethink):
            raise ConfigError(f"{self.format.name} thinks 1 to {1 + len(self.format.rethink)} rounds", got=self.rounds)
        if self.most_tokens is not None and self.most_tokens < 1:
            raise ConfigError("most_tokens must be at least 1", got=self.most_tokens)
        named = [phase.name for phase in self.format.phases]
        if not set(self.skip) <= set(named):
            raise ConfigError(f"{self.format.name} has no such phase", got=self.skip, mend=f"phases: {named}")
        for phase in self.phases:
            if phase.code_stop and self.runner is None:
                raise ConfigError(
                    f"phase {phase.name!r} of {self.format.name} runs code that the judge writes and needs a runner",
                    mend=f"pass one that is safe, or leave the phase out: skip=({phase.name!r},)",
                )
        if self.format.sees_reference and not self.for_labels:
            raise ConfigError(
                f"judge {self.format.name} is shown the reference answer, which is not known when a solution is scored",
                mend="label with it, and score with a judge that does not see it",
            )

    def shared(self) -> dict[str, Any]:
        """The fields, for another class of settings."""
        return {each.name: getattr(self, each.name) for each in fields(JudgeSettings)}

    def refuse_scoring(self) -> None:
        """`ScoreError` where the judge is shown what is not known when a solution is scored."""
        if self.format.sees_reference:
            raise ScoreError(f"judge {self.format.name} is shown the reference answer: it labels, and never scores")

    @property
    def votes_cast(self) -> int:
        """How often the judge is asked."""
        return self.format.votes if self.votes is None else self.votes

    @property
    def sampled(self) -> Sampling:
        """How critiques are drawn."""
        return self.sampling or self.format.sampling

    @property
    def phases(self) -> tuple[Phase, ...]:
        """What is written, in order: without the skipped phases, with the further rounds of thinking."""
        kept = tuple(phase for phase in self.format.phases if phase.name not in self.skip)
        again = tuple(replace(kept[-1], opening=phrase) for phrase in self.format.rethink[: self.rounds - 1] if kept)
        if self.most_tokens is None:
            return kept + again
        return tuple(replace(each, max_tokens=min(each.max_tokens, self.most_tokens)) for each in kept + again)
