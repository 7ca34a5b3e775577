r"""The same words in another dress: markup, spacing, signs, and where one step ends and the next begins.

What a step says stays what it was, so no score may move. Rewording is done by rules on the text: sums are set in LaTeX
where they are written in plain signs (latex), LaTeX and markdown are taken off where they are (plain), steps become
bullets or get a heading. Where a rule finds nothing to change, the perturbation does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from stepward.evaluation.robustness.contract import NO_STEPS, Attempt, Inapplicable, Outcome
from stepward.evaluation.robustness.numbers import SUM
from stepward.evaluation.robustness.padding import INVARIANT
from stepward.evaluation.robustness.rewriting import Piece, Rewrite, pieces, rng_of, with_text

Style = Literal["latex", "plain", "bullets", "headers"]
Signs = Literal["spaces", "unicode"]

LATEX_SIGN = {"*": r"\times", "×": r"\times", "x": r"\times", "/": r"\div", "÷": r"\div", "−": "-"}
MARKUP = (
    (re.compile(r"\\(?:boxed|text|mathrm|textbf)\{([^{}]*)\}"), r"\1"),
    (re.compile(r"\\[dt]?frac\{([^{}]*)\}\{([^{}]*)\}"), r"(\1)/(\2)"),
    (re.compile(r"\\(?:times|cdot)\b"), "*"),
    (re.compile(r"\\div\b"), "/"),
    (re.compile(r"\\[()\[\]]|\$\$?(?=[^\d]|\Z)|\$(?=\d[^$\n]*\$)"), ""),
    (re.compile(r"\*\*([^*]+)\*\*|__([^_]+)__"), r"\1\2"),
    (re.compile(r"^(?:#+|[-*•])\s+", re.MULTILINE), ""),
)
HEADED = re.compile(r"\s*(?:#+\s*|\*\*)?(?:Step\s+\d+|[-*•]|\d+[.)])", re.IGNORECASE)
SENTENCE_END = re.compile(r"(?<=[a-z0-9)$][.!?])\s+(?=[A-Z])")
TYPESET = str.maketrans({"-": "−", "*": "×", "/": "÷", "'": "’", '"': "”"})
UNCHANGED = Inapplicable(reason="there is nothing that the style would change")


@dataclass(frozen=True, kw_only=True)
class FormatChange:
    """Another markup. No score must move."""

    style: Style = "headers"
    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt in the style."""
        return _restyled(Rewrite(by=self, of=attempt), STYLES[self.style])


@dataclass(frozen=True, kw_only=True)
class Typography:
    """Other white space, or other characters for the same signs. No score must move."""

    signs: Signs = "spaces"
    """spaces: indented, two blanks between words; unicode: typographic minus, times, division and quotes."""
    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt typed in the other way."""
        return _restyled(Rewrite(by=self, of=attempt), _spaced if self.signs == "spaces" else _typeset)


@dataclass(frozen=True, kw_only=True)
class MergedSteps:
    """Two neighbours as one step. Its score must be that of the second, and no other must move."""

    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt with one boundary less."""
        if len(attempt.trace) < 2:
            return NO_STEPS
        steps = pieces(attempt.trace)
        at = rng_of(self, attempt).randrange(len(steps) - 1)
        both = attempt.trace.step_texts[at] + steps[at + 1].text
        merged = [*steps[:at], with_text(steps[at + 1], both), *steps[at + 2 :]]
        return Rewrite(by=self, of=attempt).reworded(merged, INVARIANT, f"steps {at} and {at + 1} as one")


@dataclass(frozen=True, kw_only=True)
class SplitStep:
    """A step of several sentences as two. The second must score what the whole did, and no other must move."""

    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt with one boundary more, between two sentences."""
        steps = pieces(attempt.trace)
        places = [(at, found.span()) for at, step in enumerate(steps) for found in SENTENCE_END.finditer(step.text)]
        if not steps:
            return NO_STEPS
        if not places:
            return Inapplicable(reason="no step holds two sentences")
        at, (end, start) = rng_of(self, attempt).choice(places)
        first, second = steps[at].text[:end], steps[at].text[start:]
        halves = [Piece(first, None, steps[at].kind), with_text(steps[at], second)]
        split = [*steps[:at], *halves, *steps[at + 1 :]]
        return Rewrite(by=self, of=attempt).reworded(split, INVARIANT, f"step {at} as two")


def _restyled(rewrite: Rewrite, restyle: Callable[[str, int], str]) -> Outcome:
    old = pieces(rewrite.of.trace)
    if not old:
        return NO_STEPS
    new = [with_text(piece, restyle(piece.text, index)) for index, piece in enumerate(old)]
    if new == old or not all(piece.text.strip() for piece in new):
        return UNCHANGED
    return rewrite.reworded(new, INVARIANT)


def _latex(text: str, index: int) -> str:
    if "$" in text or r"\(" in text:
        return text
    return SUM.sub(lambda found: rf"\({_in_latex(found)}\)", text)


def _in_latex(found: re.Match[str]) -> str:
    sign = LATEX_SIGN.get(found["sign"], found["sign"])
    return f"{found['left']} {sign} {found['right']} = {found['result']}"


def _plain(text: str, index: int) -> str:
    for pattern, bare in MARKUP:
        text = pattern.sub(bare, text)
    return text


def _bullet(text: str, index: int) -> str:
    return text if HEADED.match(text) else f"- {text}"


def _header(text: str, index: int) -> str:
    return text if HEADED.match(text) else f"Step {index + 1}: {text}"


def _spaced(text: str, index: int) -> str:
    return "  " + re.sub(r"(?<=\S) (?=\S)", "  ", text)


def _typeset(text: str, index: int) -> str:
    return text.translate(TYPESET)


STYLES: dict[Style, Callable[[str, int], str]] = {
    "latex": _latex,
    "plain": _plain,
    "bullets": _bullet,
    "headers": _header,
}
