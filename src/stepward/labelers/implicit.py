"""Labels from an implicit process reward model: a language model trained on outcomes, against its reference.

With q_k = beta sum over tokens up to step k of log pi(token) - log pi_ref(token), and q_0 = 0, a model trained by
cross-entropy on outcomes says that a trace ends right with probability sigma(q_T). Its process reward of step k is
q_k - q_{k-1}. Read as labels:

    value       sigma(q_k)                       chance to end right from here
    validity    sigma(q_k - q_{k-1})             above 1/2 where the trained model likes the step better
    progress    sigma(q_k) - sigma(q_{k-1})      chance gained

The scorer's numbers are log-ratios (convention "log_ratio"), either accumulated (q_k) or single (q_k - q_{k-1}):
`scores` says which, and must agree with how the scorer was opened. `scale` multiplies them first: log-ratios grow with
length and beta, so sigma saturates where beta does not fit. The raw numbers stay in `meta["log_ratios"]`.

What they are worth: good for ranking whole traces, weak at finding the first error; the sign of a single step is
noisy. Value labels are above 0 always, so their hard view says nothing: take validity for hard labels.

Degenerate cases: an empty trace has no labels; where policy and reference are one model every value is 1/2.

Source: Yuan et al., "Free Process Rewards without Process Labels", arXiv 2412.01981.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal

from stepward.errors import ConfigError, ScoreError
from stepward.labelers.confidence import sigmoid
from stepward.protocols import Resources
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, StepScores, Trace


@dataclass(frozen=True, kw_only=True)
class ImplicitLabeler:
    """Labels from log-ratios. Needs a scorer that gives them."""

    target: Literal["value", "validity", "progress"] = "value"
    scores: Literal["accumulated", "single"] = "accumulated"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.target not in ("value", "validity", "progress"):
            raise ConfigError("target must be value, validity or progress", got=self.target)
        if self.scores not in ("accumulated", "single"):
            raise ConfigError("scores must be accumulated or single", got=self.scores)
        if not 0 < self.scale < math.inf:
            raise ConfigError("scale must be above 0", got=self.scale)

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with a label per step. `ScoreError` for scores that are no log-ratios."""
        scores = (await resources.need_scorer().score(problem, trace)).check(trace).check_online()
        if scores.convention != "log_ratio":
            raise ScoreError(
                f"scores by {scores.scorer.maker} are no log-ratios",
                got=scores.convention,
                mend="open a policy and its reference as an implicit reward model",
            )
        labels = tuple(self._label(value, scores.scorer) for value in self._values(scores))
        meta: dict[str, Json] = {"log_ratios": list(scores.values)}
        return LabeledTrace(trace=trace, labels=labels, spend=scores.spend, meta=meta)

    def _values(self, scores: StepScores) -> Sequence[float]:
        scaled = [self.scale * value for value in scores.values]
        sums = scaled if self.scores == "accumulated" else list(accumulate(scaled))
        if self.target == "value":
            return [sigmoid(value) for value in sums]
        steps = list(pairwise([0.0, *sums]))
        if self.target == "validity":
            return [sigmoid(after - before) for before, after in steps]
        return [sigmoid(after) - sigmoid(before) for before, after in steps]

    def _label(self, value: float, scorer: Origin) -> StepLabel:
        settings: dict[str, Json] = {
            "target": self.target,
            "scores": self.scores,
            "scale": self.scale,
            "scorer": f"{scorer.maker}@{scorer.revision}",
        }
        origin = Origin(maker="labeler:implicit", revision="1", settings=settings)
        return StepLabel(target=self.target, value=value, source="scorer", origin=origin)
