"""Tree values: sample once, verify each trace, and let traces that share a prefix vote on it. No completions.

Each trace is judged by the verifier, and `back_up` carries the outcomes up the tree of the given traces (`BackUp`
has the formulas). The cost is that of the verdicts. What it cannot do: a step that only one trace has gets the
trace's own outcome. So it pays where many traces of a problem share their first steps, as beam search, tree search
or short steps make them, and says little of the last steps of any.

Labels depend on the whole group by intent: one trace alone gets its own outcome on every step. The mean is unbiased
only for traces that the policy sampled independently, not for those that a search kept.

Source: the tree back-up of ReST-MCTS*, arXiv 2406.03816, and ER-PRM, arXiv 2412.11006.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.protocols import Resources
from stepward.relabel.back_up import BackUp
from stepward.types import LabeledTrace, Problem, Spend, Trace


@dataclass(frozen=True, kw_only=True)
class TreeValueLabeler:
    """Verdicts backed up over the traces of one problem. Needs a verifier."""

    back_up: BackUp = BackUp()

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with its own outcome on every step."""
        return (await self.label_all(problem, [trace], resources))[0]

    async def label_all(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        """Value labels from all `traces` of one problem."""
        verifier = resources.need_verifier()
        verdicts = await asyncio.gather(*(verifier.verify(problem, trace.text) for trace in traces))
        judged = [
            LabeledTrace(trace=trace, labels=(None,) * len(trace), verdict=verdict, spend=Spend(verifier_calls=1))
            for trace, verdict in zip(traces, verdicts, strict=True)
        ]
        return self.back_up.relabel(problem, judged)
