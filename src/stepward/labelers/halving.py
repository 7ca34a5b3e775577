"""Binary search for the first error of a wrong trace, where each look at a prefix is noisy.

An index counts the steps that are kept. A prefix is alive where a completer can still end right from it. Between a low
index known alive (0, the problem itself) and a high one known dead (the whole wrong trace), ask the prefix in the
middle: alive, the first error stands to the right; dead, to the left. When they are neighbours, step `dead - 1` is the
first error. Of M steps ceil(log2 M) prefixes are asked, against M by brute force.

How a prefix is asked is `Asking`: `k` completions, alive if any ends right (the paper), or completions batch by batch
until the posterior is decisive. A prefix without a decided completion ends the search: what is known so far stands.

The search assumes that a dead prefix stays dead. A prefix called dead by bad luck, or a trace that corrects itself,
breaks that. With `verify` the next prefixes behind the error are asked too; where one is alive the search goes on
from there, and says how often (`rose`). It then finds the last fall, not the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from stepward.errors import ConfigError, LabelError
from stepward.labelers.adaptive import Stop, stop_for
from stepward.labelers.rolling import Rollouts, Tally
from stepward.types import Json, Problem

Ask: TypeAlias = Callable[[int], Awaitable[Tally]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How one prefix is asked whether it is alive."""

    k: int = 8
    stop: Stop | None = None
    """None draws `k` completions; otherwise they are drawn until this rule is satisfied, and `k` is not used."""

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ConfigError("k must be at least 1", got=self.k)

    def of(self, problem: Problem, options: int) -> Asking:
        """How to ask about `problem`: for multiple choice over the chance level, `LabelError` there without `stop`."""
        if problem.answer_kind == "choice" and self.stop is None:
            raise LabelError(
                f"problem {problem.id!r} is multiple choice: any of {self.k} completions can be a guess",
                mend="set `stop`, whose threshold is counted from the chance level",
            )
        return self if self.stop is None else Asking(k=self.k, stop=stop_for(problem, self.stop, options))

    async def count(self, prefix: str, rollouts: Rollouts) -> Tally:
        """What completions of `prefix` came to."""
        if self.stop is None:
            return await rollouts.count(prefix, self.k)
        return await self.stop.count(prefix, rollouts)

    def alive(self, tally: Tally) -> bool | None:
        """Whether `tally` says alive; a posterior that is not decisive goes by its larger half. None without trials."""
        if tally.trials == 0:
            return None
        if self.stop is None or self.stop.first_success:
            return tally.successes > 0
        return self.stop.posterior.above(self.stop.threshold, tally.successes, tally.trials) >= 0.5

    def lives(self, root: Tally, problem: Problem) -> bool:
        """Whether `problem` can be solved, by the tally of its own completions; `LabelError` where none was decided."""
        lives = self.alive(root)
        if lives is None:
            raise LabelError(
                f"no completion of problem {problem.id!r} could be decided",
                got=f"{root.failed} failed, {root.undecided} undecided",
            )
        return lives

    def settings(self) -> dict[str, Json]:
        """The rule as `origin.settings` keeps it."""
        return {"rule": "fixed", "k": self.k} if self.stop is None else self.stop.settings()


@dataclass(slots=True, kw_only=True)
class Found:
    """What a search knows. The first error is step `dead - 1` where `dead == alive + 1`."""

    alive: int = 0
    """Most steps kept that were found alive."""
    dead: int | None = None
    """Fewest steps kept, over `alive`, that were found dead; None where none was."""
    counted: dict[int, Tally] = field(default_factory=dict)
    """By steps kept, in the order of asking."""
    rose: int = 0
    """How often a prefix behind a dead one was found alive."""

    @property
    def first_error(self) -> int | None:
        """0-based step; None where it was not pinned down."""
        return self.alive if self.dead == self.alive + 1 else None


@dataclass(eq=False, kw_only=True)
class Halving:
    """One search."""

    ask: Ask
    """The tally of the prefix with this many steps."""
    alive: Callable[[Tally], bool | None]
    verify: int = 0
    """Prefixes behind the found error that are asked too."""

    async def between(self, alive: int, dead: int) -> Found:
        """The fall between `alive` and `dead`, indexes whose state is known."""
        found = Found(alive=alive, dead=dead)
        while await self._halve(found) and (risen := await self._risen(found, dead)):
            found.alive, found.dead = risen, dead
            found.rose += 1
        return found

    async def _halve(self, found: Found) -> bool:
        """Whether the ends met."""
        while found.dead is not None and found.dead - found.alive > 1:
            middle = (found.alive + found.dead) // 2
            found.counted[middle] = await self.ask(middle)
            lives = self.alive(found.counted[middle])
            if lives is None:
                return False
            found.alive, found.dead = (middle, found.dead) if lives else (found.alive, middle)
        return True

    async def _risen(self, found: Found, end: int) -> int | None:
        """The last of the prefixes behind the error that is alive."""
        dead = found.dead or end
        behind = range(dead + 1, min(dead + self.verify + 1, end))
        asked = dict(zip(behind, await asyncio.gather(*map(self.ask, behind)), strict=True))
        found.counted.update(asked)
        return max((index for index, tally in asked.items() if self.alive(tally)), default=None)
