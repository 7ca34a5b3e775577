"""Whether searches keep their budgets, whatever the scorer does.

    python benchmarks/search_budgets.py [--searches 1000] [--seed 0]

Every step-wise search in turn, with a random budget in tokens written, tokens scored or seconds, over a scripted policy
and a scorer that gives equal scores, NaN, infinities, a constant, the wrong number of scores, or is slow. Counted:
batches that began after the budget had ended (must be 0), searches that took longer than ten seconds (0), results that
name a chosen trace without a score (0), and two runs of one search that differ (0). No model.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace

from stepward.budget import Budget
from stepward.policies.fake import ScriptedPolicy
from stepward.protocols import Resources, Search, SearchResult, StepScorer
from stepward.reward_models.fake import ConstantScorer, HostileScorer, ScriptedScorer
from stepward.search.beam import Beam
from stepward.search.best_first import BestFirst
from stepward.search.dvts import DiverseTrees
from stepward.search.growth import Growing, Growth
from stepward.search.mcts import TreeSearch
from stepward.search.particle import ParticleFilter
from stepward.search.rebase import Rebase
from stepward.search.rejection import StepRejection
from stepward.search.speculative import SpeculativeRejection
from stepward.segment.newline import Newline
from stepward.types import Problem, SampleRequest, Sampling, StepScores, Trace, content_key
from stepward.verifiers.answers import StatedAnswers


@dataclass(frozen=True)
class Slow:
    """Takes a millisecond and says one half."""

    inner: ConstantScorer = field(default_factory=ConstantScorer)

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        await asyncio.sleep(0.001)
        return await self.inner.score(problem, trace)


def script(request: SampleRequest, draw: int) -> str:
    """Lines of one to six words; the longer the trace, the likelier its end."""
    at = int(content_key(request.problem.id, request.prefix, draw)[:8], 16)
    if at % 12 < request.prefix.count("\n"):
        return f"The answer is {at % 5}."
    return " ".join("abcdef"[(at >> i) % 6] for i in range(1 + at % 6)) + "\nnever read"


def searches(growing: Growing) -> list[Search]:
    """One of each form."""
    return [
        Beam(beams=3, width=9, growing=growing),
        DiverseTrees(trees=3, width=3, growing=growing),
        Rebase(width=9, growing=growing),
        ParticleFilter(particles=9, growing=growing),
        ParticleFilter(particles=5, weights="replace", sweeps=3, growing=growing),
        BestFirst(pops=2, width=3, growing=growing),
        BestFirst(priority="astar", width=3, growing=growing),
        StepRejection(chains=3, growing=growing),
        SpeculativeRejection(n=9, growing=growing),
        TreeSearch(form="uct", parallel=3, growing=growing),
        TreeSearch(form="puct", growing=growing),
        TreeSearch(form="rest", roll=2, branching=3, simulations=12, growing=growing),
    ]


SCORERS: dict[str, StepScorer] = {
    "varied": ScriptedScorer(scores={letter: p / 6 for p, letter in enumerate("abcdef", 1)}),
    "equal": ConstantScorer(value=1.0),
    "constant": ConstantScorer(value=0.5),
    "nan": HostileScorer(fault="nan"),
    "infinite": HostileScorer(fault="infinite"),
    "too few": HostileScorer(fault="too few"),
    "too many": HostileScorer(fault="too many"),
    "slow": Slow(),
}


def run(search: Search, scorer: StepScorer, problem: Problem) -> SearchResult:
    """One search with its own scripted policy."""
    live = Resources(policy=ScriptedPolicy(script=script), segmenter=Newline(), answers=StatedAnswers(), scorer=scorer)
    return asyncio.run(search.solve(problem, live))


def main(count: int, seed: int) -> None:
    chance = random.Random(seed)
    found: Counter[str] = Counter()
    over: list[float] = []
    for case in range(count):
        name = chance.choice(sorted(SCORERS))
        axis = chance.choice(["policy_tokens", "scorer_tokens", "seconds"])
        limit = chance.randint(1, 400) if axis != "seconds" else chance.uniform(0.001, 0.02)
        growing = Growing(sampling=Sampling(max_tokens=12), reduce="mean", max_steps=12, budget=Budget(**{axis: limit}))
        search = chance.choice(searches(growing))
        problem = Problem(id=f"p{case}", text="Spell it.")
        steps: list[float] = []
        expand = Growth.expand

        async def seen(self: Growth, asks: object, inner=expand, steps=steps) -> object:  # type: ignore[no-untyped-def]
            began = self.how.budget.left(self.spent)
            made = await inner(self, asks)
            steps.append(began if any(made) else 1.0)
            return made

        Growth.expand = seen  # type: ignore[method-assign, assignment]
        started = time.monotonic()
        result = run(search, SCORERS[name], problem)
        took = time.monotonic() - started
        Growth.expand = expand  # type: ignore[method-assign]
        found["batches"] += len(steps)
        found["late batches"] += sum(left <= 0 for left in steps)
        found["over ten seconds"] += took > 10
        found["chosen without a score"] += result.chosen is not None and result.scores[result.chosen] is None
        found["abstained"] += result.chosen is None
        if axis != "seconds":
            again = run(search, SCORERS[name], problem)
            found["not the same twice"] += replace(again, spend=result.spend) != result
            over.append(getattr(result.spend, axis) / limit)
    print(f"{count} searches, seed {seed}: " + ", ".join(f"{name} {n}" for name, n in found.items()))
    print(f"spent / limit in tokens: median {sorted(over)[len(over) // 2]:.2f}, most {max(over):.1f} (one batch each)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searches", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.searches, given.seed)
