r"""Steps in characters -> steps in tokens, by the offsets that a tokenizer returns.

A token belongs to the step in which it starts. Tokenizers merge over borders (".\n\n" + "Next" may become ".",
"\n\nNext"): such a token straddles two steps and is counted to the first, or refused with `straddling="error"`.
Tokens without characters (special ones, at (0, 0) in Hugging Face's offsets) belong to no step.

Degenerate cases: tokens that end before the text does (cut at a context limit) and a step in which no token
starts are errors: a step without a token would get no score, or another step's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stepward.errors import TraceError
from stepward.types import Step


@dataclass(frozen=True, slots=True)
class TokenSpan:
    """Tokens `first` to `last`, both included; the last one is where a score at the step's end is read."""

    first: int
    last: int


def token_spans(
    steps: Sequence[Step], offsets: Sequence[tuple[int, int]], *, straddling: Literal["first", "error"] = "first"
) -> tuple[TokenSpan, ...]:
    """One span of token positions per step. `offsets` hold each token's characters (start, end) in the trace's text.

    Raises `TraceError` where a step holds no token, the tokens stop before the text, or one straddles unwanted.
    """
    owners = step_of_tokens(steps, offsets)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for token, owner in enumerate(owners):
        if owner is not None:
            first.setdefault(owner, token)
            last[owner] = token
            if straddling == "error" and offsets[token][1] > steps[owner].end:
                raise TraceError(
                    f"token {token} straddles the end of step {owner}",
                    got=offsets[token],
                    mend="encode each step by itself and join the ids",
                )
    reached = max((end for _, end in offsets), default=0)
    for index, step in enumerate(steps):
        if index not in first or reached < step.end:
            raise TraceError(
                f"step {index}, characters {step.start} to {step.end}, is not covered by tokens of its own",
                got=f"{len(offsets)} tokens that end at character {reached}",
                mend="pass the offsets of the whole text, or encode each step by itself",
            )
    return tuple(TokenSpan(first[index], last[index]) for index in range(len(steps)))


def step_of_tokens(steps: Sequence[Step], offsets: Sequence[tuple[int, int]]) -> tuple[int | None, ...]:
    """For each token the index of the step in which it starts; None for a token without characters."""
    owners: list[int | None] = []
    index = 0
    for start, end in offsets:
        while index < len(steps) and end > start >= steps[index].end:
            index += 1
        inside = end > start and index < len(steps)
        owners.append(index if inside else None)
    return tuple(owners)
