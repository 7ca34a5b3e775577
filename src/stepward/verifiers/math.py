r"""Verdicts on mathematical answers: exact arithmetic first, computer algebra in killable processes after it.

    text -> stated answer -> limits -> fast path -> rewriting rules -> math-verify in a worker

equal and different are decisions; unparsable is an answer that is missing, unreadable or refused by the strict profile;
undecided is a time-out, a fault or an answer over a limit, and never means "different".

The `strict` profile is for rewards: it refuses answers that are not worked out (2+2 for 4), several different boxes and
chains of relations (x = 5 = 6), allows no rounding, and takes 100 % and 10 degrees for other numbers than 100 and 10.
There the comparison is not symmetric: an answer may leave out the unit of the reference, never bring one.

Library: math-verify (Hugging Face), extra `math`; only needed where the fast path does not decide.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from stepward.errors import ConfigError
from stepward.types import Origin, Problem, Verdict
from stepward.verifiers.extract import reference_answer, stated_answer
from stepward.verifiers.limits import Limits
from stepward.verifiers.normal import fast_verdict
from stepward.verifiers.pool import Check, Grader, shared_workers
from stepward.verifiers.rewrite import for_algebra
from stepward.verifiers.tidy import squeezed

Profile = Literal["lenient", "strict"]
LIBRARIES = ("math-verify", "latex2sympy2_extended", "sympy", "antlr4-python3-runtime", "gmpy2")


@dataclass(frozen=True, slots=True, kw_only=True)
class MathVerifier:
    """Judges mathematical answers. A `Verifier` by itself: it uses the worker pool that the process shares."""

    seconds: float = 3.0
    """Limit of one check in a worker; 1 suits reinforcement learning."""
    profile: Profile = "lenient"
    last_number: bool = False
    """Take the last number of a text that states no answer."""
    processes: int = 2
    """Size of the shared pool; it starts when the fast path first does not decide."""
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 < self.seconds <= 600:
            raise ConfigError("math.seconds must lie in (0, 600]", got=self.seconds)
        if self.profile not in ("lenient", "strict"):
            raise ConfigError("math.profile must be lenient or strict", got=self.profile)
        if self.processes < 1:
            raise ConfigError("math.processes must be at least 1", got=self.processes)

    @property
    def origin(self) -> Origin:
        """Settings and library versions: what a label that rests on a verdict must name."""
        versions = {name: version for name in LIBRARIES if (version := _version(name))}
        return Origin(maker="verifier:math", settings={**asdict(self), "libraries": versions})

    async def verify(self, problem: Problem, text: str, *, workers: Grader | None = None) -> Verdict:
        """Judge the answer that `text` states. `workers` is a pool of your own; None is the shared one.

        Raises `ResourceError` where the problem has no reference answer, `MissingExtraError` where
        math-verify is needed and not installed.
        """
        gold = reference_answer(problem)
        stated = stated_answer(text, last_number=self.last_number)
        if stated is None:
            return Verdict(outcome="unparsable", reason="the text states no answer")
        if stated.several and self.profile == "strict":
            return Verdict(outcome="unparsable", answer=stated.answer, reason="strict: several different boxes")
        return await self.compare(gold, stated.answer, workers=workers)

    async def compare(self, gold: str, answer: str, *, workers: Grader | None = None) -> Verdict:
        """Judge `answer`, already extracted, against `gold`."""
        early = self.decide_early(gold, answer)
        if early is not None:
            return replace(early, answer=answer)
        check = Check(*for_algebra(gold, answer), self.seconds)
        future = (workers or shared_workers(self.processes)).submit(check)
        # The future is shared between equal checks: a caller that is cancelled must not cancel it.
        verdict = await asyncio.shield(asyncio.wrap_future(future))
        return replace(verdict, answer=answer)

    def decide_early(self, gold: str, answer: str) -> Verdict | None:
        """The verdict where no worker is needed: limits and the fast path; None otherwise."""
        refusal = self.limits.refusal(answer)
        if refusal:
            same = len(gold) == len(answer) and squeezed(gold) == squeezed(answer)
            return Verdict(outcome="equal") if same else Verdict(outcome="undecided", reason=f"answer: {refusal}")
        refusal = self.limits.refusal(gold)
        if refusal:
            return Verdict(outcome="undecided", reason=f"reference answer: {refusal}")
        return fast_verdict(gold, answer, strict=self.profile == "strict")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
