import asyncio

from stepward.labelers.rolling import Ending, Rollouts, Tally
from stepward.labelers.tallies import made_by
from stepward.policies.fake import ScriptedPolicy
from stepward.policies.wrappers import RetryingPolicy
from stepward.types import Problem, Spend, Verdict

PROBLEM = Problem(id="p", text="?", answer="right")


class EndsRight:
    async def verify(self, problem: Problem, text: str) -> Verdict:
        return Verdict(outcome="equal" if text.endswith("right") else "different")


def rollouts(policy: ScriptedPolicy) -> Rollouts:
    return Rollouts(problem=PROBLEM, policy=policy, verifier=EndsRight())


def scripted() -> ScriptedPolicy:
    return ScriptedPolicy(script=lambda request, draw: f"{draw} right" if draw % 3 == 0 else f"{draw} wrong")


def test_completions_are_the_same_however_many_are_asked_for_at_a_time() -> None:
    async def in_parts(*parts: int) -> list[Ending]:
        kept = rollouts(scripted())
        for n in parts:
            await kept.first("a\n", n)
        return list(await kept.first("a\n", 7))

    assert asyncio.run(in_parts(7)) == asyncio.run(in_parts(1, 2, 6)) == asyncio.run(in_parts(7, 3))


def test_nothing_is_drawn_twice_by_those_who_ask_at_once() -> None:
    policy = scripted()
    kept = rollouts(policy)

    async def together() -> list[Tally]:
        return await asyncio.gather(*(kept.count("a\n", n) for n in (4, 2, 8, 8)))

    tallies = asyncio.run(together())
    assert [tally.trials for tally in tallies] == [4, 2, 8, 8]
    assert sum(request.n for request in policy.calls) == 8


def test_each_completion_is_paid_for_once_and_counts_as_discarded() -> None:
    async def bills() -> tuple[Spend, Spend, Spend]:
        kept = rollouts(scripted())
        await kept.first("a\n", 3)
        await kept.first("b\n", 2)
        return kept.bill(["a\n", "a\n"]), kept.bill(["a\n", "b\n"]), kept.bill(["a\n", "b\n"])

    first, second, third = asyncio.run(bills())
    assert first == Spend(policy_tokens=6, discarded_tokens=6, policy_calls=1, verifier_calls=3)
    assert second.policy_tokens == 4 and third == Spend()


def test_labels_name_the_completer_whatever_it_is_wrapped_in() -> None:
    policy = scripted()
    wrapped = Rollouts(problem=PROBLEM, policy=RetryingPolicy(policy=policy), verifier=EndsRight())
    named = made_by("rollout", wrapped, {"n": 8}).settings["completer"]
    assert named == f"policy:scripted@{policy.origin.revision}"
    assert named == made_by("rollout", rollouts(policy), {}).settings["completer"]
