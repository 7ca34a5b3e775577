"""From a problem and a trace to token ids, assembled in token space; the same for training and scoring.

Prompt ids, then for every step its own ids followed by the step-end id. Each step is tokenised on its own, so the ids
of a prefix are a prefix of the ids (encoding is prefix-stable) and a marker can never merge with its neighbours.
Number of read positions == number of steps, or an error; nothing is truncated.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from stepward.errors import ModelError, ScoreError
from stepward.reward_models.formats.record import PRMFormat
from stepward.types import Problem, Trace

MOST_UNKNOWN = 0.2
"""Share of tokens outside the vocabulary above which scores would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A trace as a model reads it."""

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]
    """Where each step's own tokens stand: first index and one past the last, marker excluded."""
    read_positions: tuple[int, ...]
    """Where each step's score is read."""

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, eq=False, kw_only=True)
class StepCodec:
    """A tokenizer bound to a format. `encode` and `encode_many` raise `ScoreError` and `ModelError`."""

    tokenizer: Any
    """A transformers tokenizer that holds the format's marker as one token."""
    format: PRMFormat
    context: int
    """Most tokens that the model reads."""
    marker_id: int
    marker_is_new: bool = False
    """The tokenizer on disk did not hold the marker: a model's embedding needs a row for it."""
    unknown_id: int | None = None
    """The id that stands for any text outside the vocabulary; None where the tokenizer knows every text."""
    opening: tuple[int, ...] = ()
    """Ids that the tokenizer itself puts before any text, such as beginning-of-sequence."""

    @classmethod
    def of(cls, tokenizer: Any, format: PRMFormat, *, context: int) -> StepCodec:
        """The codec for a tokenizer that already holds the marker; `ModelError` where it does not."""
        ids = _ids(tokenizer, [format.marker])[0]
        if len(ids) != 1:
            raise ModelError(
                f"the marker {format.marker!r} of format {format.name!r} must be one token",
                got=ids,
                mend="use the checkpoint's own tokenizer, or a format whose marker is added",
            )
        return cls(
            tokenizer=tokenizer,
            format=format,
            context=context,
            marker_id=ids[0],
            unknown_id=getattr(tokenizer, "unk_token_id", None),
            opening=_opening(tokenizer),
        )

    def encode(self, problem: Problem, trace: Trace) -> Encoded:
        """Ids, step spans and one read position per step of `trace`."""
        return self.encode_many([(problem, trace)])[0]

    def encode_many(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[Encoded]:
        """One record per pair, in order. Texts that repeat are tokenised once."""
        texts = [(self._prompt(problem), self._steps(problem, trace)) for problem, trace in pairs]
        unique = list(dict.fromkeys(text for prompt, steps in texts for text in (prompt, *steps)))
        known = dict(zip(unique, _ids(self.tokenizer, unique), strict=True))
        return [
            self._assemble(trace, known[prompt], [known[step] for step in steps])
            for (_, trace), (prompt, steps) in zip(pairs, texts, strict=True)
        ]

    def _prompt(self, problem: Problem) -> str:
        if self.format.added and self.format.marker in problem.text:
            raise _marker_error(self.format, f"problem {problem.id!r}")
        text = self.format.prompt.replace("{problem}", problem.text)
        if not self.format.chat:
            return text
        messages = [{"role": "system", "content": self.format.system}] if self.format.system else []
        messages.append({"role": "user", "content": text})
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _steps(self, problem: Problem, trace: Trace) -> list[str]:
        texts = [text.strip() if self.format.strip else text for text in trace.step_texts]
        for index, text in enumerate(texts):
            if self.format.marker in text:
                raise _marker_error(self.format, f"step {index} of trace {trace.id} of problem {problem.id!r}")
        return texts

    def _assemble(self, trace: Trace, prompt: Sequence[int], steps: Sequence[Sequence[int]]) -> Encoded:
        opening = () if self.format.chat else self.opening
        ids, spans, reads = [*opening, *prompt], [], []
        for start, end, own in _spans(len(ids), steps):
            ids += [*own, self.marker_id]
            spans.append((start, end))
            reads.append(end if self.format.read == "marker" else end - 1)
        encoded = Encoded(ids=tuple(ids), spans=tuple(spans), read_positions=tuple(reads))
        self._check(trace, encoded)
        return encoded

    def _check(self, trace: Trace, encoded: Encoded) -> None:
        for index, (start, end) in enumerate(encoded.spans):
            if start == end:
                raise ScoreError(
                    f"step {index} of trace {trace.id} holds no token, so there is nothing to judge",
                    got=trace.step_texts[index],
                    mend="join it to a neighbour: cut the text with a segmenter that leaves no blank steps",
                )
            if self.marker_id in encoded.ids[start:end]:
                raise _marker_error(self.format, f"step {index} of trace {trace.id}")
        if len(encoded) > self.context:
            raise ModelError(
                f"trace {trace.id} with its problem is over the model's limit of {self.context} tokens",
                got=len(encoded),
                mend="nothing is truncated: shorten the trace or take a model with a longer context",
            )
        unknown = encoded.ids.count(self.unknown_id) if self.unknown_id is not None else 0
        if unknown > MOST_UNKNOWN * len(encoded):
            raise ModelError(
                f"trace {trace.id} with its problem is foreign to this model: its tokenizer has no word for "
                f"{unknown} of {len(encoded)} tokens",
                mend="score it with a model that was trained on such texts",
            )


def _spans(start: int, steps: Sequence[Sequence[int]]) -> Iterator[tuple[int, int, Sequence[int]]]:
    for own in steps:
        yield start, start + len(own), own
        start += len(own) + 1


def _ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    return list(tokenizer(texts, add_special_tokens=False).input_ids) if texts else []


def _opening(tokenizer: Any) -> tuple[int, ...]:
    first = tokenizer("a").input_ids[:1]
    return tuple(first) if first and first[0] == tokenizer.bos_token_id else ()


def _marker_error(format: PRMFormat, where: str) -> ScoreError:
    return ScoreError(
        f"{where} holds the step marker of format {format.name!r}",
        got=format.marker,
        mend="a marker in the text would count as a step end: remove it from the text, or use another marker",
    )
