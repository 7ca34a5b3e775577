"""A search of one's own: draw until a trace is good enough.   python examples/new_search.py

Frozen settings on the class, live parts from `resources`, every token in the result's spend.
"""

import asyncio
from dataclasses import dataclass

from stepward.pipeline.parts import workbench
from stepward.policies.fake import ScriptedPolicy
from stepward.protocols import Resources, SearchResult
from stepward.reduce import reduce_scores
from stepward.reward_models.fake import ScriptedScorer
from stepward.search.moves import draw
from stepward.segment.newline import Newline
from stepward.types import Problem, SampleRequest, Spend
from stepward.verifiers.routed import RoutedVerifier


@dataclass(frozen=True, kw_only=True)
class UntilGood:
    """Takes the first of at most `most` traces whose lowest step reaches `threshold`, else the best one."""

    threshold: float = 0.8
    most: int = 8

    async def solve(self, problem: Problem, resources: Resources) -> SearchResult:
        traces, scores, spend = [], [], Spend()
        for index in range(self.most):
            trace = (await draw(SampleRequest(problem=problem, first_draw=index), resources))[0]
            found = await resources.need_scorer().score(problem, trace)
            traces.append(trace)
            scores.append(reduce_scores(found, "min"))
            spend += trace.spend + found.spend
            if scores[-1] >= self.threshold:
                break
        chosen = max(range(len(scores)), key=scores.__getitem__)
        return SearchResult(
            problem_id=problem.id, traces=tuple(traces), chosen=chosen, answer=traces[chosen].answer, spend=spend,
            scores=tuple(scores),
        )  # fmt: skip


problem = Problem(id="ben", text="What is 12 + 5?")
policy = ScriptedPolicy(script={("ben", ""): ["So 18.\nThe answer is 18.\n", "So 17.\nThe answer is 17.\n"]})
scorer = ScriptedScorer(scores={"So 17.": 0.9, "The answer is 17.": 0.9}, default=0.1)
parts = workbench(policy, Newline(), RoutedVerifier(), scorer=scorer)
result = asyncio.run(UntilGood().solve(problem, parts))
print(f"{result.answer} after {len(result.traces)} traces and {result.spend.tokens} tokens")
