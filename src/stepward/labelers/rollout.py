"""Monte-Carlo rollout labels (Math-Shepherd).

From each prefix of a trace a completer writes n completions; k of them end right. The label keeps both
counts: value = k / n is the soft view, `label.good` (k > 0) the hard one. The prefix that ends the
trace needs no rollout: its label is the trace's own verdict, one trial.

What the label means: V(prefix) under *this completer*, not validity. A hard label says that a
completer can still recover, so it is optimistic for a strong completer and pessimistic for a weak one
(a prefix with V = 0.1 gets k = 0 of 8 in 43 % of draws).

Degenerate cases: a completion that failed, or whose verdict is undecided, is no trial; a prefix left
without a trial gets no label rather than 0, and `meta` counts what was lost. Prefixes that traces share
are rolled out once. A problem without answer is refused before anything is drawn.

Source: Wang et al., arXiv 2312.08935.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.labelers.rolling import Rollouts, Tally
from stepward.labelers.tallies import (
    made_by,
    need_answer,
    prefixes,
    root_counts,
    step_tallies,
    to_complete,
    told,
    value_label,
)
from stepward.protocols import Resources
from stepward.types import Json, LabeledTrace, Problem, Sampling, Spend, Trace


@dataclass(frozen=True, kw_only=True)
class RolloutLabeler:
    """`n` completions from every prefix. Needs a policy (the completer) and a verifier."""

    n: int = 8
    sampling: Sampling = Sampling()
    root: bool = False
    """Whether the empty prefix is completed too, for labels relative to it: `meta["root"]` has its counts."""

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError("rollout.n must be at least 1", got=self.n)

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with a value label per step. Raises `LabelError` for a problem without answer."""
        return (await self.label_all(problem, [trace], resources))[0]

    async def label_all(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        """Labels for all `traces` of one problem; the cost of a shared prefix is borne by the first that has it."""
        need_answer(problem)
        rollouts = Rollouts.of(problem, resources, self.sampling)
        asked = to_complete(traces, root=self.root)
        counted = await asyncio.gather(*(rollouts.count(prefix, self.n) for prefix in asked))
        tallies = dict(zip(asked, counted, strict=True))
        return [await self._assemble(trace, rollouts, tallies) for trace in traces]

    async def _assemble(self, trace: Trace, rollouts: Rollouts, tallies: dict[str, Tally]) -> LabeledTrace:
        verdict = await rollouts.verifier.verify(rollouts.problem, trace.text)
        steps = step_tallies(trace, verdict, tallies)
        origin = made_by("rollout", rollouts, {"n": self.n})
        meta: dict[str, Json] = {**told(steps), **(root_counts(tallies[""]) if self.root else {})}
        return LabeledTrace(
            trace=trace,
            labels=tuple(value_label(tally, origin) for tally in steps),
            verdict=verdict,
            spend=rollouts.bill(["", *prefixes(trace)]) + Spend(verifier_calls=1),
            meta=meta,
        )
