r"""Verdicts on multiple-choice answers: one letter from A to J.

Read are (B), B., B), **B**, "answer is B", \boxed{B}, \text{(B)}, "option B", and a letter before the option's own
text, as in "B) 12 miles". The article in "A dog" and the pronoun in "I think" are no letters. An answer that names
several different letters states none: unparsable.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stepward.errors import DataError
from stepward.types import Problem, Verdict
from stepward.verifiers.extract import reference_answer, stated_answer

WRAPPED = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit|mbox|boxed)\s?\{([^{}]*)\}")
ALONE = re.compile(r"(?:(?:option|choice|answer)s?\s)?\(?([A-Ja-j])\)?")
BEFORE_TEXT = re.compile(r"(?:(?:option|choice)\s)?(?:\(([A-J])\)|([A-J])[).:,])(?=\s|$)")
MARKED = re.compile(r"\(([A-J])\)|\b(?:[Oo]ption|[Cc]hoice)\s\(?([A-J])\b\)?")
LISTED = re.compile(r"(?<![\w'])\(?([A-J])\)?(?:\s?(?:,|and|or|/|&)\s?|\s?$)")
NOISE = re.compile(r"[*_$`\\{}\"']|\\[()\[\]]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceVerifier:
    """Judges answers by their option's letter."""

    async def verify(self, problem: Problem, text: str) -> Verdict:
        """Judge the letter that `text` states.

        Raises `ResourceError` without a reference answer, `DataError` where it is no letter.
        """
        gold = letters(reference_answer(problem))
        if len(gold) != 1:
            raise DataError(
                f"the reference answer of problem {problem.id!r} must be one letter from A to J",
                got=problem.answer,
                mend='write "B", or give the problem another answer_kind',
            )
        return _verdict(gold[0], stated_letters(text))


def stated_letters(text: str) -> tuple[str, ...]:
    """The different letters that a solution or bare answer names as its answer."""
    stated = stated_answer(text)
    found = letters(stated.answer) if stated else ()
    return found or _marked(text.strip().rsplit("\n", 1)[-1])


def letters(answer: str) -> tuple[str, ...]:
    """The different letters that an extracted answer names, in order."""
    plain = NOISE.sub("", WRAPPED.sub(r"\1", WRAPPED.sub(r"\1", answer))).strip().rstrip(".:;,! ").strip()
    if alone := ALONE.fullmatch(plain):
        return (alone.group(1).upper(),)
    listed = LISTED.findall(plain)
    if len(listed) > 1 and not LISTED.sub("", plain).strip(" ,"):
        return tuple(dict.fromkeys(listed))
    marked = _marked(plain)
    if len(marked) > 1:
        return marked
    if before := BEFORE_TEXT.match(plain):
        return (before.group(1) or before.group(2),)
    return marked


def _marked(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one or other for one, other in MARKED.findall(text)))


def _verdict(gold: str, said: tuple[str, ...]) -> Verdict:
    if not said:
        return Verdict(outcome="unparsable", reason="the text names no option")
    if len(said) > 1:
        return Verdict(outcome="unparsable", answer=", ".join(said), reason="the text names several options")
    return Verdict(outcome="equal" if said[0] == gold else "different", answer=said[0])
