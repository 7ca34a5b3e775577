"""Decides claims about numbers by exact rational arithmetic.

    holds      true in some reading of what is written, roundings allowed as far as the digits that are shown
    fails      false in every reading, by more than any rounding in it can explain, and nothing puts it in doubt
    undecided  everything between

Only "fails" accuses a step, so what a writer may have meant counts for him: percentages, mixed numbers, whole numbers
for counts of things, and results carried on in a chain (5 + 3 = 8 * 2 = 16).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Literal, TypeAlias

from stepward.verifiers.steps.equations import Claim
from stepward.verifiers.steps.expression import (
    Node,
    Number,
    Operation,
    Range,
    Reading,
    UnreadableError,
    evaluate,
    signs,
    walk,
)

Finding: TypeAlias = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What came of one claim, and why where it is undecided."""

    finding: Finding
    reason: str = ""


def decide(claim: Claim) -> Decision:
    """Whether `claim` holds."""
    try:
        if any(_holds(claim, reading) for reading in _readings(claim)):
            return Decision("holds")
        reason = claim.doubt or _excuse(claim)
        if not reason and any(_near(claim, reading) for reading in _readings(claim)):
            reason = "rounding"
    except UnreadableError as error:
        return Decision("undecided", str(error))
    return Decision("undecided", reason) if reason else Decision("fails")


def _readings(claim: Claim) -> Iterator[Reading]:
    used = signs(claim.left) | signs(claim.right)
    choices = [(True, False) if sign in used else (True,) for sign in ("%", "mixed")]
    powers = (False, True) if {"^", "neg"} <= used else (False,)
    for percent, mixed, signed in product(*choices, powers):
        yield Reading(percent=percent, mixed=mixed, signed_base=signed)


def _holds(claim: Claim, reading: Reading) -> bool:
    left, right = evaluate(claim.left, reading).low, evaluate(claim.right, reading).low
    match claim.relation:
        case "<":
            return left < right
        case ">":
            return left > right
        case "≤":
            return left <= right
        case "≥":
            return left >= right
        case "≠":
            return left != right
        case _:
            pairs = ((claim.left, left, right), (claim.right, right, left))
            return left == right or any(_rounds(side, value, other, reading) for side, value, other in pairs)


def _rounds(side: Node, value: Fraction, exact: Fraction, reading: Reading) -> bool:
    """Whether `side`, worth `value`, is a decimal that `exact` was rounded to, or cut to."""
    number, scale = _shown(side, reading)
    if number is None or not number.places:
        return False
    last = scale * Fraction(1, 10**number.places)
    return abs(exact - value) <= last / 2 or 0 < abs(exact) - abs(value) < last


def _shown(side: Node, reading: Reading) -> tuple[Number | None, Fraction]:
    """The one number that `side` is, under signs and percent, and the worth of one of its units."""
    scale = Fraction(1)
    while isinstance(side, Operation) and side.sign in ("neg", "%"):
        scale *= Fraction(1, 100) if side.sign == "%" and reading.percent else 1
        side = side.parts[0]
    return (side, scale) if isinstance(side, Number) else (None, scale)


def _excuse(claim: Claim) -> str:
    """What makes a false equality or inequality no clear error."""
    if claim.relation != "=":
        return "an approximation" if claim.relation == "≈" else "a comparison, perhaps a test"
    used = signs(claim.left) | signs(claim.right)
    if "%" in used and used & {"+", "-"}:
        return "a percentage added or taken away"
    if not _works(claim.left) and not _works(claim.right):
        return "no work is shown"
    return ""


def _works(side: Node) -> bool:
    """Whether `side` computes something."""
    return bool(signs(side) - {"neg", "%", "mixed"})


def _near(claim: Claim, reading: Reading) -> bool:
    """Whether roundings of decimals, or of a result to a whole number, may explain the gap."""
    loose = Reading(percent=reading.percent, mixed=reading.mixed, signed_base=reading.signed_base, rounded=True)
    left, right = evaluate(claim.left, loose), evaluate(claim.right, loose)
    if left.meets(right):
        return True
    return any(_whole_for(whole, other) for whole, other in ((claim.left, right), (claim.right, left)))


def _whole_for(side: Node, other: Range) -> bool:
    """Whether `side` is a whole number within 1 of a value that is none."""
    if not all(isinstance(node, Number) or node.sign == "neg" for node in walk(side)):
        return False
    value = evaluate(side, Reading()).low
    inexact = other.low != other.high or other.low.denominator != 1
    return value.denominator == 1 and inexact and other.low - 1 < value < other.high + 1
