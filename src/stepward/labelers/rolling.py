"""The completions of prefixes of one problem: written when they are asked for, judged, kept and counted.

Completion i of a prefix depends on problem, prefix, sampling and i alone. So the first n completions are the same
whoever asked for them, with whatever n before: a labeler that draws eight at once and one that draws two, then six,
count the same eight, and traces that share a prefix share its completions.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from stepward.protocols import Policy, Resources, Verifier
from stepward.types import Completion, Finish, Problem, SampleRequest, Sampling, Spend, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """One completion of a prefix."""

    text: str
    """What was written behind the prefix."""
    correct: bool | None
    """None where the verdict is undecided, or the completion failed."""
    tokens: int
    """Tokens that were written."""
    finish: Finish = "stop"
    error: str = ""
    """Why it failed, where it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What completions of one prefix came to."""

    successes: int = 0
    trials: int = 0
    """Completions whose verdict was decided."""
    undecided: int = 0
    failed: int = 0

    @classmethod
    def of(cls, endings: Iterable[Ending]) -> Tally:
        """The counts of `endings`."""
        drawn = list(endings)
        failed = sum(bool(each.error) for each in drawn)
        decided = [each.correct for each in drawn if each.correct is not None]
        undecided = len(drawn) - failed - len(decided)
        return cls(successes=sum(decided), trials=len(decided), undecided=undecided, failed=failed)

    @property
    def drawn(self) -> int:
        """Completions asked for, decided or not."""
        return self.trials + self.undecided + self.failed


@dataclass(eq=False, kw_only=True)
class Rollouts:
    """Every completion of prefixes of `problem` that was asked for. Live state: belongs to one event loop."""

    problem: Problem
    policy: Policy
    verifier: Verifier
    sampling: Sampling = Sampling()
    _endings: dict[str, list[Ending]] = field(default_factory=lambda: defaultdict(list), init=False)
    _unpaid: dict[str, Spend] = field(default_factory=lambda: defaultdict(Spend), init=False)
    _locks: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock), init=False)

    @classmethod
    def of(cls, problem: Problem, resources: Resources, sampling: Sampling) -> Rollouts:
        """Completions by the policy of `resources`, judged by its verifier."""
        return cls(
            problem=problem,
            policy=resources.need_policy(),
            verifier=resources.need_verifier(),
            sampling=sampling,
        )

    async def first(self, prefix: str, n: int) -> Sequence[Ending]:
        """The first `n` completions of `prefix`; only those that nobody asked for before are written."""
        async with self._locks[prefix]:
            known = self._endings[prefix]
            if len(known) < n:
                known.extend(await self._draw(prefix, len(known), n - len(known)))
            return tuple(known[:n])

    async def count(self, prefix: str, n: int) -> Tally:
        """What the first `n` completions of `prefix` came to."""
        return Tally.of(await self.first(prefix, n))

    def bill(self, prefixes: Iterable[str]) -> Spend:
        """What the completions of `prefixes` cost and nobody paid for yet. Asked again, it is nothing."""
        return sum((self._unpaid.pop(prefix) for prefix in dict.fromkeys(prefixes) if prefix in self._unpaid), Spend())

    async def _draw(self, prefix: str, start: int, n: int) -> list[Ending]:
        request = SampleRequest(problem=self.problem, prefix=prefix, n=n, sampling=self.sampling, first_draw=start)
        completions = await self.policy.sample(request)
        judged = await asyncio.gather(*(self._judge(prefix, each) for each in completions))
        spend = sum((each.spend for each in completions), Spend(verifier_calls=sum(v is not None for v in judged)))
        self._unpaid[prefix] += replace(spend, discarded_tokens=spend.policy_tokens)  # they end in no returned trace
        return [
            Ending(
                text=completion.text,
                correct=verdict.correct if verdict else None,
                tokens=completion.spend.policy_tokens,
                finish=completion.finish,
                error=completion.error or "failed" if completion.finish == "error" else "",
            )
            for completion, verdict in zip(completions, judged, strict=True)
        ]

    async def _judge(self, prefix: str, completion: Completion) -> Verdict | None:
        if completion.finish == "error":
            return None
        return await self.verifier.verify(self.problem, prefix + completion.text)
