"""A labeler of one's own: a step is bad if an equation in it is wrong.   python examples/new_labeler.py

It needs no policy and no verifier; one that does would ask for `resources.need_policy()`.
"""

import re
from dataclasses import dataclass

from rich import print

import stepward
from stepward.protocols import Resources
from stepward.registry import register
from stepward.types import LabeledTrace, Origin, Problem, StepLabel, Trace

EQUATION = re.compile(r"(\d+) ([+*-]) (\d+) = (\d+)")


@dataclass(frozen=True, kw_only=True)
class EquationLabeler:
    """Validity of the sums in a step; steps without one get no label."""

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        return LabeledTrace(trace=trace, labels=tuple(map(self._step, trace.step_texts)))

    def _step(self, text: str) -> StepLabel | None:
        found = EQUATION.findall(text)
        if not found:
            return None
        right = all(
            {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[op] == int(c) for a, op, b, c in found
        )
        return StepLabel(
            target="validity", value=float(right), source="checker", origin=Origin(maker="labeler:equations")
        )


register("labeler", "equations", EquationLabeler)
problem = Problem(
    id="ben", text="Ann has 12 coins. Ben has 5 more, Cid twice as many as Ben. How many has Cid?", answer="34"
)
result = stepward.label(problem, "12 + 5 = 17.\n17 * 2 = 36.\nThe answer is 36.\n", labeler="equations")
print(result)
print([label and label.value for label in result.labeled.labels])
