"""A search by a policy that remembers prefixes finds what it finds without memory, for fewer tokens read."""

import asyncio
from dataclasses import replace

from stepward.pipeline.parts import PolicyChoice, workbench
from stepward.policies.transformers import TransformersPolicy
from stepward.protocols import SearchResult
from stepward.reward_models.fake import ScriptedScorer
from stepward.search.beam import Beam
from stepward.search.growth import Growing
from stepward.segment.newline import Newline
from stepward.types import Sampling, Spend
from stepward.verifiers.routed import RoutedVerifier
from stepward.world.problems import World

PROBLEMS = World(min_steps=3, max_steps=5).draw(3, 9)
GROWING = Growing(sampling=Sampling(max_tokens=40, temperature=1.2), max_steps=8)


def solved(policy: TransformersPolicy) -> list[SearchResult]:
    async def together() -> list[SearchResult]:
        bench = workbench(policy, Newline(), RoutedVerifier(), scorer=ScriptedScorer())
        search = Beam(beams=2, width=4, growing=GROWING)
        return list(await asyncio.gather(*(search.solve(problem, bench) for problem in PROBLEMS)))

    return asyncio.run(together())


def spent(results: list[SearchResult]) -> Spend:
    return sum((result.spend for result in results), Spend())


def test_a_beam_reads_a_fraction_and_finds_the_same() -> None:
    policy = PolicyChoice(path="quickstart").load()
    assert isinstance(policy, TransformersPolicy)
    ours, plain = solved(policy), solved(replace(policy, remembered_tokens=0))
    assert [[each.text for each in one.traces] for one in ours] == [[each.text for each in one.traces] for one in plain]
    assert [one.answer for one in ours] == [one.answer for one in plain]
    assert spent(ours).policy_tokens == spent(plain).policy_tokens
    assert spent(ours).prompt_tokens < spent(plain).prompt_tokens / 3
