"""Hard gates: what a trace must satisfy before any score counts. Data, not code.

A gate is never a term of a sum: with scores added, enough of one buys back any violation of the other. Order is
lexicographic: every trace that passes stands above every trace that does not, whatever they score; among those that
fail, fewer reasons stand higher, then the score. Every reason is kept.

What is not known passes unless the gate demands it: a check that was not run has not failed. `demand_check` turns that
round. Degenerate case: where no trace passes, the best choice is none at all, an abstention.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError, ScoreError, TraceError
from stepward.types import Spend, StepScores, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What is known of a trace besides its scores' sum."""

    steps: tuple[float, ...]
    """Step scores, on the scale of `Gates.min_step`."""
    characters: int = 0
    ended: bool = True
    """It ended by itself: not cut at a limit, not failed."""
    answered: bool = True
    """It states an answer."""
    flagged: bool | None = None
    """A safety check objected; None where there was none."""
    check: bool | None = None
    """An executable check, such as unit tests or arithmetic, passed; None where none was run or it was undecided."""

    @classmethod
    def of(
        cls, trace: Trace, scores: StepScores, *, flagged: bool | None = None, check: bool | None = None
    ) -> Evidence:
        """What `trace` and its `scores` show."""
        return cls(
            steps=scores.check(trace).values,
            characters=len(trace.text),
            ended=trace.finish == "stop",
            answered=trace.answer is not None,
            flagged=flagged,
            check=check,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gates:
    """The gates that are shut. With the defaults a trace needs a step, and nothing that was checked may have failed."""

    min_step: float | None = None
    """The weakest step must score at least this; see `risk.py` for how to choose it."""
    max_steps: int | None = None
    max_characters: int | None = None
    ended: bool = False
    """Refuse a trace that was cut or failed."""
    answered: bool = False
    """Refuse a trace that states no answer."""
    safe: bool = True
    """Refuse a flagged trace."""
    checked: bool = True
    """Refuse a trace whose executable check failed."""
    demand_check: bool = False
    """Refuse a trace whose executable check was not run or undecided, too."""

    def __post_init__(self) -> None:
        if self.min_step is not None and not math.isfinite(self.min_step):
            raise ConfigError("min_step must be a finite number, or none", got=self.min_step)
        if any(limit is not None and limit < 1 for limit in (self.max_steps, self.max_characters)):
            raise ConfigError("limits must be at least 1, or none", got=(self.max_steps, self.max_characters))

    def reasons(self, evidence: Evidence) -> tuple[str, ...]:
        """Why the trace is refused; nothing where it passes."""
        steps, weakest = evidence.steps, min(evidence.steps, default=math.inf)
        low = self.min_step is not None and weakest < self.min_step
        found = {
            "no steps": not steps,
            f"step {steps.index(weakest) if low else 0} scores {weakest:.3g}, below {self.min_step}": low,
            f"{len(steps)} steps, over {self.max_steps}": _over(len(steps), self.max_steps),
            f"{evidence.characters} characters, over {self.max_characters}": _over(
                evidence.characters, self.max_characters
            ),
            "did not end": self.ended and not evidence.ended,
            "no answer": self.answered and not evidence.answered,
            "flagged as unsafe": self.safe and evidence.flagged is True,
            "executable check failed": self.checked and evidence.check is False,
            "executable check not decided": self.demand_check and evidence.check is None,
        }
        return tuple(reason for reason, refused in found.items() if refused)


class GatedOut(TraceError):
    """A gate refused a trace. `spend` is what its scores had cost: refusal is not free."""

    def __init__(self, what: str, *, got: object = None, mend: str = "", spend: Spend | None = None) -> None:
        super().__init__(what, got=got, mend=mend)
        self.spend = spend or Spend()

    def __reduce__(self) -> tuple[object, ...]:
        """Keyword arguments survive pickling."""
        return (_rebuild, (self.what, self.got, self.mend, self.spend))


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedPool:
    """The traces of one problem in the order in which they are to be taken."""

    order: tuple[int, ...]
    """Indexes, the best first: all that pass before all that do not."""
    reasons: tuple[tuple[str, ...], ...]
    """By trace; empty where it passes."""

    @property
    def chosen(self) -> int | None:
        """The best trace that passes; None, an abstention, where none does."""
        return next((index for index in self.order if not self.reasons[index]), None)


def gate_pool(gates: Gates, evidence_N: Sequence[Evidence], scores_N: Sequence[float]) -> GatedPool:
    """The pool in lexicographic order; the earlier trace wins a tie. `ScoreError` where a score is not finite."""
    if len(evidence_N) != len(scores_N) or not all(map(math.isfinite, scores_N)):
        raise ScoreError("every trace of a pool needs one finite score", got=(len(evidence_N), len(scores_N)))
    return ordered_pool([gates.reasons(evidence) for evidence in evidence_N], scores_N)


def ordered_pool(reasons_N: Sequence[tuple[str, ...]], scores_N: Sequence[float]) -> GatedPool:
    """The pool of traces that are refused for `reasons_N`: fewest reasons first, then the score, then the place."""
    order = sorted(range(len(scores_N)), key=lambda index: (len(reasons_N[index]), -scores_N[index], index))
    return GatedPool(order=tuple(order), reasons=tuple(reasons_N))


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What gates did over many problems."""

    problems: int
    abstained: int
    """Problems of which no trace passed."""
    traces: int
    refused: Mapping[str, int]
    """Traces by kind of reason; one trace may have several."""

    @property
    def abstention_rate(self) -> float:
        """Share of the problems without an answer."""
        return self.abstained / self.problems if self.problems else 0.0


def gate_report(pools: Sequence[GatedPool]) -> GateReport:
    """Counts over `pools`, one a problem."""
    reasons = [reason for pool in pools for own in pool.reasons for reason in own]
    return GateReport(
        problems=len(pools),
        abstained=sum(pool.chosen is None for pool in pools),
        traces=sum(len(pool.reasons) for pool in pools),
        refused=dict(Counter(_kind(reason) for reason in reasons)),
    )


def _over(count: int, most: int | None) -> bool:
    return most is not None and count > most


def _kind(reason: str) -> str:
    """A reason without its numbers."""
    for kind, word in (("step below the threshold", "scores"), ("too many steps", "steps, over")):
        if word in reason:
            return kind
    return "too many characters" if "characters, over" in reason else reason


def _rebuild(what: str, got: object, mend: str, spend: Spend) -> GatedOut:
    return GatedOut(what, got=got, mend=mend, spend=spend)
