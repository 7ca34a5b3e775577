"""Judges what searches answered, each different answer to a problem once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from stepward.evaluation.compare import Attempt
from stepward.protocols import SearchResult, Verifier
from stepward.types import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Verdicts on the results of a comparison."""

    attempts: Mapping[str, Attempt]
    """By key of the result, arm/seed/problem."""
    pool: Mapping[str, tuple[float, float]]
    """By problem, pass@1 and pass@N of the arm that draws whole traces; empty without one."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Bench:
    """The problems with their verifier. Belongs to one event loop."""

    verifier: Verifier
    problems: Mapping[str, Problem]
    _known: dict[tuple[str, str], asyncio.Task[bool | None]] = field(default_factory=dict, init=False)

    async def judge(self, results: Mapping[str, SearchResult], pool: str) -> Judged:
        """Whether each result is right; an abstention is not. `pool` names the arm for pass@1 and pass@N, if any."""
        attempts = await asyncio.gather(*(self._attempt(key, found) for key, found in results.items()))
        drawn = [found for key, found in results.items() if pool and key.startswith(f"{pool}/")]
        shares: dict[str, list[tuple[float, float]]] = {}
        for found, right in zip(drawn, await asyncio.gather(*map(self._each, drawn)), strict=True):
            shares.setdefault(found.problem_id, []).append((sum(right) / max(1, len(right)), float(any(right))))
        ends = {p: (sum(a for a, _ in r) / len(r), sum(b for _, b in r) / len(r)) for p, r in shares.items()}
        return Judged(attempts=dict(zip(results, attempts, strict=True)), pool=ends)

    async def _attempt(self, key: str, found: SearchResult) -> Attempt:
        arm, seed, _ = key.split("/", 2)
        text = found.traces[found.chosen].text if found.chosen is not None else None
        return Attempt(
            arm=arm,
            problem_id=found.problem_id,
            seed=int(seed),
            correct=False if text is None else await self._right(found.problem_id, text, found.answer),
            spend=found.spend,
            abstained=text is None,
        )

    async def _each(self, found: SearchResult) -> list[bool]:
        """Whether each trace is right; one whose verdict is undecided counts as wrong here."""
        right = await asyncio.gather(*(self._right(found.problem_id, t.text, t.answer) for t in found.traces))
        return [bool(each) for each in right]

    async def _right(self, problem_id: str, text: str, answer: str | None) -> bool | None:
        key = (problem_id, text if answer is None else f"answer {answer}")
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self._verdict(problem_id, text))
        return await self._known[key]

    async def _verdict(self, problem_id: str, text: str) -> bool | None:
        return (await self.verifier.verify(self.problems[problem_id], text)).correct
