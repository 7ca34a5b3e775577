"""From a problem and a trace to token ids, as a format says; the same for training and scoring.

`formats/layout.py` writes problem and steps as pieces of text, `assemble.py` makes ids of them, and here everything is
checked. Number of read positions == number of steps, or an error; nothing is truncated. A format with `overflow:
window` reads long traces in windows, see `StepCodec.encode_windows`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stepward.errors import ModelError, ScoreError
from stepward.reward_models.encoding.assemble import Assembly
from stepward.reward_models.encoding.encoded import Encoded as Encoded
from stepward.reward_models.encoding.encoded import Window as Window
from stepward.reward_models.encoding.vocabulary import answers_of, control_of, ids_of, marker_of, named, opening_of
from stepward.reward_models.formats.chat import TemplateFrames
from stepward.reward_models.formats.layout import Piece, layout, one_pass, problem_text, step_text
from stepward.reward_models.formats.record import PRMFormat
from stepward.types import Problem, Trace

MOST_UNKNOWN = 0.2
"""Share of tokens outside the vocabulary above which scores would mean nothing."""


@dataclass(frozen=True, eq=False, kw_only=True)
class StepCodec:
    """A tokenizer bound to a format. Encoding raises `ScoreError` (a text) and `ModelError` (the model's limits)."""

    tokenizer: Any
    """A transformers tokenizer of the fast kind."""
    format: PRMFormat
    context: int
    """Most tokens that the model reads."""
    marker_id: int
    """Last id of the marker; for turns, of the answer."""
    marker_is_new: bool = False
    """The tokenizer on disk did not hold the marker: a model's embedding needs a row for it."""
    unknown_id: int | None = None
    """The id that stands for any text outside the vocabulary; None where the tokenizer knows every text."""
    opening: tuple[int, ...] = ()
    """Ids before everything else, such as beginning-of-sequence."""
    answer_ids: tuple[int, ...] = ()
    """For outputs tokens and token: id of the good answer, then of the bad one."""
    words: PRMFormat
    """The format with the names of special tokens filled in."""
    frames: TemplateFrames
    control: re.Pattern[str] | None = None
    """Special tokens, which would act inside a chat."""
    assembly: Assembly = field(init=False)

    def __post_init__(self) -> None:
        parts = Assembly(tokenizer=self.tokenizer, words=self.words, opening=self.opening, marker_id=self.marker_id)
        object.__setattr__(self, "assembly", parts)

    @classmethod
    def of(cls, tokenizer: Any, format: PRMFormat, *, context: int) -> StepCodec:
        """The codec for a tokenizer that already holds the marker.

        Raises `ModelError` where the tokenizer splits the marker, or has other ids than were published.
        """
        words = named(tokenizer, format)
        return cls(
            tokenizer=tokenizer,
            format=format,
            context=context,
            marker_id=marker_of(tokenizer, words),
            unknown_id=getattr(tokenizer, "unk_token_id", None),
            opening=opening_of(tokenizer, format),
            answer_ids=answers_of(tokenizer, format),
            words=words,
            frames=TemplateFrames(tokenizer),
            control=control_of(tokenizer) if format.chat else None,
        )

    @property
    def window(self) -> int:
        """Most tokens of one pass: what the model reads; for windows what it was trained on, where that is less."""
        trained = self.format.context if self.format.overflow == "window" else None
        return min(self.context, trained or self.context)

    def encode(self, problem: Problem, trace: Trace) -> Encoded:
        """Ids, step spans and one read position per step of `trace`."""
        return self.encode_many([(problem, trace)])[0]

    def encode_many(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[Encoded]:
        """One record per pair, in order; a trace over the limit is an error. Texts that repeat are tokenised once."""
        found = self._encode(pairs)
        for (_, trace), encoded in zip(pairs, found, strict=True):
            if len(encoded) > self.context:
                raise self._too_long(trace, len(encoded))
        return found

    def encode_windows(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[tuple[Window, ...]]:
        """For each pair the windows that together read every step of it once, in order: one where it fits.

        With `overflow: window` step k is read behind the problem and the steps f(k) to k - 1, with f(k) the smallest
        number for which they fit. So earlier scores do not change as a trace goes on, no score is made up for a step
        that was dropped, and steps of equal f(k) share a pass. With `overflow: error` a long trace is an error.
        """
        windows = self.format.overflow == "window"
        wholes = self._encode(pairs) if windows else self.encode_many(pairs)
        return [
            (Window(encoded=whole, start=0),) if len(whole) <= self.window else self._cut(problem, trace, whole)
            for (problem, trace), whole in zip(pairs, wholes, strict=True)
        ]

    def encode_pass(self, problem: Problem, trace: Trace, step: int, found: Sequence[str] = ()) -> Encoded:
        """One pass over one step of a format with `passes`: the pass that asks when the answers `found` are known.

        One span, the step's, and one read position per marker that the pass holds.
        """
        asked, texts = self._problem(problem), self._texts(trace, 0, step + 1)
        encoded = self.assembly.many([one_pass(self.words, asked, texts, found, self.frames)])[0]
        if len(encoded) > self.context:
            raise self._too_long(trace, len(encoded), f"step {step} of ")
        return encoded

    def text(self, problem: Problem, trace: Trace) -> str:
        """What is tokenised, as one text; what a chat template writes behind the last mark is part of it."""
        return "".join(piece.text for piece in self._pieces(problem, trace))

    def _encode(self, pairs: Sequence[tuple[Problem, Trace]], first: int = 0, end: int | None = None) -> list[Encoded]:
        """One record per pair, over the limit or not; of the steps from `first` to before `end` alone."""
        if self.format.passes:
            raise ModelError(
                f"format {self.format.name!r} asks its model {len(self.format.passes)} times for every step",
                mend="score it with the model's own class, which uses `encode_pass`",
            )
        found = self.assembly.many([self._pieces(problem, trace, first, end) for problem, trace in pairs])
        if self.format.read == "prefix":
            ends = [self._prefix_ends(problem, trace, first, end) for problem, trace in pairs]
            found = [_read_at(encoded, own) for encoded, own in zip(found, ends, strict=True)]
        for (problem, trace), encoded in zip(pairs, found, strict=True):
            self._check(problem, trace, encoded, first, len(trace.steps[first:end]))
        return found

    def _pieces(self, problem: Problem, trace: Trace, first: int = 0, end: int | None = None) -> list[Piece]:
        asked, texts = self._problem(problem), self._texts(trace, first, end)
        if not texts and (self.format.chat or self.format.assembly == "text"):
            return []  # nothing is read, and a text may tokenise otherwise once a step follows
        return layout(self.words, asked, texts, self.frames, first=first)

    def _texts(self, trace: Trace, first: int, end: int | None) -> list[str]:
        """The steps from `first` to before `end` as they are written, each checked."""
        texts = []
        for index, raw in list(enumerate(trace.step_texts))[first:end]:
            texts.append(step_text(self.words, raw))
            if not texts[-1]:
                raise _empty(trace, index)
            self._check_text(texts[-1], trace, index)
        return texts

    def _problem(self, problem: Problem) -> str:
        """The problem as it is written, checked."""
        if any(part.kind == "image" for part in problem.parts):
            raise ModelError(
                f"problem {problem.id!r} holds an image, and format {self.format.name!r} reads text alone",
                mend="leave problems with images out, or describe the image in the problem's text",
            )
        text = problem_text(self.words, problem.text)
        self._check_text(text, problem)
        return text

    def _check_text(self, text: str, owner: Problem | Trace, step: int = 0) -> None:
        if self.words.marker and self.format.inside == "refuse" and self.words.marker in f" {text}":
            raise self._marker_error(owner, step)
        found = self.control.search(text) if self.control else None
        if found:
            raise ScoreError(
                f"{_where(owner, step)} holds a special token of the model, which would break its dialogue",
                got=found[0],
                mend="remove it from the text",
            )

    def _check(self, problem: Problem, trace: Trace, encoded: Encoded, first: int, count: int) -> None:
        if not len(encoded.read_positions) == len(encoded.spans) == count:
            raise ScoreError(
                f"trace {trace.id} has {count} steps to score, and format {self.format.name!r} found other numbers of "
                "steps and of places to read",
                got=(len(encoded.spans), len(encoded.read_positions)),
                mend="check the format's texts: each step must be written and marked once",
            )
        for index, (start, end) in enumerate(encoded.spans, start=first):
            if start >= end:
                raise _empty(trace, index)
            if self.words.marker and self.format.inside == "refuse" and self.marker_id in encoded.ids[start:end]:
                raise self._marker_error(trace, index)
        unknown = encoded.ids.count(self.unknown_id) if self.unknown_id is not None else 0
        if unknown > MOST_UNKNOWN * len(encoded):
            raise ModelError(
                f"trace {trace.id} with its problem {problem.id!r} is foreign to this model: its tokenizer has no word "
                f"for {unknown} of {len(encoded)} tokens",
                mend="score it with a model that was trained on such texts",
            )

    def _prefix_ends(self, problem: Problem, trace: Trace, first: int, end: int | None) -> list[int]:
        """For each step the last index of the dialogue that ends with it, encoded by itself.

        As published: it keeps the template's end of turn, and what stands between steps follows unless it is whole.
        """
        count = len(trace.step_texts[first:end])
        texts = []
        for k in range(1, count + 1):
            text = "".join(piece.text for piece in self._pieces(problem, trace, first, first + k)).strip()
            texts.append(text + (self.words.between if k < count else ""))
        return [len(self.opening) + len(ids) - 1 for ids in ids_of(self.tokenizer, texts)]

    def _cut(self, problem: Problem, trace: Trace, whole: Encoded) -> tuple[Window, ...]:
        windows: list[Window] = []
        start, shown = 0, 0
        while start < len(trace):
            fits = self._longest(problem, trace, shown, start)
            if fits is None and shown == start:
                count = len(self._encode([(problem, trace)], start, start + 1)[0])
                raise self._too_long(trace, count, f"step {start} of ")
            if fits is None:
                shown += 1
                continue
            part = replace(fits, spans=fits.spans[start - shown :], read_positions=fits.read_positions[start - shown :])
            dropped = sum(b - a for a, b in whole.spans[:shown])
            windows.append(Window(encoded=part, start=start, shown=shown, dropped_tokens=dropped))
            start += len(part.spans)
        return tuple(windows)

    def _longest(self, problem: Problem, trace: Trace, shown: int, start: int) -> Encoded | None:
        """The steps from `shown` to as far behind `start` as fits into a window; None where not even `start` does."""
        found = None
        for end in range(start + 1, len(trace) + 1):
            longer = self._encode([(problem, trace)], shown, end)[0]
            if len(longer) > self.window:
                break
            found = longer
        return found

    def _too_long(self, trace: Trace, count: int, what: str = "") -> ModelError:
        return ModelError(
            f"{what}trace {trace.id} with its problem is over the model's limit of {self.window} tokens",
            got=count,
            mend="nothing is truncated: shorten the trace or take a model with a longer context",
        )

    def _marker_error(self, owner: Problem | Trace, step: int) -> ScoreError:
        return ScoreError(
            f"{_where(owner, step)} holds the step marker of format {self.format.name!r}",
            got=self.words.marker,
            mend="a marker in the text would count as a step end: remove it from the text, or use another marker",
        )


def _read_at(encoded: Encoded, ends: list[int]) -> Encoded:
    """`encoded`, read at `ends` and left away behind the last of them."""
    if any(at >= len(encoded) for at in ends):
        raise ScoreError(
            "the first steps alone have more tokens than the whole trace: the tokenizer merges their end with the next",
            got=ends,
            mend="use the format implicit, which reads where each step ends",
        )
    return replace(encoded, ids=encoded.ids[: max(ends, default=-1) + 1], read_positions=tuple(ends))


def _where(owner: Problem | Trace, step: int) -> str:
    return f"step {step} of trace {owner.id}" if isinstance(owner, Trace) else f"problem {owner.id!r}"


def _empty(trace: Trace, step: int) -> ScoreError:
    return ScoreError(
        f"{_where(trace, step)} holds no token, so there is nothing to judge",
        got=trace.step_texts[step],
        mend="join it to a neighbour: cut the text with a segmenter that leaves no blank steps",
    )
