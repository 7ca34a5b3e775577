"""Step scores -> one number for the trace.

A reducer is a function on a sequence of finite numbers, one per step. `REDUCERS` holds them by name;
`reducer("min")`, `reducer("soft_min:20")` and `reducer("alpha:0.25")` look one up. With p_k the score of step k of T:

    min, max, mean, last    of any finite scores
    soft_min                -(1/b) log mean exp(-b p_k): b -> inf is min, b -> 0 is mean; any finite scores
    product                 prod p_k, the chance of no error if steps err independently
    geometric_mean          exp(mean log p_k): the product without its length bias
    alpha                   exp(T^-alpha sum log p_k): alpha = 0 is the product, 1 the geometric mean
    sum_logits              sum log(p_k / (1 - p_k))
    mean_odds               mean p_k / (1 - p_k)

The product rises whenever a step is deleted, so a search that maximises it learns to leave steps out: it is here
for replication, and `geometric_mean` is what to use instead. The last five demand probabilities. Only `sum_logits`
(both ends) and `mean_odds` (upper end) clip, to `CLIP` from the end, because their formula is infinite there.

A trace without steps has no score: every reducer raises `ScoreError` on an empty sequence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

from stepward.errors import ConfigError, ScoreError
from stepward.protocols import StepScorer
from stepward.types import Origin, Problem, StepScores, Trace, TraceScore

Reducer: TypeAlias = Callable[[Sequence[float]], float]

CLIP = 1e-4
"""Probabilities are held this far from an end where a formula would be infinite there."""


def minimum(scores: Sequence[float]) -> float:
    """The weakest step."""
    return min(_finite(scores))


def maximum(scores: Sequence[float]) -> float:
    """The strongest step. Never sensible for validity labels; kept for replication."""
    return max(_finite(scores))


def mean(scores: Sequence[float]) -> float:
    """The average step. Hides a single fatal one."""
    return math.fsum(_finite(scores)) / len(scores)


def last(scores: Sequence[float]) -> float:
    """The score after the final step: for scorers of value."""
    return _finite(scores)[-1]


def soft_min(scores: Sequence[float], *, sharpness: float = 10.0) -> float:
    """A minimum that every step moves a little. `sharpness` is b > 0."""
    if not (sharpness > 0 and math.isfinite(sharpness)):
        raise ConfigError("soft_min needs a finite sharpness above 0", got=sharpness)
    lowest = min(_finite(scores))
    total = math.fsum(math.exp(-sharpness * (score - lowest)) for score in scores)
    return lowest - math.log(total / len(scores)) / sharpness


def alpha_family(scores: Sequence[float], *, alpha: float = 0.5) -> float:
    """Between the product (`alpha` 0) and the geometric mean (1); 0 where any score is 0."""
    if not 0 <= alpha <= 1:
        raise ConfigError("alpha must lie in [0, 1]", got=alpha)
    if min(_probabilities(scores)) == 0.0:
        return 0.0
    return math.exp(math.fsum(map(math.log, scores)) / len(scores) ** alpha)


def product(scores: Sequence[float]) -> float:
    """Chance of no error in any step. Below about 1e-308 it is 0 and no longer ranks."""
    return alpha_family(scores, alpha=0.0)


def geometric_mean(scores: Sequence[float]) -> float:
    """The product's T-th root."""
    return alpha_family(scores, alpha=1.0)


def sum_logits(scores: Sequence[float]) -> float:
    """Sum of log-odds, each probability first held in [`CLIP`, 1 - `CLIP`]."""
    held = (min(max(score, CLIP), 1.0 - CLIP) for score in _probabilities(scores))
    return math.fsum(math.log(p / (1.0 - p)) for p in held)


def mean_odds(scores: Sequence[float]) -> float:
    """Mean odds, each probability first held at or below 1 - `CLIP`."""
    held = (min(score, 1.0 - CLIP) for score in _probabilities(scores))
    return math.fsum(p / (1.0 - p) for p in held) / len(scores)


REDUCERS: Mapping[str, Reducer] = MappingProxyType(
    {
        "alpha": alpha_family,
        "geometric_mean": geometric_mean,
        "last": last,
        "max": maximum,
        "mean": mean,
        "mean_odds": mean_odds,
        "min": minimum,
        "product": product,
        "soft_min": soft_min,
        "sum_logits": sum_logits,
    }
)

NEEDS_PROBABILITIES = frozenset({"alpha", "geometric_mean", "mean_odds", "product", "sum_logits"})


def reducer(how: str) -> Reducer:
    """The reducer called `how`: a name of `REDUCERS`, or "soft_min:<b>", "alpha:<alpha>"; else `ConfigError`."""
    name, colon, number = how.partition(":")
    if name not in REDUCERS:
        near = get_close_matches(name, REDUCERS, n=1) or sorted(REDUCERS)
        raise ConfigError("there is no such reducer", got=how, mend=f"did you mean {' or '.join(near)}?")
    if not colon:
        return REDUCERS[name]
    chosen = _with_setting(name, number, how)
    chosen([0.5])  # refuses a setting that is out of range now, not at the first trace
    return chosen


def _with_setting(name: str, number: str, how: str) -> Reducer:
    try:
        setting = float(number)
    except ValueError:
        raise ConfigError(f"a number must follow {name}:", got=how) from None
    if name == "soft_min":
        return partial(soft_min, sharpness=setting)
    if name == "alpha":
        return partial(alpha_family, alpha=setting)
    raise ConfigError(f"{name} takes no setting", got=how, mend=f"write {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """A `TraceScorer` made from a `StepScorer`: scores the steps, then reduces them by `how`."""

    scorer: StepScorer
    how: str = "min"

    def __post_init__(self) -> None:
        reducer(self.how)

    async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
        """The reduced score; `ScoreError` for a trace without steps or scores of an unfit convention."""
        scores = (await self.scorer.score(problem, trace)).check(trace)
        source = scores.scorer
        origin = Origin(
            maker=f"{source.maker}/{self.how}",
            revision=source.revision,
            settings={**source.settings, "reduce": self.how},
            seed=source.seed,
        )
        return TraceScore(value=reduce_scores(scores, self.how), scorer=origin, spend=scores.spend)


def reduce_scores(scores: StepScores, how: str) -> float:
    """One number for `scores` by the reducer `how`, which must suit their convention."""
    if how.partition(":")[0] in NEEDS_PROBABILITIES and scores.convention != "probability":
        raise ScoreError(
            f"{how} needs probabilities",
            got=scores.convention,
            mend="use min, mean, last or soft_min, or turn the scores into probabilities",
        )
    return reducer(how)(scores.values)


def _finite(scores: Sequence[float]) -> Sequence[float]:
    if len(scores) == 0:
        raise ScoreError("a trace without steps has no score", mend="leave it out, and say so")
    for index, score in enumerate(scores):
        if not math.isfinite(score):
            raise ScoreError(f"the score of step {index} is not a finite number", got=score)
    return scores


def _probabilities(scores: Sequence[float]) -> Sequence[float]:
    for index, score in enumerate(_finite(scores)):
        if not 0.0 <= score <= 1.0:
            raise ScoreError(
                f"the score of step {index} is no probability", got=score, mend="use min, mean, last or soft_min"
            )
    return scores
