"""When the outcome model and the process model disagree: which one is believed, and why.

With o = P(trace is right) by the ORM, s = the aggregate of the PRM, m its weakest step, all calibrated:

    prm_veto    o accepts, and m <= veto_step: one step is known to be wrong
    orm_veto    s accepts, and o <= veto_outcome: no step looks wrong, and the whole does
    agree       both on one side of `accept`
    surer       they disagree, one is at least `sure` log-odds further from `accept` than the other
    uncertain   they disagree and neither is: no score; abstain, or ask a judge, as `unsure` says

The vetoes are asymmetric on purpose: a PRM sees an error that a right answer hides, an ORM sees a wrong answer whose
steps all read well. A decision that abstains is no wrong answer; count it apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from stepward.calibrate.numbers import logit
from stepward.combine.signals import Signals, aggregates, outcomes
from stepward.errors import ConfigError
from stepward.reduce import reducer

Winner = Literal["both", "orm", "prm", "nobody"]
Reason = Literal["agree", "prm_veto", "orm_veto", "surer", "uncertain"]
Unsure = Literal["abstain", "ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What came of one trace's two signals."""

    winner: Winner
    reason: Reason
    score: float | None
    """P(trace is right) after the decision; None where nobody won."""
    verdict: Literal["accept", "reject", "abstain", "ask"]
    step: int | None = None
    """The step that vetoed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Referee:
    """The rules' settings. Raises `ConfigError` where they contradict each other."""

    accept: float = 0.5
    """At least this is right."""
    veto_step: float = 0.1
    veto_outcome: float = 0.1
    sure: float = 1.0
    """Log-odds by which a signal must be the surer to win."""
    reduce: str = "geometric_mean"
    unsure: Unsure = "abstain"

    def __post_init__(self) -> None:
        reducer(self.reduce)
        if not (0 < self.accept < 1 and 0 <= self.veto_step < self.accept and 0 <= self.veto_outcome < self.accept):
            raise ConfigError("vetoes lie in [0, accept), accept in (0, 1)", got=self)
        if self.sure < 0 or self.unsure not in get_args(Unsure):
            raise ConfigError("sure must be at least 0, and unsure is abstain or ask", got=self)

    def decide(self, signals: Signals) -> Decision:
        """Who won, and why. `ScoreError` where the trace has no outcome score."""
        outcome = float(outcomes([signals])[0])
        process = float(aggregates([signals], self.reduce)[0])
        weakest = min(signals.steps)
        if outcome >= self.accept and weakest <= self.veto_step:
            step = signals.steps.index(weakest)
            return Decision(winner="prm", reason="prm_veto", score=weakest, verdict="reject", step=step)
        if process >= self.accept and outcome <= self.veto_outcome:
            return Decision(winner="orm", reason="orm_veto", score=outcome, verdict="reject")
        if (outcome >= self.accept) == (process >= self.accept):
            return self._won("both", "agree", (outcome + process) / 2)
        return self._surer(outcome, process)

    def _surer(self, outcome: float, process: float) -> Decision:
        by_outcome, by_process = np.abs(logit(np.array([outcome, process])) - logit(np.array([self.accept]))).tolist()
        if by_outcome >= by_process + self.sure:
            return self._won("orm", "surer", outcome)
        if by_process >= by_outcome + self.sure:
            return self._won("prm", "surer", process)
        return Decision(winner="nobody", reason="uncertain", score=None, verdict=self.unsure)

    def _won(self, winner: Winner, reason: Reason, score: float) -> Decision:
        return Decision(
            winner=winner, reason=reason, score=score, verdict="accept" if score >= self.accept else "reject"
        )
