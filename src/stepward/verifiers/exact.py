"""Verdicts by text alone: equal after Unicode normalisation, white space, case and final punctuation.

For answers that are names, words or strings of a task with one right spelling. A text without a stated answer is
unparsable; so a long text never counts as different merely because it was not understood.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from stepward.types import Problem, Verdict
from stepward.verifiers.extract import reference_answer, stated_answer

QUOTES = "\"'`“”‘’*"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExactVerifier:
    """Judges answers by their normalised text."""

    ignore_case: bool = True

    async def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge the answer that `text` states. Raises `ResourceError` without a reference answer."""
        gold = reference_answer(problem)
        if self.normalised(text) == self.normalised(gold):
            return Verdict(outcome="equal", answer=text.strip())
        stated = stated_answer(text)
        if stated is None:
            return Verdict(outcome="unparsable", reason="the text states no answer")
        same = self.normalised(stated.answer) == self.normalised(gold)
        return Verdict(outcome="equal" if same else "different", answer=stated.answer)

    def normalised(self, text: str) -> str:
        """What is compared: canonical Unicode, single spaces, no outer quotes or final full stop."""
        text = " ".join(unicodedata.normalize("NFC", text).split()).strip(QUOTES)
        text = text.removesuffix(".").strip(QUOTES).strip()
        return text.casefold() if self.ignore_case else text
