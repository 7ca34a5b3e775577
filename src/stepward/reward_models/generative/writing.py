"""A critique is written phase by phase; what fails on the way is an abstention with a reason, never text."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, runtime_checkable

from stepward.budget import Meter
from stepward.errors import ModelError
from stepward.protocols import Policy
from stepward.reward_models.generative.choosing import ChoiceRequest
from stepward.reward_models.generative.model import JudgeModel
from stepward.reward_models.generative.prompts import Turn
from stepward.reward_models.generative.reading import leading_verdict
from stepward.reward_models.generative.record import JudgeFormat, Phase
from stepward.reward_models.generative.structured import verdict_schema
from stepward.types import Completion, SampleRequest, Sampling

FENCE, PYTHON = "```", "```python"
VERDICT_TOKENS = 12
"""Written for a verdict where no chances are to be had."""


@runtime_checkable
class Runner(Protocol):
    """Who runs code that a judge wrote, where it can do no harm."""

    async def run(self, code: str) -> str:
        """What the code printed, or what went wrong, as the judge shall read it."""
        ...


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in one vote's answer so far, forced text included; `failed` says why it goes no further."""

    draw: int
    text: str = ""
    failed: str = ""
    cut: bool = False
    """Whether some phase reached its limit of tokens."""

    def followed_by(self, text: str) -> Draft:
        """The draft with `text` behind it."""
        return replace(self, text=self.text + text)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one verdict is worth; None is an abstention and `note` says why."""

    worth: float | None
    note: str = ""
    text: str = ""
    """The text that stands for it in what is written on."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Pen:
    """Writes and reads for one judge, and meters all of it."""

    format: JudgeFormat
    model: JudgeModel
    sampling: Sampling
    meter: Meter
    runner: Runner | None = None
    steps: int = 0
    """Steps of the trace, for answers that are held to a schema."""

    @cached_property
    def policy(self) -> Policy:
        """Who writes: held to the schema of the answer where the format has one and the policy can be."""
        if self.format.read != "json" or self.model.held_to is None:
            return self.model.policy
        return self.model.held_to(verdict_schema(self.format, self.steps))

    async def drafts(self, turns: Sequence[Turn], phases: Sequence[Phase], draws: range) -> list[Draft]:
        """One critique per draw; `phases` have their slots filled."""
        drafts = [Draft(draw) for draw in draws]
        for phase in phases:
            drafts = [draft if draft.failed else draft.followed_by(phase.opening) for draft in drafts]
            drafts = await self._phase(turns, phase, drafts)
        return drafts

    async def verdict(self, turns: Sequence[Turn], draft: Draft) -> Verdict:
        """The verdict that follows `draft`."""
        if self.model.chooser is None:
            return await self._written_verdict(turns, draft)
        problem, prefix = self.model.place(turns, draft.text)
        known = self.format.verdicts
        temperature = self.format.decision_temperature
        request = ChoiceRequest(problem=problem, prefix=prefix, choices=tuple(known), temperature=temperature)
        try:
            found = await self.model.chooser.choose(request)
        except ModelError as error:
            return Verdict(None, str(error))
        self.meter.add("verdicts", found.spend)
        chances = dict(zip(known, found.chances, strict=True))
        value = math.fsum(chances[text] * known[text] for text in known)
        return Verdict(min(1.0, max(0.0, value)), text=max(known, key=chances.__getitem__))

    async def _written_verdict(self, turns: Sequence[Turn], draft: Draft) -> Verdict:
        sampling = replace(self.sampling, max_tokens=VERDICT_TOKENS, stop=("\n",))
        policy = self.model.choosing(tuple(self.format.verdicts)) if self.model.choosing else self.policy
        (made,) = await self._sample(turns, [draft], sampling, policy)
        if made.finish == "error":
            return Verdict(None, made.error)
        text = leading_verdict(self.format.verdicts, made.text)
        if text is None:
            return Verdict(None, f"no verdict: {made.text[:40]!r}")
        return Verdict(self.format.verdicts[text], text=text)

    async def _phase(self, turns: Sequence[Turn], phase: Phase, drafts: Sequence[Draft]) -> list[Draft]:
        """Drafts that all stand at the same text are continued by one request, so that it is read once."""
        together = not phase.code_stop and len({draft.text for draft in drafts}) == 1
        if together and not any(draft.failed for draft in drafts):
            made = await self._sample(turns, drafts, self._asked(phase))
            return [_written(phase, draft, each) for draft, each in zip(drafts, made, strict=True)]
        return list(await asyncio.gather(*(self._alone(turns, phase, draft) for draft in drafts)))

    async def _alone(self, turns: Sequence[Turn], phase: Phase, draft: Draft) -> Draft:
        """One draft through one phase, its code run as often as the phase allows."""
        runs = phase.code_rounds if phase.code_stop else 0
        while not draft.failed:
            (made,) = await self._sample(turns, [draft], self._asked(phase))
            if not runs or not made.text.endswith(phase.code_stop):
                return _written(phase, draft, made)
            runs -= 1
            draft = await self._with_output(phase, draft.followed_by(made.text))
        return draft

    async def _with_output(self, phase: Phase, draft: Draft) -> Draft:
        """`draft` with what its last block of code printed."""
        assert self.runner is not None  # checked when the scorer was made
        _, found, behind = draft.text.rpartition(PYTHON)
        code = behind.partition(FENCE)[0].strip()
        output = await self.runner.run(code) if found else "no block of Python was found"
        return draft.followed_by(phase.code_output.replace("{output}", output.strip()))

    async def _sample(
        self, turns: Sequence[Turn], drafts: Sequence[Draft], sampling: Sampling, policy: Policy | None = None
    ) -> Sequence[Completion]:
        """One continuation for each of `drafts`, which stand at one text and have draws in a row."""
        problem, prefix = self.model.place(turns, drafts[0].text)
        first, n = drafts[0].draw, len(drafts)
        request = SampleRequest(problem=problem, prefix=prefix, n=n, sampling=sampling, first_draw=first)
        try:
            made = await (policy or self.policy).sample(self.model.fitted(request))
        except ModelError as error:
            return [Completion(text="", finish="error", error=str(error))] * n
        for each in made:
            self.meter.add("critiques", each.spend)
        return made

    def _asked(self, phase: Phase) -> Sampling:
        stop = (*phase.stop, phase.code_stop) if phase.code_stop else phase.stop
        return replace(self.sampling, stop=stop, max_tokens=phase.max_tokens)


def filled_phase(phase: Phase, fill: Callable[[str], str]) -> Phase:
    """`phase` with the slots of its texts filled."""
    stop = tuple(fill(text) for text in phase.stop)
    return replace(phase, opening=fill(phase.opening), stop=stop, ending=fill(phase.ending))


def _written(phase: Phase, draft: Draft, made: Completion) -> Draft:
    """`draft` with what was written, closed as `phase` says."""
    if made.finish == "error":
        return replace(draft, failed=made.error or "the policy failed")
    draft = replace(draft, cut=draft.cut or made.finish == "length")
    stopped = next((stop for stop in phase.stop if made.text.endswith(stop)), "")
    if stopped and phase.keep_stop:
        return draft.followed_by(made.text)
    return draft.followed_by(made.text.removesuffix(stopped) + phase.ending)
