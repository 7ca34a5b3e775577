"""Monte-Carlo rollout labels (Math-Shepherd).

From each prefix of a trace a completer writes n completions; k of them end right. The label keeps both
counts: value = k / n is the soft view, `label.good` (k > 0) the hard one. The prefix that ends the
trace needs no rollout: its label is the trace's own verdict, one trial.

What the label means: V(prefix) under *this completer*, not validity. A hard label says that a
completer can still recover, so it is optimistic for a strong completer and pessimistic for a weak one
(a prefix with V = 0.1 gets k = 0 of 8 in 43 % of draws).

Degenerate cases: a completion that failed, or whose verdict is undecided, is no trial; a prefix left
without a trial gets no label rather than 0. Prefixes that traces share are rolled out once.

Source: Wang et al., arXiv 2312.08935.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import reduce
from operator import add
from typing import NamedTuple

from stepward.errors import ConfigError
from stepward.protocols import Resources
from stepward.types import LabeledTrace, Origin, Problem, SampleRequest, Sampling, Spend, StepLabel, Trace, Verdict


class Tally(NamedTuple):
    """What the rollouts of one prefix gave."""

    successes: int
    trials: int
    undecided: int
    failed: int
    spend: Spend


@dataclass(frozen=True, kw_only=True)
class RolloutLabeler:
    """`n` completions from every prefix. Needs a policy (the completer) and a verifier."""

    n: int = 8
    sampling: Sampling = Sampling()

    def __post_init__(self) -> None:
        if self.n < 1:
            raise ConfigError("rollout.n must be at least 1", got=self.n)

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with a value label per step."""
        return (await self.label_all(problem, [trace], resources))[0]

    async def label_all(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        """Labels for all `traces` of one problem; the cost of a shared prefix is borne by the first that has it."""
        prefixes = list(dict.fromkeys(t.prefix(i) for t in traces for i in range(1, len(t) + (not _ends(t)))))
        tallies = await asyncio.gather(*(self.roll(problem, prefix, resources) for prefix in prefixes))
        by_prefix = dict(zip(prefixes, tallies, strict=True))
        unpaid = dict(by_prefix)
        return [await self._assemble(problem, trace, resources, by_prefix, unpaid) for trace in traces]

    async def roll(self, problem: Problem, prefix: str, resources: Resources) -> Tally:
        """Complete one prefix `n` times and count what ended right."""
        request = SampleRequest(problem=problem, prefix=prefix, n=self.n, sampling=self.sampling)
        completions = await resources.need_policy().sample(request)
        written = [c for c in completions if c.finish != "error"]
        verifier = resources.need_verifier()
        verdicts = await asyncio.gather(*(verifier.verify(problem, prefix + c.text) for c in written))
        decided = [v.correct for v in verdicts if v.correct is not None]
        spend = reduce(add, (c.spend for c in completions), Spend(verifier_calls=len(verdicts)))
        spend = replace(spend, discarded_tokens=spend.policy_tokens)  # rollouts end in no returned trace
        failed, undecided = len(completions) - len(written), len(verdicts) - len(decided)
        return Tally(sum(decided), len(decided), undecided, failed, spend)

    async def _assemble(
        self,
        problem: Problem,
        trace: Trace,
        resources: Resources,
        tallies: dict[str, Tally],
        unpaid: dict[str, Tally],
    ) -> LabeledTrace:
        verdict = await resources.need_verifier().verify(problem, trace.text)
        prefixes = [trace.prefix(i) for i in range(1, len(trace) + 1)]
        ended = _ends(trace)
        labels = [
            self._label(tallies[p]) if p in tallies and not (ended and p == trace.text) else None for p in prefixes
        ]
        if labels and ended:
            labels[-1] = self._label(_own_outcome(verdict))
        spend = reduce(add, (unpaid.pop(p).spend for p in prefixes if p in unpaid), Spend(verifier_calls=1))
        return LabeledTrace(trace=trace, labels=tuple(labels), verdict=verdict, spend=spend)

    def _label(self, tally: Tally) -> StepLabel | None:
        if tally.trials == 0:
            return None
        settings = {
            "n": self.n,
            **{k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.sampling).items()},
        }
        return StepLabel(
            target="value",
            value=tally.successes / tally.trials,
            source="rollout",
            successes=tally.successes,
            trials=tally.trials,
            origin=Origin(maker="labeler:rollout", revision="1", settings=settings, seed=self.sampling.seed),
            note=f"{tally.undecided} undecided, {tally.failed} failed" if tally.undecided or tally.failed else "",
        )


def _own_outcome(verdict: Verdict) -> Tally:
    """The trace itself as the one rollout of its last prefix."""
    decided = verdict.correct is not None
    return Tally(int(bool(verdict.correct)), int(decided), int(not decided), 0, Spend())


def _ends(trace: Trace) -> bool:
    """Whether the policy ended the trace: nothing is left to complete."""
    return trace.finish == "stop"
