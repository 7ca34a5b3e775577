"""What a model reads, as pieces of text: frames around the steps, the steps, and the marks where scores are read.

A layout knows no tokenizer. It says which characters belong to which step and where the marks stand; `encode.py` finds
the tokens. A chat's frames come from the checkpoint's own template, which `Frames` asks for the text between messages.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stepward.reward_models.formats.record import PRMFormat

Role = Literal["frame", "step", "mark", "drop"]

NUMBERED = re.compile(r"\s*Step\s+\d+\s*[:.]\s*")
"""The number that a step brings with it, where the format writes one of its own."""
BREAKS = re.compile(r"\s*[\r\n]+\s*")


@dataclass(frozen=True, slots=True)
class Piece:
    """Some text. A mark stands once per step that is read; a drop forces a token boundary and is taken out again."""

    text: str
    role: Role = "frame"


@dataclass(frozen=True, slots=True)
class Frame:
    """What a chat template writes around messages: one text before, between and after each."""

    texts: tuple[str, ...]
    trims: tuple[bool, ...]
    """For each message: white space at its ends is cut."""


Frames: TypeAlias = Callable[[tuple[str, ...], bool], Frame]
"""Roles of the messages, and whether an assistant's turn is opened after them, to what stands around them."""


def problem_text(format: PRMFormat, text: str) -> str:
    """The text of a problem as the format writes it, before its template."""
    return BREAKS.sub(" ", text) if format.line_breaks == "space" else text


def step_text(format: PRMFormat, text: str) -> str:
    """The text of a step as the format writes it, before its template."""
    text = problem_text(format, text)
    if "{number}" in format.step and (brought := NUMBERED.match(text)):
        text = text[brought.end() :]
    return text.strip() if format.strip else text


def layout(format: PRMFormat, problem: str, steps: Sequence[str], frames: Frames, *, first: int = 0) -> list[Piece]:
    """The pieces for `steps`, the first of which is step `first` of its trace, in reading order."""
    if format.layout == "turns":
        return _turns(format, problem, steps, frames, first)
    prompt = _marked_out(format, _fill(format.prompt, problem=problem))
    written = _written(format, steps, first)
    if format.layout == "plain":
        return [*prompt, *written]
    return _chat(format, prompt, written, frames)


def one_pass(
    format: PRMFormat, problem: str, steps: Sequence[str], found: Sequence[str], frames: Frames
) -> list[Piece]:
    """The pieces of the pass that asks about the last of `steps` when the answers `found` are known."""
    *before, newest = steps
    asks = next(text for text in format.passes if len(set(re.findall(r"\{\d\}", text))) == len(found))
    for index, answer in enumerate(found):
        asks = asks.replace(f"{{{index}}}", answer)
    written = [Piece(text) for step in before for text in (step, format.between)]
    for piece in _fill(asks, step=newest):
        for index, text in enumerate([piece.text] if piece.role == "step" else piece.text.split(format.marker)):
            written += [*([Piece(format.marker, "mark")] if index else []), Piece(text, piece.role)]
    return _chat(format, _fill(format.prompt, problem=problem), written, frames)


def _chat(format: PRMFormat, prompt: list[Piece], written: list[Piece], frames: Frames) -> list[Piece]:
    contents = [("user", [*prompt, *written] if format.steps_in == "user" else prompt)]
    opened = format.generation_prompt
    if format.steps_in == "assistant" and not opened:
        contents.append(("assistant", written))
    pieces = _dialogue(format, contents, frames, opened)
    return [*pieces, *written] if format.steps_in == "assistant" and opened else pieces


def _turns(format: PRMFormat, problem: str, steps: Sequence[str], frames: Frames, first: int) -> list[Piece]:
    contents: list[tuple[str, list[Piece]]] = []
    for index, step in enumerate(steps or [""]):
        template = format.step if index else format.prompt
        contents.append(("user", _fill(template, problem=problem, step=step, number=str(first + index + 1))))
        if steps:
            contents.append(("assistant", [Piece(format.answer, "mark")]))
    return _dialogue(format, contents, frames, False)


def _dialogue(format: PRMFormat, contents: list[tuple[str, list[Piece]]], frames: Frames, opened: bool) -> list[Piece]:
    if format.system:
        contents = [("system", [Piece(format.system)]), *contents]
    frame = frames(tuple(role for role, _ in contents), opened)
    pieces = [Piece(frame.texts[0])]
    for (_, content), after, trims in zip(contents, frame.texts[1:], frame.trims, strict=True):
        pieces += [*(_trimmed(content) if trims else content), Piece(after)]
    return pieces


def _written(format: PRMFormat, steps: Sequence[str], first: int) -> list[Piece]:
    """Steps of a plain text or of one message: each as its template writes it, then the marker."""
    pieces: list[Piece] = []
    for index, step in enumerate(steps):
        if index and format.between:
            pieces.append(Piece(format.between))
        filled = _fill(format.step, step=step, number=str(first + index + 1))
        pieces.append(Piece("".join(piece.text for piece in filled), "step"))
        if format.marker:
            pieces.append(Piece(format.marker, "mark"))
    return pieces


def _fill(template: str, **values: str) -> list[Piece]:
    """`template` with its placeholders filled in once, so that braces inside a value stay what they are."""
    parts = re.split(r"\{(problem|step|number)\}", template)
    pieces = [
        Piece(values[part], "step" if part == "step" else "frame") if index % 2 else Piece(part)
        for index, part in enumerate(parts)
    ]
    return [piece for piece in pieces if piece.text or piece.role == "step"]


def _marked_out(format: PRMFormat, pieces: list[Piece]) -> list[Piece]:
    """The prompt's own boundaries, for a format that takes its markers out again."""
    if format.keep_marker:
        return pieces
    found: list[Piece] = []
    for piece in pieces:
        for index, text in enumerate(piece.text.split(format.marker)):
            found += [*([Piece(format.marker, "drop")] if index else []), *([Piece(text)] if text else [])]
    return found


def _trimmed(content: list[Piece]) -> list[Piece]:
    """`content` without white space at both ends, as a template that trims writes it."""
    pieces = list(content)
    for order, cut in ((1, str.lstrip), (-1, str.rstrip)):
        for index in range(len(pieces))[::order]:
            pieces[index] = Piece(cut(pieces[index].text), pieces[index].role)
            if pieces[index].text:
                break
    return pieces


def merged(pieces: Sequence[Piece]) -> list[Piece]:
    """`pieces` with neighbouring frames as one, the parts that are tokenised alone."""
    found: list[Piece] = []
    for piece in pieces:
        if found and piece.role == found[-1].role == "frame":
            found[-1] = Piece(found[-1].text + piece.text)
        elif piece.text:
            found.append(piece)
    return found
