"""Takes a trace apart into steps without the white space between them, and puts steps together as a trace again."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import accumulate, pairwise
from typing import cast

from stepward.evaluation.robustness.contract import Attempt, Expected, Perturbation, Perturbed
from stepward.registry import name_of
from stepward.segment.cut import GIVEN
from stepward.types import Json, Origin, Step, StepKind, Trace, content_key
from stepward.verifiers.extract import stated_answer


@dataclass(frozen=True, slots=True)
class Piece:
    """One step of a trace in the making."""

    text: str
    """Without the white space behind it."""
    source: int | None = None
    """The step of the base that it is; None for a new one."""
    kind: StepKind = "thought"


def pieces(trace: Trace) -> list[Piece]:
    """The steps of `trace`, each its own source."""
    steps = zip(trace.step_texts, trace.steps, strict=True)
    return [Piece(_body(text), index, step.kind) for index, (text, step) in enumerate(steps)]


def settings_of(perturbation: Perturbation) -> dict[str, Json]:
    """The fields of a perturbation."""
    return cast("dict[str, Json]", asdict(perturbation))  # type: ignore[call-overload]


def rng_of(perturbation: Perturbation, attempt: Attempt) -> random.Random:
    """Draws that depend on what the perturbation is and on the attempt, on nothing else."""
    name = name_of(type(perturbation))
    return random.Random(content_key(name, settings_of(perturbation), attempt.problem.id, attempt.trace.id))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """Makes perturbed traces of one attempt in one perturbation's name."""

    by: Perturbation
    of: Attempt

    def trace(self, steps: Sequence[Piece], note: str = "", answer: str | None = None) -> Trace:
        """The trace of `steps`, between them the white space that the attempt has between its own."""
        old = self.of.trace
        between, behind = _gaps(old)
        texts = [piece.text + between for piece in steps[:-1]] + [piece.text + behind for piece in steps[-1:]]
        bounds = pairwise(accumulate(map(len, texts), initial=0))
        spans = tuple(Step(start, end, piece.kind) for (start, end), piece in zip(bounds, steps, strict=True))
        made = Origin(
            maker=f"perturbation:{name_of(type(self.by))}",
            revision="1",
            settings={**settings_of(self.by), "of": old.id, "writer": old.origin.maker},
            seed=self.by.seed,
        )
        meta: Mapping[str, Json] = {"note": note} if note else {}
        return Trace(
            problem_id=self.of.problem.id,
            text="".join(texts),
            steps=spans,
            answer=answer,
            segmenter=GIVEN,
            origin=made,
            meta=meta,
        )

    def made(self, steps: Sequence[Piece], expected: Expected, note: str = "", answer: str | None = None) -> Perturbed:
        """The perturbed trace of `steps`."""
        trace = self.trace(steps, note, answer)
        return Perturbed(trace=trace, source=tuple(piece.source for piece in steps), expected=expected)

    def reworded(self, steps: Sequence[Piece], expected: Expected, note: str = "") -> Perturbed:
        """`made`, where the answer stays what it was."""
        return self.made(steps, expected, note, self.of.trace.answer)


def answer_in(text: str) -> str | None:
    """The answer that a step states with a box, a mark or a phrase; a short step is not by itself an answer."""
    found = stated_answer(text)
    return None if found is None or found.form == "bare" else found.answer


def with_text(piece: Piece, text: str) -> Piece:
    """The same step in other words."""
    return replace(piece, text=text)


def _body(text: str) -> str:
    """A step of white space alone stays as it is: a step holds at least one character."""
    return text.rstrip() or text


def _gaps(trace: Trace) -> tuple[str, str]:
    """White space between steps (the commonest), and behind the last one."""
    found = [text[len(_body(text)) :] for text in trace.step_texts]
    between = Counter(gap for gap in found[:-1] if gap).most_common(1)
    return (between[0][0] if between else "\n"), (found[-1] if found else "")
