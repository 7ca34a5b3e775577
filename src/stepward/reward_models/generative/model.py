"""The language model behind a judge: who writes critiques, who weighs verdicts, and how turns become a prompt.

With `render` the dialogue becomes one text, forced openings and everything written so far included, and the policy
continues that text as it stands: exact for every chat template, and tokenised as one text as the reference code does.
Without it the policy's own chat template wraps the only user turn and the rest is a prefix of its answer; system turns
and dialogues are then refused, unless the policy is one that takes a whole dialogue (`messages`), as servers do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from stepward.errors import ResourceError
from stepward.protocols import Policy
from stepward.reward_models.generative.choosing import Chooser
from stepward.reward_models.generative.prompts import Turn
from stepward.types import UNKNOWN, Json, Origin, Problem, SampleRequest, content_key

RESERVE = 64
"""Tokens of the model's context that a critique leaves for closing phrase and verdict."""


@dataclass(frozen=True, eq=False, kw_only=True)
class JudgeModel:
    """Live parts of a judge; belongs to one event loop where they do."""

    policy: Policy
    chooser: Chooser | None = None
    """None where the policy cannot tell chances: verdicts are then read from what it writes."""
    render: Callable[[Sequence[Turn]], str] | None = None
    room: Callable[[SampleRequest], int] | None = None
    """Tokens that fit behind a request's text; None where the policy does not tell. Critiques keep `RESERVE` free."""
    controls: frozenset[str] = frozenset()
    """Control tokens of the model; a problem or step that holds one is refused."""
    origin: Origin = UNKNOWN
    messages: str = ""
    """Key of `problem.meta` under which the policy looks for a dialogue; empty where it takes none."""
    held_to: Callable[[Mapping[str, Json]], Policy] | None = None
    """The policy with its answers held to a JSON schema; None where it cannot be."""
    choosing: Callable[[Sequence[str]], Policy] | None = None
    """The policy with its answers held to one of some texts; None where it cannot be."""

    def fitted(self, request: SampleRequest) -> SampleRequest:
        """`request` with a limit of tokens that leaves room for the verdict."""
        if self.room is None:
            return request
        most = min(request.sampling.max_tokens, self.room(request) - RESERVE)
        return replace(request, sampling=replace(request.sampling, max_tokens=max(1, most)))

    def place(self, turns: Sequence[Turn], text: str) -> tuple[Problem, str]:
        """Problem and prefix that ask the policy to go on after `text`, the judge's answer to `turns` so far.

        The problem's id is a hash of what is asked, so equal questions draw equal samples.
        """
        if self.render is not None:
            whole = self.render(turns) + text
            return Problem(id=content_key("judge", whole), text=whole), ""
        if self.messages:
            shown: list[Json] = [[turn.role, turn.text] for turn in turns]
            last = turns[-1].text
            return Problem(id=content_key("judge", shown), text=last, meta={self.messages: shown}), text
        if [turn.role for turn in turns] != ["user"]:
            raise ResourceError(
                "this policy is asked through its own chat template and can be shown one user turn alone",
                got=[turn.role for turn in turns],
                mend="give a JudgeModel with `render`, as `local_judge` does",
            )
        return Problem(id=content_key("judge", turns[0].text), text=turns[0].text), text
