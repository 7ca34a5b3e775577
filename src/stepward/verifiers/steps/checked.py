r"""Labels by checking what a step itself claims: its arithmetic exactly, its identities by computer algebra.

    a claim fails                     0, and the note names it
    claims hold, none fails           1 with says="claims", no label with says="errors"
    nothing could be decided          no label

The target is validity, of the arithmetic alone: a step whose sums hold may use the wrong numbers, so most errors of
reasoning pass, and by default only the zeros are labels. They need no model, no samples and no reference answer. A
faulty number carried into later steps is not held against them. Numbers are decided in this process by rational
arithmetic under limits; roots, constants and unknowns go to the killable workers of `verifiers.pool`.

Idea: executable checks as step labels, as in FoVer, arXiv 2505.15960, which uses formal provers.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from stepward.errors import ConfigError
from stepward.protocols import Resources
from stepward.types import Json, LabeledTrace, Origin, Problem, Spend, StepLabel, Trace, Verdict
from stepward.verifiers.pool import Check, Grader, shared_workers
from stepward.verifiers.rewrite import for_algebra
from stepward.verifiers.steps.arithmetic import Decision, decide
from stepward.verifiers.steps.equations import claims
from stepward.verifiers.steps.identities import Link, links


@dataclass(frozen=True, slots=True)
class Checked:
    """One claim of a step and what came of it."""

    text: str
    decision: Decision
    asked: bool = False
    """A worker was asked."""


@dataclass(frozen=True, kw_only=True)
class CheckedLabeler:
    """A `Labeler` that needs no resources: claims of numbers and identities, checked one by one."""

    says: Literal["errors", "claims"] = "errors"
    """errors: only zeros are labels; claims: 1 where at least one claim holds and none fails."""
    algebra: bool = True
    """Send what rational arithmetic cannot decide to the workers; needs the extra `math`."""
    seconds: float = 3.0
    """Limit of one check in a worker."""
    processes: int = 2
    """Size of the pool that the process shares; it starts with the first check."""

    def __post_init__(self) -> None:
        if self.says not in ("errors", "claims"):
            raise ConfigError('checked.says must be "errors" or "claims"', got=self.says)
        if not 0 < self.seconds <= 600 or self.processes < 1:
            raise ConfigError(
                "checked needs 0 < seconds <= 600 and at least one process", got=(self.seconds, self.processes)
            )

    async def label(
        self, problem: Problem, trace: Trace, resources: Resources | None = None, *, workers: Grader | None = None
    ) -> LabeledTrace:
        """`trace` with a validity label for each step that its own claims decide.

        `workers` is a pool of your own. Raises `MissingExtraError` where math-verify is needed and not installed.
        """
        texts = [
            "" if step.kind == "observation" else text for step, text in zip(trace.steps, trace.step_texts, strict=True)
        ]
        steps = await asyncio.gather(*(self.check(text, context=problem.text, workers=workers) for text in texts))
        return LabeledTrace(
            trace=trace,
            labels=tuple(self._label(checked) for checked in steps),
            spend=Spend(verifier_calls=sum(one.asked for checked in steps for one in checked)),
            meta=_summary(steps),
        )

    async def check(self, text: str, *, context: str = "", workers: Grader | None = None) -> list[Checked]:
        """Every claim of the step `text`, decided. `context` is the problem's text."""
        found = [Checked(claim.text, decide(claim)) for claim in claims(text, context=context)]
        if not self.algebra:
            return found
        asked = (self._ask(link, workers) for link in links(text, context=context))
        return found + list(await asyncio.gather(*asked))

    async def _ask(self, link: Link, workers: Grader | None) -> Checked:
        check = Check(*for_algebra(link.left, link.right), self.seconds, identity=True)
        future = (workers or shared_workers(self.processes)).submit(check)
        return Checked(link.text, _judged(link, await asyncio.shield(asyncio.wrap_future(future))), asked=True)

    def _label(self, checked: Sequence[Checked]) -> StepLabel | None:
        failed = next((one for one in checked if one.decision.finding == "fails"), None)
        if failed is not None:
            return self._says(0.0, f"does not hold: {failed.text[:200]}")
        holding = sum(one.decision.finding == "holds" for one in checked)
        return self._says(1.0, f"{holding} claims hold") if holding and self.says == "claims" else None

    def _says(self, value: float, note: str) -> StepLabel:
        settings: dict[str, Json] = {k: v for k, v in asdict(self).items() if k != "processes"}
        origin = Origin(maker="labeler:checked", revision="1", settings=settings)
        return StepLabel(target="validity", value=value, source="checker", origin=origin, note=note)


def _judged(link: Link, verdict: Verdict) -> Decision:
    """What the worker's verdict means for a link; its reason names the unknowns."""
    if verdict.outcome == "equal":
        return Decision("holds")
    if verdict.outcome != "different":
        return Decision("undecided", verdict.reason)
    unknowns = verdict.reason.split()
    if not unknowns:
        return Decision("undecided", link.doubt or "numbers with a slash") if _loose(link) else Decision("fails")
    if len(unknowns) > 1 or unknowns[0] == "i" or not link.rewrites(unknowns[0]):
        return Decision("undecided", "an equation, not an identity")
    return Decision("undecided", link.doubt) if link.doubt else Decision("fails")


def _loose(link: Link) -> bool:
    """Whether a doubt, a decimal, or a slash before more than one factor leaves the numbers open."""
    return bool(link.doubt) or "." in link.text or "/" in link.text


def _summary(steps: Sequence[Sequence[Checked]]) -> dict[str, Json]:
    decisions = [one.decision for checked in steps for one in checked]
    found = Counter(decision.finding for decision in decisions)
    reasons = Counter(decision.reason for decision in decisions if decision.finding == "undecided")
    undecided: dict[str, Json] = dict(sorted(reasons.items()))
    return {"claims": len(decisions), "hold": found["holds"], "fail": found["fails"], "undecided": undecided}
