"""Scripted stand-ins for tests and examples: verdicts without mathematics or processes."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field

from stepward.types import Outcome, Problem, Verdict
from stepward.verifiers.pool import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedVerifier:
    """A `Verifier` that looks a text up; `otherwise` for one that is not in the script."""

    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    otherwise: Outcome = "unparsable"

    async def verify(self, problem: Problem, text: str) -> Verdict:
        """The outcome scripted for `text`, whatever the problem."""
        return Verdict(outcome=self.outcomes.get(text, self.otherwise), answer=text, reason="scripted")


@dataclass(slots=True, kw_only=True)
class ScriptedGrader:
    """A `Grader` that gives one verdict to every check and keeps what it was asked."""

    verdict: Verdict
    asked: list[Check] = field(default_factory=list)

    def submit(self, check: Check) -> Future[Verdict]:
        """The scripted verdict, at once."""
        self.asked.append(check)
        future: Future[Verdict] = Future()
        future.set_result(self.verdict)
        return future
