"""First errors where an outcome verifier loses confidence (AutoPSV): one scoring pass, no completions.

With v_k the scorer's confidence, after step k, that the trace will end right,

    Delta_k = (v_k - v_{k-1}) / v_{k-1},   the first k with Delta_k < drop (-0.5) is the first error

Steps before it are labelled 1, it and all behind it 0. This is the paper's form, which compares neighbouring steps; the
authors' code compares the first and the last token inside a step, which needs scores per token.

Step 0 has nothing before it: it can only be the first error where `start` says how confident the scorer is of the
empty prefix. A confidence below `floor` cannot fall by a share, and makes the next step the first error.

The labels are as good as the scorer is calibrated, and it must have been trained to say how the trace ends (an
outcome reward model): the score of a step by itself may fall and rise again. Logits are read through the sigmoid;
log-ratios and margins have no shares and are refused, as are scores that depend on later steps.

Degenerate cases: an empty trace has no labels; without a drop every step is labelled 1, in a wrong trace too.

Source: Lu et al., AutoPSV, arXiv 2405.16802.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError, ScoreError
from stepward.protocols import Resources
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, StepScores, Trace


@dataclass(frozen=True, kw_only=True)
class ConfidenceDrop:
    """Prefix labels from where the scorer's confidence falls. Needs a scorer."""

    drop: float = -0.5
    """Relative change below which a step is the first error, in (-1, 0)."""
    floor: float = 1e-5
    start: float | None = None
    """The scorer's confidence before the first step, in (0, 1]; None never calls the first step wrong."""

    def __post_init__(self) -> None:
        if not -1 < self.drop < 0 or not 0 <= self.floor < 1:
            raise ConfigError("drop lies in (-1, 0) and floor in [0, 1)", got=(self.drop, self.floor))
        if self.start is not None and not 0 < self.start <= 1:
            raise ConfigError("start must lie in (0, 1]", got=self.start)

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with a prefix label per step; `meta` has the confidences and the first error."""
        scores = (await resources.need_scorer().score(problem, trace)).check(trace).check_online()
        values = confidences(scores)
        wrong = first_drop(values, drop=self.drop, floor=self.floor, start=self.start)
        labels = tuple(self._label(float(wrong is None or index < wrong), scores.scorer) for index in range(len(trace)))
        meta: dict[str, Json] = {"confidences": values, "first_error": wrong}
        return LabeledTrace(trace=trace, labels=labels, spend=scores.spend, meta=meta)

    def _label(self, value: float, scorer: Origin) -> StepLabel:
        settings: dict[str, Json] = {
            "drop": self.drop,
            "floor": self.floor,
            "start": self.start,
            "scorer": f"{scorer.maker}@{scorer.revision}",
        }
        origin = Origin(maker="labeler:confidence_drop", revision="1", settings=settings)
        return StepLabel(target="prefix", value=value, source="scorer", origin=origin)


def first_drop(
    values: Sequence[float], *, drop: float = -0.5, floor: float = 1e-5, start: float | None = None
) -> int | None:
    """The first step whose confidence falls by more than the share -`drop` against the step before; None without."""
    before = start
    for index, value in enumerate(values):
        if before is not None and (before < floor or (before > 0 and (value - before) / before < drop)):
            return index
        before = value
    return None


def confidences(scores: StepScores) -> list[float]:
    """`scores` as probabilities; `ScoreError` for a convention that has none."""
    if scores.convention == "probability":
        return list(scores.values)
    if scores.convention == "logit":
        return [sigmoid(value) for value in scores.values]
    raise ScoreError(
        f"scores by {scores.scorer.maker} are no confidences",
        got=scores.convention,
        mend="take an outcome reward model",
    )


def sigmoid(value: float) -> float:
    """1 / (1 + e^-value), without overflow."""
    small = math.exp(-abs(value))
    return (1.0 if value >= 0 else small) / (1.0 + small)
