r"""The fast path: decides most answers exactly, in microseconds, without computer algebra.

Two answers are compared as spelling, as words, as numbers with units, and as lists of numbers; what is none of these is
left to the slow path (None). Numbers compare as fractions, so 0.4999999 is not 1/2. A decimal of six or more
significant digits may stand for a fraction that has no finite decimal: 0.333333 is 1/3, 0.333 is not.

Units: an answer may leave out the unit of the reference or bring one of its own; 50 % is both 50 and 1/2. The strict
profile is narrower: see `strict_refusal`, and there 100 % is not 100, nor 10 degrees 10.
"""

from __future__ import annotations

import re
from fractions import Fraction

from stepward.types import Verdict
from stepward.verifiers.quantity import BASE, RATIO, Quantity, read_quantity, without_name
from stepward.verifiers.tidy import squeezed, tidy
from stepward.verifiers.units import THINGS
from stepward.verifiers.words import words_agree

FEWEST_DIGITS = 6
"""Significant digits from which a decimal may stand for a fraction."""
MEANT_EITHER_WAY = frozenset({"percent", "money", BASE})
"""Dimensions where a bare number may be meant as face or as value: 50 or 1/2 for 50 %."""

SEPARATOR = re.compile(r"\s*(?:[,;]|\\text\{\s*,?\s*(?:and|or)\s*,?\s*\}|\b(?:and|or)\b)\s*")
NESTED = re.compile(r"[()\[\]{}]")
UNEVALUATED = re.compile(r"\\(?:int|sum|prod|lim|binom)(?![a-zA-Z])|\\frac\s?\{d|!")
EQUALS = re.compile(r"(?<![<>!\\])=")


def fast_verdict(gold: str, answer: str, *, strict: bool = False) -> Verdict | None:
    """The verdict on `answer`, if spelling, words or exact arithmetic decide it; None otherwise."""
    if not answer.strip():
        return Verdict(outcome="unparsable", answer=answer, reason="the answer is empty")
    if squeezed(gold) == squeezed(answer):
        return Verdict(outcome="equal", answer=answer, reason="same text")
    gold, answer = tidy(gold), tidy(answer)
    refusal = contradiction(answer) or (strict_refusal(gold, answer) if strict else None)
    if refusal:
        return Verdict(outcome="unparsable", answer=answer, reason=refusal)
    agree = words_agree(gold, answer)
    if agree is None:
        agree = _values_agree(gold, answer, strict)
    return None if agree is None else Verdict(outcome="equal" if agree else "different", answer=answer, reason="exact")


def contradiction(answer: str) -> str | None:
    """Why a chain such as x = 5 = 6 states no answer; None where it does, or is no chain."""
    members = EQUALS.split(answer)
    if len(members) < 2 or "," in answer:
        return None
    read = [read_quantity(member.strip()) for member in members]
    faces = {quantity.face for quantity in read if quantity is not None}
    return (
        f"the chain {answer!r} contradicts itself"
        if len(faces) > 1 and all(q is None or q.digits is None for q in read)
        else None
    )


def strict_refusal(gold: str, answer: str) -> str | None:
    """Why the strict profile refuses a tidy `answer`; None where it does not.

    Refused are relation chains, results that are not worked out, and operators that the reference does not hold.
    """
    equals = len(EQUALS.findall(answer))
    if "," not in answer and (equals > 1 or (equals == 1 and "=" not in gold and not without_name(answer)[0])):
        return "strict: a chain of relations"
    if UNEVALUATED.search(answer) and not UNEVALUATED.search(gold):
        return "strict: an operation that is not carried out"
    is_number = read_quantity(without_name(gold)[1]) is not None
    if is_number and "," not in answer and read_quantity(without_name(answer)[1]) is None and re.search(r"\d", answer):
        return "strict: not worked out to a number"
    return None


def _values_agree(gold: str, answer: str, strict: bool) -> bool | None:
    (gold_name, gold), (answer_name, answer) = without_name(gold), without_name(answer)
    if gold_name and answer_name and gold_name != answer_name:
        return None
    wanted, said = read_quantity(gold), read_quantity(answer)
    if wanted is not None and said is not None:
        return quantities_agree(wanted, said, strict=strict)
    if wanted is not None or said is not None:
        return None
    return _lists_agree(gold, answer, strict)


def quantities_agree(gold: Quantity, answer: Quantity, *, strict: bool = False) -> bool:
    """Whether two numbers with units are the same."""
    if strict and answer.dimension in ("percent", "angle", BASE) and not gold.dimension:
        return answer.dimension != "angle" and answer.value == gold.face
    if gold.dimension == answer.dimension and gold.dimension not in ("", THINGS, RATIO):
        return _close(gold.value, answer.value, gold, answer, strict)
    brings_small_percent = answer.dimension == "percent" and not gold.dimension and abs(answer.face) < 1
    if _close(gold.face, answer.face, gold, answer, strict) and not brings_small_percent:
        return gold.dimension == answer.dimension or not {"", THINGS}.isdisjoint({gold.dimension, answer.dimension})
    if gold.dimension and answer.dimension:
        return False
    loose = {gold.dimension, answer.dimension} & MEANT_EITHER_WAY
    return bool(loose) and _close(gold.value, answer.value, gold, answer, strict)


def _close(first: Fraction, second: Fraction, gold: Quantity, answer: Quantity, strict: bool) -> bool:
    if first == second:
        return True
    if strict or gold.dimension != answer.dimension:
        return False
    return _rounds(gold, answer.face) or _rounds(answer, gold.face)


def _rounds(decimal: Quantity, exact: Fraction) -> bool:
    """Whether `decimal` is the beginning of, or rounds, a fraction that no finite decimal writes."""
    if decimal.digits is None or decimal.digits < FEWEST_DIGITS or _is_finite_decimal(exact):
        return False
    return abs(decimal.face - exact) < Fraction(1, 10**decimal.places)


def _is_finite_decimal(number: Fraction) -> bool:
    rest = number.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _lists_agree(gold: str, answer: str, strict: bool) -> bool | None:
    wanted, said = _elements(gold), _elements(answer)
    if wanted is None or said is None or wanted[0] != said[0]:
        return None
    (kind, wanted_values), (_, said_values) = wanted, said
    if kind != "set":
        same = [quantities_agree(a, b, strict=strict) for a, b in zip(wanted_values, said_values, strict=False)]
        return len(wanted_values) == len(said_values) and all(same)
    return _covers(wanted_values, said_values, strict) and _covers(said_values, wanted_values, strict)


def _covers(these: list[Quantity], those: list[Quantity], strict: bool) -> bool:
    return all(any(quantities_agree(one, other, strict=strict) for other in those) for one in these)


def _elements(text: str) -> tuple[str, list[Quantity]] | None:
    kind = "set"
    if text.startswith(r"\{") and text.endswith(r"\}"):
        text = text[2:-2]
    elif text[:1] + text[-1:] in ("()", "[]", "(]", "[)"):
        kind, text = text[0] + text[-1], text[1:-1]
    if NESTED.search(re.sub(r"\\(?:frac|text)\s?\{[^{}]*\}(?:\{[^{}]*\})?", "", text)):
        return None
    parts = SEPARATOR.split(text.strip())
    read = [read_quantity(part.strip()) for part in parts]
    values = [value for value in read if value is not None]
    return (kind, values) if len(values) == len(parts) > 1 else None
