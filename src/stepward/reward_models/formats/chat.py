"""What a checkpoint's chat template writes around messages.

The template is asked once per list of roles, with stand-ins for the messages, and what it writes is cut at them: where
a message stands is then known exactly, whatever its text says, and a template is not run once per trace.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from stepward.errors import ModelError
from stepward.reward_models.formats.layout import Frame

EDGE = "\u2003"
"""A space that no template writes itself: gone from around a stand-in, the template trims."""
STAND_IN = re.compile(rf"({EDGE}?)\ue000(\d+)\ue001({EDGE}?)")


@dataclass(frozen=True, eq=False)
class TemplateFrames:
    """The chat template of `tokenizer` as `Frames`; asked once per list of roles. Raises `ModelError`."""

    tokenizer: Any
    known: dict[tuple[tuple[str, ...], bool], Frame] = field(default_factory=dict)

    def __call__(self, roles: tuple[str, ...], opened: bool) -> Frame:
        """What stands around messages of these `roles`; `opened`: an assistant's turn is opened after them."""
        key = (roles, opened)
        if key not in self.known:
            self.known[key] = _frame(self.tokenizer, roles, opened)
        return self.known[key]


def _frame(tokenizer: Any, roles: tuple[str, ...], opened: bool) -> Frame:
    messages = [{"role": role, "content": f"{EDGE}\ue000{i}\ue001{EDGE}"} for i, role in enumerate(roles)]
    try:
        text = str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened))
    except Exception as error:  # a template is a program of the checkpoint's own and raises anything
        raise ModelError(
            f"the checkpoint's chat template refuses messages of the roles {', '.join(roles)}",
            got=str(error),
            mend="use the tokenizer that was published with the checkpoint, or a format for its template",
        ) from error
    texts = STAND_IN.split(text)
    if texts[2::4] != [str(index) for index in range(len(roles))]:
        raise ModelError(
            "the checkpoint's chat template drops, repeats or changes messages",
            got=texts[2::4],
            mend="use the tokenizer that was published with the checkpoint, or a format for its template",
        )
    return Frame(texts=tuple(texts[::4]), trims=tuple(not before for before in texts[1::4]))
