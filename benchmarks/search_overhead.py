"""What searching costs besides the models: the share of time outside engine calls, how it grows, what memory saves.

    OMP_NUM_THREADS=1 python benchmarks/search_overhead.py [--problems 64] [--beam 16] [--model FOLDER]

Beam search on new problems of the quick start's world with its policy and a reward model that reads surprise: FOLDER,
or one trained here in seconds. An engine call is one `sample_batch` or `score_batch`; they run in threads of their own
and may overlap. Printed are the share of wall time in which no call was under way, and the share of processor time that
was spent outside of calls: on a busy machine trust the second. Torch has one thread.

Growth searches the same problems all at once and in groups of a tenth, one after another: the processor time of the one
over the other is 1 where ten times the problems take ten times as long. The rivals of memory compute every prefix
again, in the policy, in the scorer, or in both; written tokens and answers are compared.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import torch

import stepward
from stepward.pipeline.parts import PolicyChoice, start_cold, workbench
from stepward.policies.transformers import TransformersPolicy
from stepward.protocols import SearchResult
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.reader import StepReader
from stepward.reward_models.readout import Readout
from stepward.reward_models.wrappers import BatchedScorer
from stepward.search.beam import Beam
from stepward.search.growth import Growing
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import Completion, Origin, Problem, SampleRequest, Sampling, Spend, StepScores, Trace
from stepward.verifiers.routed import RoutedVerifier
from stepward.world.checker import WorldChecker
from stepward.world.problems import World

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")
WORLD = World(min_steps=2, max_steps=7, max_distractors=0)
STEP = Sampling(max_tokens=40, temperature=1.8)


@dataclass(eq=False, kw_only=True)
class Watch:
    """When engines were at work."""

    calls: list[tuple[float, float]] = field(default_factory=list)
    """Wall time at which each began and ended."""
    processor: float = 0.0

    def timed(self, run: Callable[[Asked], Answer], asked: Asked) -> Answer:
        began, before = time.perf_counter(), time.thread_time()
        answer = run(asked)
        self.processor += time.thread_time() - before
        self.calls.append((began, time.perf_counter()))
        return answer

    @property
    def wall(self) -> float:
        """Seconds in which at least one call was under way."""
        total, until = 0.0, 0.0
        for began, ended in sorted(self.calls):
            total += max(0.0, ended - max(began, until))
            until = max(until, ended)
        return total


@dataclass(frozen=True, eq=False, kw_only=True)
class Engines:
    """A policy and a scorer under a watch; it takes the place of both."""

    policy: TransformersPolicy
    scorer: ProcessRewardModel
    watch: Watch = field(default_factory=Watch)

    @property
    def origin(self) -> Origin:
        return self.policy.origin

    def sample_batch(self, requests: Sequence[SampleRequest]) -> list[tuple[Completion, ...]]:
        return self.watch.timed(self.policy.sample_batch, requests)

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        return self.watch.timed(self.scorer.score_batch, pairs)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What searching a set of problems took."""

    results: list[SearchResult]
    wall: float
    processor: float
    watch: Watch

    @property
    def spend(self) -> Spend:
        return sum((result.spend for result in self.results), Spend())

    @property
    def outside(self) -> str:
        wall, processor = 1 - self.watch.wall / self.wall, 1 - self.watch.processor / self.processor
        return f"outside engine calls: {processor:6.2%} of processor time, {wall:6.2%} of wall time"


def search(problems: Sequence[Problem], engines: Engines, beam: int) -> Cost:
    """All of `problems` at once, by engines that remember nothing yet."""
    start_cold(engines.policy, engines.scorer)
    engines = replace(engines, watch=Watch())
    technique = Beam(beams=max(1, beam // 4), width=beam, growing=Growing(sampling=STEP, reduce="min"))

    async def solve_all() -> list[SearchResult]:
        bench = workbench(engines, Newline(), RoutedVerifier(), scorer=BatchedScorer(engine=engines, max_batch=256))
        return list(await asyncio.gather(*(technique.solve(problem, bench) for problem in problems)))

    wall, processor = time.perf_counter(), time.process_time()
    results = asyncio.run(solve_all())
    return Cost(
        results=results,
        wall=time.perf_counter() - wall,
        processor=time.process_time() - processor,
        watch=engines.watch,
    )


def trained(policy: TransformersPolicy, folder: Path) -> Path:
    """A frozen reward model of the quick start's kind, taught on exact labels of a few problems."""
    problems = WORLD.draw(60, 101)
    requests = [SampleRequest(problem=p, n=4, sampling=replace(STEP, max_tokens=160)) for p in problems]
    labels = [
        (problem, WorldChecker().check(problem, cut(problem.id, made.text, Newline())))
        for problem, completions in zip(problems, policy.sample_batch(requests), strict=True)
        for made in completions
        if made.text.strip()
    ]
    reads = Readout(layers=(), surprise=True)
    return stepward.train(labels, backbone="quickstart", out=folder, mode="frozen", readout=reads, head_hidden=8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=64)
    parser.add_argument("--beam", type=int, default=16)
    parser.add_argument("--large", type=int, default=80, help="problems for growth, ten times those of a group")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    policy = PolicyChoice(path="quickstart").load()
    assert isinstance(policy, TransformersPolicy)
    with tempfile.TemporaryDirectory() as made:
        scorer = ProcessRewardModel.load(options.model or trained(policy, Path(made) / "prm"))
    engines = Engines(policy=policy, scorer=scorer.remembering())
    search(WORLD.draw(2, 1), engines, options.beam)  # what is learned once
    problems = WORLD.draw(options.problems, 301)
    print(f"{options.problems} problems x beam {options.beam}, {options.repeats} repeats")
    for _ in range(options.repeats):
        cost = search(problems, engines, options.beam)
        print(f"  {cost.wall:6.2f} s wall, {cost.processor:6.2f} s processor; {cost.outside}", flush=True)
    grow(WORLD.draw(options.large, 302), engines, options)
    memories(problems, engines, options.beam)


def grow(problems: Sequence[Problem], engines: Engines, options: argparse.Namespace) -> None:
    """The same problems at once and in tenths."""
    tenth = max(1, len(problems) // 10)
    groups = [problems[at : at + tenth] for at in range(0, len(problems), tenth)]
    print(f"growth from {tenth} to {len(problems)} problems: processor time a problem, at once over in groups")
    for _ in range(options.repeats):
        apart = [search(group, engines, options.beam) for group in groups]
        together = search(problems, engines, options.beam)
        seconds = sum(cost.processor for cost in apart)
        ours = together.processor - together.watch.processor, seconds - sum(cost.watch.processor for cost in apart)
        print(
            f"  {together.processor / len(problems):.4f} s over {seconds / len(problems):.4f} s: "
            f"{together.processor / seconds:.3f}; outside engine calls {ours[0] / ours[1]:.3f}",
            flush=True,
        )


def memories(problems: Sequence[Problem], engines: Engines, beam: int) -> None:
    """What each memory saves, and that it changes no answer."""
    forgetful = replace(engines.policy, remembered_tokens=0)
    reader = engines.scorer.reader
    assert isinstance(reader, StepReader)
    whole = replace(engines.scorer, reader=replace(reader, cache=None))
    print(f"{'remembers':12}{'written':>9}{'read':>9}{'scored':>9}{'GFLOPs':>9}{'processor':>11}  same answers")
    first = None
    for name, rival in {
        "both": engines,
        "scorer": replace(engines, policy=forgetful),
        "policy": replace(engines, scorer=whole),
        "none": replace(engines, policy=forgetful, scorer=whole),
    }.items():
        cost = search(problems, rival, beam)
        first = first or cost
        same = sum(a.answer == b.answer for a, b in zip(first.results, cost.results, strict=True))
        spend = cost.spend
        print(
            f"{name:12}{spend.policy_tokens:9,}{spend.prompt_tokens:9,}{spend.scorer_tokens:9,}"
            f"{spend.flops / 1e9:9.1f}{cost.processor:10.2f}s  {same} of {len(problems)}",
            flush=True,
        )


if __name__ == "__main__":
    main()
