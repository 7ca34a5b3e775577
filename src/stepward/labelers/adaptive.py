"""Rollout labels whose number of completions is chosen while they are drawn.

Completions of a prefix come in batches, until what they say of theta, the chance that one ends right, is
decisive, or `most` are drawn:

    theta | k of n  ~  Beta(a + k, b + n - k)
    stop  when  Pr(theta > tau) >= confidence  or  <= 1 - confidence

Where only the hard label matters, `first_success` stops at the first completion that ends right instead, which
takes 1 / theta of them on average. For a multiple-choice problem tau counts from the chance level 1/m, because
any completion can guess; the number of options is `options`, or stands in `problem.meta["options"]`.

Stopping when the counts please biases k / n (upwards, for a rule that stops at successes): the rule stands in
`origin.settings`, and the binomial likelihood of (k, n) is unaffected. `value: posterior` gives the posterior mean in
place of the share; it is never 0, so such labels are no hard labels.

Degenerate cases: completions that failed or are undecided count towards `most` but are no trials; prefixes on which
the rule never became decisive are counted in `meta["open"]`.

Source: the sequential test is Wald's with a Beta posterior; dynamic K: GenPRM, arXiv 2504.00891.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.errors import ConfigError, LabelError
from stepward.labelers.rolling import Rollouts, Tally
from stepward.labelers.tallies import (
    ends,
    made_by,
    need_answer,
    prefixes,
    root_counts,
    step_tallies,
    to_complete,
    told,
    value_label,
)
from stepward.metrics.binomial import CountPosterior
from stepward.protocols import Resources
from stepward.types import Json, LabeledTrace, Origin, Problem, Sampling, Spend, StepLabel, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """When the completions of one prefix have said enough."""

    batch: int = 4
    most: int = 32
    threshold: float = 0.05
    """What theta must exceed for a prefix to count as alive; for m options it is added to 1/m."""
    confidence: float = 0.95
    prior: tuple[float, float] = (0.5, 0.5)
    """a and b of the Beta prior: Jeffreys', or what `metrics.binomial.fit_prior` finds in counts of the same kind."""
    first_success: bool = False
    """Stop at the first completion that ends right. Not for multiple choice."""

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= self.most:
            raise ConfigError("sequential stopping needs 1 <= batch <= most", got=(self.batch, self.most))
        if not (0 <= self.threshold < 1 and 0.5 < self.confidence < 1):
            raise ConfigError(
                "threshold lies in [0, 1) and confidence in (0.5, 1)", got=(self.threshold, self.confidence)
            )
        if len(self.prior) != 2 or min(self.prior) <= 0:
            raise ConfigError("a Beta prior needs a > 0 and b > 0", got=self.prior)

    @property
    def posterior(self) -> CountPosterior:
        """The prior, ready for counts."""
        return CountPosterior(a=self.prior[0], b=self.prior[1])

    def settings(self) -> dict[str, Json]:
        """The rule as `origin.settings` keeps it."""
        return {
            "rule": "first success" if self.first_success else "posterior",
            "batch": self.batch,
            "most": self.most,
            "threshold": self.threshold,
            "confidence": self.confidence,
            "prior": list(self.prior),
        }

    def decided(self, tally: Tally) -> bool:
        """Whether `tally` says enough."""
        if self.first_success and tally.successes:
            return True
        alive = self.posterior.above(self.threshold, tally.successes, tally.trials)
        return not 1 - self.confidence < alive < self.confidence and not self.first_success

    async def count(self, prefix: str, rollouts: Rollouts) -> Tally:
        """Completions of `prefix`, batch by batch, until they say enough or are `most`; a first batch always."""
        tally = await rollouts.count(prefix, self.batch)
        while tally.drawn < self.most and not self.decided(tally):
            tally = await rollouts.count(prefix, min(self.most, tally.drawn + self.batch))
        return tally


@dataclass(frozen=True, kw_only=True)
class AdaptiveRollout:
    """Completions from every prefix until `stop` is satisfied. Needs a policy (the completer) and a verifier."""

    stop: Stop = Stop()
    sampling: Sampling = Sampling()
    value: Literal["share", "posterior"] = "share"
    options: int = 0
    """Answers to choose from in a multiple-choice problem; 0 reads `problem.meta["options"]`."""
    root: bool = False
    """Whether the empty prefix is completed too: `meta["root"]` has its counts."""

    def __post_init__(self) -> None:
        if self.value not in ("share", "posterior"):
            raise ConfigError("value must be share or posterior", got=self.value)
        if self.options < 0 or self.options == 1:
            raise ConfigError("options must be 0 (unknown) or at least 2", got=self.options)

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with a value label per step. Raises `LabelError` for a problem without answer."""
        return (await self.label_all(problem, [trace], resources))[0]

    async def label_all(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        """Labels for all `traces` of one problem; the cost of a shared prefix is borne by the first that has it."""
        need_answer(problem)
        stop = stop_for(problem, self.stop, self.options)
        rollouts = Rollouts.of(problem, resources, self.sampling)
        asked = to_complete(traces, root=self.root)
        counted = await asyncio.gather(*(stop.count(prefix, rollouts) for prefix in asked))
        tallies = dict(zip(asked, counted, strict=True))
        return [await self._assemble(trace, rollouts, tallies, stop) for trace in traces]

    async def _assemble(
        self, trace: Trace, rollouts: Rollouts, tallies: Mapping[str, Tally], stop: Stop
    ) -> LabeledTrace:
        verdict = await rollouts.verifier.verify(rollouts.problem, trace.text)
        steps = step_tallies(trace, verdict, tallies)
        origin = made_by("adaptive", rollouts, {**stop.settings(), "value": self.value})
        drawn = steps[:-1] if ends(trace) else steps
        meta: dict[str, Json] = {**told(steps), "open": sum(not stop.decided(tally) for tally in drawn)}
        return LabeledTrace(
            trace=trace,
            labels=tuple(
                self._label(tally, origin, stop) if at < len(drawn) else value_label(tally, origin)
                for at, tally in enumerate(steps)
            ),
            verdict=verdict,
            spend=rollouts.bill(["", *prefixes(trace)]) + Spend(verifier_calls=1),
            meta={**meta, **(root_counts(tallies[""]) if self.root else {})},
        )

    def _label(self, tally: Tally, origin: Origin, stop: Stop) -> StepLabel | None:
        label = value_label(tally, origin)
        if label is None or self.value == "share":
            return label
        return replace(label, value=stop.posterior.mean(tally.successes, tally.trials))


def stop_for(problem: Problem, stop: Stop, options: int) -> Stop:
    """`stop`, its threshold counted from the chance level where `problem` offers answers to choose from.

    Raises `LabelError` where their number is unknown, or where one lucky guess would end the drawing.
    """
    if problem.answer_kind != "choice":
        return stop
    if stop.first_success:
        raise LabelError(
            f"problem {problem.id!r} is multiple choice: a success can be a guess",
            mend="set stop.first_success: false",
        )
    level = stop.threshold + 1 / (options or option_count(problem))
    if level >= 1:
        raise LabelError(f"threshold {stop.threshold:g} over the chance level leaves no room", got=level)
    return replace(stop, threshold=level)


def option_count(problem: Problem) -> int:
    """How many answers `problem` offers, as its meta says: a number, or the list of them."""
    stated = problem.meta.get("options")
    count = len(stated) if isinstance(stated, Sequence | Mapping) and not isinstance(stated, str) else stated
    if not isinstance(count, int) or count < 2:
        raise LabelError(
            f"problem {problem.id!r} is multiple choice and does not say among how many options",
            got=stated,
            mend='set the labeler\'s `options`, or "options" in the meta of the problem',
        )
    return count
