r"""Numbers in a step's text: finding a sum that holds, spoiling it, and carrying the wrong number on.

A sum is `a op b = c` with op one of + - * / x × ÷ \times \cdot \div. Only sums that hold exactly are touched, so what
is made of them is certainly wrong. A wrong number is carried on by replacing it wherever a later step writes it, and by
working out anew each later sum that reads it. That is given up (None) where it would not be fluent or not be certain:
a number that the problem states too, a sum with more than two operands, a result that is not a whole number where all
numbers were, or falls below zero.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

NUMBER = r"\d{1,3}(?:,\d{3}){1,99}(?:\.\d{1,300})?|\d{1,300}(?:\.\d{1,300})?"
"""A row of digits longer than that is text: Python reads no number of more than 4,300."""
LONE = re.compile(rf"(?<![\w.])(?:{NUMBER})(?![\w]|,\d|\.\d)")
SIGNS = {"+": "+", "-": "-", "−": "-", "*": "*", "x": "*", "×": "*", r"\times": "*", r"\cdot": "*"}
SIGNS |= {"/": "/", "÷": "/", r"\div": "/"}
SUM = re.compile(
    rf"(?<![\w.])(?P<left>{NUMBER})(?P<op>\s*(?P<sign>\\times|\\cdot|\\div|[-−+*/x×÷])\s*\$?)"
    rf"(?P<right>{NUMBER})(?P<is>\s*=\s*\\?\$?)(?P<result>{NUMBER})(?![\w]|,\d|\.\d)"
)
CHAINED = re.compile(r"[-−+*/x×÷^]\s*\$?$")
RUNS_ON = re.compile(r"[ \t]*(?:[-−+*/×÷^]|\\times|\\cdot|\\div)")
DIFFERENCES = (1, 2, 3, 10)


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A step whose sum no longer holds, cut behind the wrong result."""

    head: str
    tail: str
    old: str
    new: str

    @property
    def text(self) -> str:
        """The whole step."""
        return self.head + self.tail


def value_of(number: str) -> Fraction:
    """A number as it is written, with or without thousands separators."""
    return Fraction(number.replace(",", ""))


def numbers_in(text: str) -> set[Fraction]:
    """Every number that stands alone in `text`."""
    return {value_of(found.group()) for found in LONE.finditer(text)}


def spoilt(text: str, rng: random.Random) -> Spoilt | None:
    """`text` with another result in one of its sums; None where no sum in it holds."""
    sums = [found for found in SUM.finditer(text) if holds(found)]
    if not sums:
        return None
    chosen = rng.choice(sums)
    new = changed(chosen["result"], rng)
    start, end = chosen.span("result")
    return Spoilt(text[:start] + new, text[end:], chosen["result"], new)


def holds(found: re.Match[str]) -> bool:
    """Whether a sum, which must not be a piece of a longer one, is true."""
    alone = not CHAINED.search(found.string[: found.start()]) and not RUNS_ON.match(found.string, found.end())
    return alone and _worked(found["left"], found["sign"], found["right"]) == value_of(found["result"])


def changed(number: str, rng: random.Random) -> str:
    """Another number that is written alike: off by a little in the last place, and above zero."""
    last = Fraction(1, 10 ** len(number.partition(".")[2]))
    value = value_of(number)
    near = [value + sign * step * last for step in DIFFERENCES for sign in (1, -1)]
    return written(rng.choice([each for each in near if each > 0]), number)


def written(value: Fraction, like: str) -> str:
    """`value` with as many decimals as `like`, and its thousands separators."""
    places = len(like.partition(".")[2])
    whole, rest = divmod(round(value * 10**places), 10**places)
    shown = f"{whole:,}" if "," in like else str(whole)
    return f"{shown}.{rest:0{places}}" if places else shown


@dataclass(slots=True)
class Carrying:
    """Rewrites what stands behind a wrong number so that it goes on from it."""

    stated: set[Fraction]
    """Numbers that stand before it: they cannot be told from a result that equals one of them."""
    now: dict[Fraction, Fraction] = field(default_factory=dict)
    """What each number has become."""

    def carry(self, wrong: Spoilt, later: Sequence[str]) -> list[str] | None:
        """The texts behind; None where the number cannot be carried on with certainty, or does not reach the last."""
        if not self._becomes(value_of(wrong.old), value_of(wrong.new)):
            return None
        made = []
        for text in later:
            new = self._step(text)
            if new is None:
                return None
            made.append(new)
        return made if made[-1] != later[-1] else None

    def _becomes(self, old: Fraction, new: Fraction) -> bool:
        if old in self.stated or new < 0 or self.now.get(old, new) != new:
            return False
        self.now[old] = new
        return True

    def _step(self, text: str) -> str | None:
        parts, at = [], 0
        for found in SUM.finditer(text):
            between, worked = text[at : found.start()], self._sum(found)
            if worked is None or not self._plain(between):
                return None
            parts += [replaced(between, self.now), worked]
            at = found.end()
        rest = text[at:]
        return "".join([*parts, replaced(rest, self.now)]) if self._plain(rest) else None

    def _plain(self, text: str) -> bool:
        """Whether numbers in `text` may be replaced: it works nothing out, or reads no number that changed."""
        return "=" not in text or not (numbers_in(text) & self.now.keys())

    def _sum(self, found: re.Match[str]) -> str | None:
        """The sum with its operands replaced and its result worked out; None where that is not possible."""
        sides = [found["left"], found["right"]]
        new = [self.now.get(value_of(side), value_of(side)) for side in sides]
        result = value_of(found["result"])
        if new == [value_of(side) for side in sides]:
            return None if result in self.now else found.group()
        worked = _work(new[0], found["sign"], new[1])
        if worked is None or not holds(found) or _awkward(worked, found["result"]):
            return None
        if worked != result and not self._becomes(result, worked):
            return None
        left, right = (written(value, side) for value, side in zip(new, sides, strict=True))
        return f"{left}{found['op']}{right}{found['is']}{written(worked, found['result'])}"


def replaced(text: str, now: Mapping[Fraction, Fraction]) -> str:
    """`text` with each number that has become another one."""

    def new(found: re.Match[str]) -> str:
        value = value_of(found.group())
        return written(now[value], found.group()) if value in now else found.group()

    return LONE.sub(new, text)


def _worked(left: str, sign: str, right: str) -> Fraction | None:
    return _work(value_of(left), sign, value_of(right))


def _work(left: Fraction, sign: str, right: Fraction) -> Fraction | None:
    match SIGNS[sign]:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right if right else None


def _awkward(value: Fraction, like: str) -> bool:
    """Whether `value` is below zero or needs more decimals than `like` shows."""
    return value < 0 or (value * 10 ** len(like.partition(".")[2])).denominator != 1
