r"""Reads numbers joined by + - * / ^ ! % and \frac, with units behind them, and evaluates them exactly.

A recursive-descent parser over tokens and rational arithmetic: no evaluation of text, no floating point. Two limits
hold however hostile the text: brackets nest no deeper than `DEEPEST`, and no intermediate number has more than
`WIDEST` bits (9^9^9 is refused before it is computed).

What writers leave open is kept open: 20% is 1/5 or 20, 5 \frac{1}{2} is a mixed number or a product, -2^2 is 4 or -4. A
`Reading` fixes each; a claim is wrong only where every reading makes it wrong. With `rounded` each decimal stands for
what it may have been rounded or cut from, and results are intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from stepward.verifiers.steps.tokens import Token, words
from stepward.verifiers.units import UNITS

DEEPEST = 30
WIDEST = 4096
LARGEST_FACTORIAL = 400
LONGEST_PRODUCT = 3
"""Letters that, right behind a number, are a product of unknowns, as in 2ab, unless they are a known unit."""
LONGEST_UNIT = 4
"""Words that may stand behind a number."""
NO_UNIT = words(
    """
    and or of times than is are was were be more less fewer dozen half twice thrice over mod modulo remainder choose
    hundred thousand million billion trillion squared cubed to from by if then so but where when because since for plus
    minus pi sqrt log ln sin cos tan with which we he she it they i you the that this there has have had base into not
    at on gives give equals yields makes means leaves implies get
    """
)
"""Words that are no unit: behind a number they change it, or begin another clause."""
CLOSING = {"(": ")", "[": "]", "{": "}"}


class UnreadableError(ValueError):
    """These tokens are no expression, or one over a limit."""


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written."""

    value: Fraction
    places: int = 0
    """Digits after its point."""


@dataclass(frozen=True, slots=True)
class Operation:
    """`sign` is one of + - * / ^ ! % neg binom mixed; mixed is a whole number before a fraction."""

    sign: str
    parts: tuple[Node, ...]


Node: TypeAlias = Number | Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What an ambiguous spelling is taken for."""

    percent: bool = True
    """20% is 1/5; otherwise 20."""
    mixed: bool = True
    """5 1/2 is 11/2; otherwise 5/2."""
    signed_base: bool = False
    """-2^2 is 4; otherwise -4."""
    rounded: bool = False
    """A decimal is an interval."""


@dataclass(frozen=True, slots=True)
class Range:
    """What a value lies between; both ends are equal where it is exact."""

    low: Fraction
    high: Fraction

    def meets(self, other: Range) -> bool:
        """Whether the two share a value."""
        return self.low <= other.high and other.low <= self.high


def parse(tokens: Sequence[Token]) -> Node:
    """The expression that all of `tokens` are; `UnreadableError` where they are none."""
    reader = _Reader(tokens)
    node = reader.sum()
    if reader.at < len(tokens):
        raise UnreadableError("something follows the expression")
    return node


def walk(node: Node) -> Iterator[Node]:
    """`node` and everything inside it."""
    yield node
    if isinstance(node, Operation):
        for part in node.parts:
            yield from walk(part)


def signs(node: Node) -> set[str]:
    """The signs of all operations in `node`."""
    return {each.sign for each in walk(node) if isinstance(each, Operation)}


def evaluate(node: Node, reading: Reading) -> Range:
    """What `node` is worth; `UnreadableError` where it is undefined or over a limit."""
    if isinstance(node, Number):
        slack = Fraction(1, 10**node.places) if reading.rounded and node.places else Fraction(0)
        return Range(node.value - slack, node.value + slack)
    if node.sign == "neg" and reading.signed_base and _is_power(node.parts[0]):
        base, exponent = node.parts[0].parts  # type: ignore[union-attr]  # a power is an operation
        return evaluate(Operation("^", (Operation("neg", (base,)), exponent)), reading)
    return _bounded(_combine(node.sign, [evaluate(part, reading) for part in node.parts], reading))


def _is_power(node: Node) -> bool:
    return isinstance(node, Operation) and node.sign == "^"


def _combine(sign: str, values: list[Range], reading: Reading) -> Range:
    first, last = values[0], values[-1]
    match sign:
        case "+":
            return Range(first.low + last.low, first.high + last.high)
        case "-":
            return Range(first.low - last.high, first.high - last.low)
        case "neg":
            return Range(-first.high, -first.low)
        case "*":
            return _product(first, last)
        case "/":
            return _product(first, _inverse(last))
        case "mixed":
            return _combine("+" if reading.mixed else "*", values, reading)
        case "%":
            return _product(first, Range(Fraction(1, 100), Fraction(1, 100))) if reading.percent else first
        case "^":
            return _power(first, last)
        case _:
            return _counted(sign, values)


def _product(first: Range, last: Range) -> Range:
    ends = [a * b for a in (first.low, first.high) for b in (last.low, last.high)]
    return Range(min(ends), max(ends))


def _inverse(value: Range) -> Range:
    if value.low <= 0 <= value.high:
        raise UnreadableError("division by zero")
    return Range(1 / value.high, 1 / value.low)


def _power(base: Range, exponent: Range) -> Range:
    if exponent.low != exponent.high or exponent.low.denominator != 1:
        raise UnreadableError("the exponent is no whole number")
    times = int(exponent.low)
    if abs(times) > WIDEST or abs(times) * _bits(base) > WIDEST:
        raise UnreadableError("a power over the limit")
    if times < 0:
        return _power(_inverse(base), Range(-exponent.low, -exponent.low))
    ends = [base.low**times, base.high**times]
    if times % 2 == 0 and base.low < 0 < base.high:
        ends.append(Fraction(0))
    return Range(min(ends), max(ends))


def _counted(sign: str, values: list[Range]) -> Range:
    """Factorials and binomial coefficients."""
    if any(v.low != v.high or v.low.denominator != 1 or not 0 <= v.low <= LARGEST_FACTORIAL for v in values):
        raise UnreadableError("no small whole number under a factorial or in a binomial")
    whole = [int(value.low) for value in values]
    result = Fraction(math.factorial(whole[0]) if sign == "!" else math.comb(whole[0], whole[1]))
    return Range(result, result)


def _bits(value: Range) -> int:
    ends = (value.low, value.high)
    return max(max(end.numerator.bit_length(), end.denominator.bit_length()) for end in ends)


def _bounded(value: Range) -> Range:
    if _bits(value) > WIDEST:
        raise UnreadableError("a number over the limit")
    return value


class _Reader:
    """Consumes tokens from the left."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens, self.at, self.depth = tokens, 0, 0

    def sum(self) -> Node:
        node = self.product()
        while (sign := self.peek()) in ("+", "-"):
            self.at += 1
            node = Operation(sign, (node, self.product()))
        return node

    def product(self) -> Node:
        node = self.signed()
        while True:
            sign = self.peek()
            if sign in ("*", "/") or self.multiplies():
                self.at += 1
                node = Operation("/" if sign == "/" else "*", (node, self.signed()))
            elif sign == "of" and _is_share(node):
                self.at += 1
                node = Operation("*", (node, self.signed()))
            elif sign in ("(", r"\frac") and not self.words_within():
                node = self.beside(node)
            else:
                return node

    def beside(self, node: Node) -> Node:
        """A product without a sign, or a mixed number."""
        begins = self.peek()
        right = self.power()
        whole = isinstance(node, Number) and node.value.denominator == 1 and begins == r"\frac"
        return Operation("mixed" if whole else "*", (node, right))

    def signed(self) -> Node:
        if self.peek() in ("+", "-"):
            sign = self.tokens[self.at].text
            self.at += 1
            with_sign = self.deeper(self.signed)
            return Operation("neg", (with_sign,)) if sign == "-" else with_sign
        return self.power()

    def power(self) -> Node:
        base = self.postfix()
        if self.peek() != "^":
            return base
        self.at += 1
        exponent = self.deeper(self.signed)
        self.unit()
        return Operation("^", (base, exponent))

    def postfix(self) -> Node:
        node = self.atom()
        while self.peek() in ("!", "%"):
            node = Operation(self.tokens[self.at].text, (node,))
            self.at += 1
        self.unit()
        return node

    def atom(self) -> Node:
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is None:
            raise UnreadableError("the expression ends too soon")
        if token.kind == "number":
            return self.number(token)
        if token.text in CLOSING:
            return self.group()
        if token.text in (r"\frac", r"\binom"):
            self.at += 1
            parts = (self.argument(), self.argument())
            return Operation("/" if token.text == r"\frac" else "binom", parts)
        raise UnreadableError("neither a number nor a bracket")

    def number(self, token: Token) -> Node:
        self.at += 1
        text = token.text.replace(",", "")
        places = len(text.partition(".")[2])
        if len(text) > WIDEST // 4:
            raise UnreadableError("too many digits")
        number = Number(Fraction(int(text.replace(".", "")), 10**places), places)
        return number if places else self.with_fraction(number)

    def with_fraction(self, whole: Number) -> Node:
        """`whole`, or the mixed number 3 1/2 that begins with it."""
        three = self.tokens[self.at : self.at + 3]
        if [t.kind for t in three] != ["number", "sign", "number"] or three[1].text != "/" or not three[0].spaced:
            return whole
        top, bottom = (Fraction(t.text.replace(",", "")) for t in (three[0], three[2]))
        if not 0 < top < bottom or "." in three[0].text + three[2].text:
            raise UnreadableError("two numbers side by side")
        self.at += 3
        return Operation("mixed", (whole, Operation("/", (Number(top), Number(bottom)))))

    def group(self) -> Node:
        closing = CLOSING[self.tokens[self.at].text]
        self.at += 1
        node = self.deeper(self.sum)
        if self.peek() != closing:
            raise UnreadableError("a bracket stays open")
        self.at += 1
        return node

    def argument(self) -> Node:
        r"""One argument of a command: a group, or the single digit of \frac12."""
        token = self.tokens[self.at] if self.at < len(self.tokens) else None
        if token is not None and token.text == "{":
            return self.group()
        raise UnreadableError("a command without its arguments in braces")

    def deeper(self, read: Callable[[], Node]) -> Node:
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnreadableError("nested too deeply")
        node = read()
        self.depth -= 1
        return node

    def unit(self) -> None:
        """Pass over the unit behind a number: "apples", "miles per hour", "/hour"."""
        if self.peek() == "/" and self.is_unit(1):
            self.at += 1
        count = 0
        while count < LONGEST_UNIT and self.is_unit(0) and not self.multiplies():
            self.at += 1
            count += 1
            if self.peek() == "^" and self.at + 1 < len(self.tokens) and self.tokens[self.at + 1].text in ("2", "3"):
                self.at += 2  # square or cubic units
            if self.peek() == "/" and self.is_unit(1):
                self.at += 1

    def is_unit(self, ahead: int) -> bool:
        at = self.at + ahead
        if at >= len(self.tokens) or self.tokens[at].kind != "word":
            return False
        word = self.tokens[at].text
        if len(word) == 1 or word[0].isupper() or word in NO_UNIT:
            return False
        return self.tokens[at].spaced or word in UNITS or len(word) > LONGEST_PRODUCT or self.tokens[at - 1].text == "/"

    def multiplies(self) -> bool:
        """Whether the token here is the letter x between two numbers."""
        if self.peek() not in ("x", "X") or not 0 < self.at < len(self.tokens) - 1:
            return False
        behind = self.tokens[self.at + 1]
        return behind.kind == "number" or (behind.text == "(" and self.tokens[self.at].spaced and behind.spaced)

    def words_within(self) -> bool:
        """Whether the bracket here holds prose."""
        behind = self.tokens[self.at + 1] if self.at + 1 < len(self.tokens) else None
        return self.peek() == "(" and behind is not None and behind.kind == "word"

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""


def _is_share(node: Node) -> bool:
    """A percentage or a fraction: "of" behind it multiplies."""
    return isinstance(node, Operation) and node.sign in ("%", "/", "mixed")
