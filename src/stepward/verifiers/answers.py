"""Reads answers for votes: what a text states, and one spelling for what counts as one answer."""

from __future__ import annotations

from dataclasses import dataclass

from stepward.verifiers.canonical import canonical_answer
from stepward.verifiers.extract import stated_answer


@dataclass(frozen=True, slots=True, kw_only=True)
class StatedAnswers:
    """An `AnswerReader` for answers in boxes, after "####", "The answer is" and the like."""

    last_number: bool = False
    """Take the last number of a text that states no answer."""

    def extract(self, text: str) -> str | None:
        """The answer that `text` states, as written; None where it states none."""
        stated = stated_answer(text, last_number=self.last_number)
        return stated.answer if stated else None

    def canonical(self, answer: str) -> str:
        """See `canonical_answer`."""
        return canonical_answer(answer)
