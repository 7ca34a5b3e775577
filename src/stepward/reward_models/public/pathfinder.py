"""Reward models that are asked several times about every step: PathFinder-PRM (arXiv 2505.19706).

The first pass asks for the kinds of error (mathematics, consistency), one answer token each. Where the model finds one,
the step is wrong and is asked no more; otherwise its answers are written into the dialogue and the last pass asks
whether the step is right: softmax over the two answer tokens.

A step that a pass calls wrong scores 0, below every step that was asked to the end (the published code writes -1). A
step's passes read the problem and the steps up to it alone, so scores hold for prefixes; each pass is a row of its own,
and what rows share is computed once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from stepward.reward_models.encoding.codec import StepCodec
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.reader import StepReader
from stepward.types import Origin, Problem, Spend, StepScores, Trace


@dataclass(slots=True)
class _Asked:
    """One step under way."""

    pair: int
    step: int
    answers: tuple[str, ...] = ()
    score: float | None = None
    spend: Spend = field(default_factory=Spend)


@dataclass(eq=False, kw_only=True)
class PathFinder:
    """A `StepScorerEngine` over a model that is asked in passes. Live state: holds the weights."""

    reader: StepReader
    """Its head gives the logit of the good answer against the bad one."""
    format: PRMFormat
    origin: Origin
    """Name, revision and settings of the model."""

    @property
    def codec(self) -> StepCodec:
        """What turns a pass over a step into ids."""
        return self.reader.backbone.codec

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order, whatever the pairs were batched with. Raises as `StepCodec.encode_pass`."""
        asked = [_Asked(index, step) for index, (_, trace) in enumerate(pairs) for step in range(len(trace))]
        for number in range(len(self.format.passes)):
            self._ask([each for each in asked if each.score is None], pairs, number + 1 == len(self.format.passes))
        return [self._record(trace, [a for a in asked if a.pair == i]) for i, (_, trace) in enumerate(pairs)]

    def _ask(self, asked: Sequence[_Asked], pairs: Sequence[tuple[Problem, Trace]], last: bool) -> None:
        """One pass over the steps `asked`: their further answers, or their scores."""
        started = time.perf_counter()
        rows = [self.codec.encode_pass(*pairs[each.pair], each.step, each.answers) for each in asked]
        tokens = self.reader.tokens(rows)
        logits = self.reader.logits(rows)
        seconds = (time.perf_counter() - started) / (sum(tokens) or 1)
        for each, own, count in zip(asked, logits, tokens, strict=True):
            each.spend += Spend(
                scorer_tokens=count, scorer_calls=1, flops=self.reader.flops(count), seconds=seconds * count
            )
            each.answers += tuple(self.format.answers[0 if logit >= 0 else 1] for logit in own)
            if not last and min(own) < 0:
                each.score = 0.0
            elif last:
                each.score = self.format.score(own[0])

    def _record(self, trace: Trace, asked: Sequence[_Asked]) -> StepScores:
        return StepScores(
            values=tuple(each.score for each in asked if each.score is not None),
            convention=self.format.convention,
            target=self.format.target,
            scorer=self.origin,
            spend=sum((each.spend for each in asked), Spend()),
        ).check(trace)
