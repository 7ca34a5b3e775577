"""Temporal-difference targets: each step's value corrected by the values, and the outcome, behind it.

A trace of T steps goes through states 0 to T; V_t is the value label of the step that leads into state t, V_0 that of
the empty prefix, and R the outcome (1 right, 0 wrong), which stands in for V_T.

    delta_t = r_t + gamma V_{t+1} - V_t           r_t = 0 but for the last, which is R (and then V_T = 0)
    A_t     = sum_l (gamma lambda)^l delta_{t+l}  advantage (GAE): what step t gained            -> progress labels
    G_t     = V_t + A_t                           lambda-return: what state t is worth           -> value labels

AgentPRM calls the two progress and promise, and trains on both. lambda = 1 gives the Monte-Carlo return of this one
trace, without bias and with most variance; lambda = 0 leans wholly on the next value. On long trajectories few
rollouts a step with lambda near 1 do for many rollouts a step.

V_0 is `start`, or the counts of the empty prefix in `meta["root"]`, or the share of right traces among the given.

Degenerate cases: a trace cut short, or with an undecided outcome, ends in the value of its last step instead. A trace
with an unlabelled step before that has no targets; `meta["temporal"]` says so.

Source: AgentPRM (promise and progress), arXiv 2511.08325; GAE, arXiv 1506.02438.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.errors import ConfigError, LabelError
from stepward.relabel.values import root_value, taken_from, values
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel


@dataclass(frozen=True, kw_only=True)
class TemporalDifference:
    """Value or progress labels from value labels and the outcome."""

    target: Literal["value", "progress"] = "value"
    gamma: float = 1.0
    """What a reward is worth one step later."""
    decay: float = 0.95
    """Lambda."""
    start: float | None = None
    """Value of the empty prefix, which only progress needs."""

    def __post_init__(self) -> None:
        if self.target not in ("value", "progress"):
            raise ConfigError("target must be value or progress", got=self.target)
        for name in ("gamma", "decay", "start"):
            number = getattr(self, name)
            if number is not None and not 0.0 <= number <= 1.0:
                raise ConfigError(f"{name} must lie in [0, 1]", got=number)

    def relabel(self, problem: Problem, labeled: Sequence[LabeledTrace]) -> list[LabeledTrace]:
        """The same traces with temporal-difference targets. `LabelError` for labels that are no values."""
        return [self._relabel(each, labeled) for each in labeled]

    def _relabel(self, labeled: LabeledTrace, group: Sequence[LabeledTrace]) -> LabeledTrace:
        known = values(labeled)
        if not known:
            return labeled
        end, inner = _end(labeled), [value for value in known[:-1] if value is not None]
        if end is None or len(inner) < len(known) - 1:
            meta = {**labeled.meta, "temporal": "unlabelled steps"}
            return replace(labeled, labels=(None,) * len(labeled.trace), meta=meta)
        targets = self._targets(inner, end, labeled, group)
        return replace(labeled, labels=tuple(self._label(each, labeled) for each in targets))

    def _targets(
        self, inner: Sequence[float], end: _End, labeled: LabeledTrace, group: Sequence[LabeledTrace]
    ) -> list[float]:
        """One target per step; `inner` are the values of the states between the first and the last."""
        if self.target == "value":
            gained = self._advantages(inner, end)
            return [*(value + more for value, more in zip(inner, gained, strict=True)), end.value]
        return self._advantages([self._start(labeled, group), *inner], end)

    def _advantages(self, values: Sequence[float], end: _End) -> list[float]:
        rewards = [0.0] * len(values)
        if values and end.decided:
            rewards[-1] = end.value
        after = 0.0 if end.decided else end.value
        return advantages(rewards, values, gamma=self.gamma, decay=self.decay, after=after)

    def _start(self, labeled: LabeledTrace, group: Sequence[LabeledTrace]) -> float:
        if self.start is not None:
            return self.start
        counted = root_value(labeled) if "root" in labeled.meta else None
        outcomes = [found for each in group if (found := _outcome(each)) is not None]
        if counted is None and not outcomes:
            raise LabelError(
                f"nothing says what the empty prefix of problem {labeled.trace.problem_id!r} is worth",
                mend="give `start`, or label with `root: true`",
            )
        return counted if counted is not None else sum(outcomes) / len(outcomes)

    def _label(self, value: float, labeled: LabeledTrace) -> StepLabel:
        settings: dict[str, Json] = {"gamma": self.gamma, "decay": self.decay, "start": self.start}
        settings |= taken_from(next((label for label in labeled.labels if label is not None), None))
        low = -1.0 if self.target == "progress" else 0.0
        return StepLabel(
            target=self.target,
            value=min(1.0, max(low, value)),  # only rounding leads outside
            source="tree",
            origin=Origin(maker="relabeler:temporal", revision="1", settings=settings),
        )


def advantages(
    rewards: Sequence[float], values: Sequence[float], *, gamma: float = 1.0, decay: float = 0.95, after: float = 0.0
) -> list[float]:
    """A_0 to A_{T-1} from r_t and V_t, t < T; `after` is V_T, what the state behind the last reward is worth."""
    found: list[float] = []
    ahead = 0.0
    for reward, value in zip(reversed(rewards), reversed(values), strict=True):
        ahead = reward + gamma * after - value + gamma * decay * ahead
        found.append(ahead)
        after = value
    return found[::-1]


def _outcome(labeled: LabeledTrace) -> float | None:
    """1 or 0; None where the trace was cut short or its verdict does not say."""
    if labeled.trace.finish != "stop" or labeled.verdict is None or labeled.verdict.correct is None:
        return None
    return float(labeled.verdict.correct)


@dataclass(frozen=True, slots=True)
class _End:
    """What the last state is worth, and whether that is the outcome or only a value."""

    value: float
    decided: bool


def _end(labeled: LabeledTrace) -> _End | None:
    outcome, last = _outcome(labeled), labeled.labels[-1]
    if outcome is not None:
        return _End(outcome, True)
    return _End(last.value, False) if last is not None else None
