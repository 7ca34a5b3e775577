r"""Reads numbers exactly: 1,234.5, -\frac{3}{4}, 3\frac{1}{2}, 50\%, 0.\overline{3}, 1.5 \times 10^3, 101_2, 5 cm.

No floating point and no computer algebra: a number is a `Fraction`. What is not a number written out, such as
2+2 or 3\sqrt{2}, is not read here. Two things are kept beside the value: the unit, and whether the number was
written as a decimal that may be a rounding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from stepward.verifiers.units import SCALES, THINGS, UNITS, unit_of

BASE = "base"
RATIO = "ratio"

DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)"
DECIMAL = re.compile(rf"([-+]?)\s?({DIGITS}?)(?:\.(\d*))?")
REPEATING = re.compile(
    r"([-+]?)\s?(\d*)\.(\d*?)(?:\\(?:overline|bar|dot)\s?\{?(\d+)\}?|\((\d+)\)|(\d)\6{2,}\.\.\.|(\d\d)\7\7?\.\.\.)"
)
SCIENTIFIC = re.compile(
    r"(.+?)\s?(?:[eE]\s?([-+]?\d{1,5})|\s?(?:\\times|\\cdot|\*|x)\s?10\s?(?:\^|\*\*)\s?\{?\s?([-+]?\d{1,5})\s?\}?)"
)
FRACTION = re.compile(r"\\frac\s?(?:\{([^{}]*)\}|(\d))\s?(?:\{([^{}]*)\}|(\d))")
SLASH = re.compile(rf"([-+]?\s?{DIGITS}(?:\.\d+)?)\s?/\s?(-?{DIGITS}(?:\.\d+)?)")
MIXED = re.compile(
    r"([-+]?)\s?(\d+)\s?(?:\s(\d+)\s?/\s?(\d+)|(?:and\s|\+\s?)?\\frac\s?(?:\{(\d+)\}|(\d))\s?(?:\{(\d+)\}|(\d)))"
)
BASED = re.compile(r"([-+]?)([0-9]+)_\{?(?:\\text\{)?(\d{1,2}|two|three|eight)\}{0,2}")
RATIO_FORM = re.compile(rf"({DIGITS})\s?(?::|\\colon|to)\s?({DIGITS})")
ASSIGNED = re.compile(r"(?:[a-zA-Z]|\\[a-z]{2,8})(?:_\{?\w{1,4}\}?|\([a-z0-9]\))?'?\s?=\s?(?=[^=])")
UNIT_TAIL = re.compile(
    r"(.*?[\d}.)])\s?(\\text\{[^{}]+\}(?:\^\{?[23]\}?)?|%|\^\{?\s?\\circ\s?\}?(?:\s?[CF])?|¢"
    r"|(?<=[\s\d])[A-Za-z][A-Za-z./ ]{0,60}(?:\^\{?[23]\}?)?)"
)
NOT_UNITS = frozenset({"and", "choose", "e", "frac", "i", "log", "mod", "or", "over", "pi", "sin", "cos", "tan", "x"})
UP_TO_TWENTY = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
eighteen nineteen twenty"""
TENS = "zero ten twenty thirty forty fifty sixty seventy eighty ninety hundred"
NUMBER_WORDS = {word: ten * 10 for ten, word in enumerate(TENS.split())}
NUMBER_WORDS |= {word: number for number, word in enumerate(UP_TO_TWENTY.split())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number as written, its unit, and what both together are worth."""

    face: Fraction
    """The number without its unit: 50 for 50 %."""
    value: Fraction
    """With it: 1/2 for 50 %, 250 for 2.5 m in mm; in the unit of its dimension that is worth 1."""
    dimension: str = ""
    digits: int | None = None
    """Significant digits of a number written as a decimal; None where it was written exactly."""
    places: int = 0
    """Digits after its point."""


def read_quantity(text: str) -> Quantity | None:
    """The number, with its unit, that a tidy text is; None where it is not one written out."""
    if not any(character.isdigit() for character in text):
        return _number_word(text)
    plain = _plain(text)
    if plain is not None:
        return plain
    tail = UNIT_TAIL.fullmatch(text)
    if tail is None:
        return None
    unit = tail.group(2).replace(r"\text{", "").replace("}", "", 1) if r"\text" in tail.group(2) else tail.group(2)
    return _with_unit(tail.group(1), unit.strip(), wrapped=not unit[:1].isalpha() or r"\text" in tail.group(2))


def without_name(text: str) -> tuple[str, str]:
    """Name and right side of a tidy text such as "x = 5"; no name where it assigns nothing."""
    found = ASSIGNED.match(text)
    return (text[: found.end()].rstrip("= "), text[found.end() :]) if found else ("", text)


def _with_unit(number: str, unit: str, *, wrapped: bool) -> Quantity | None:
    found = _plain(number.strip())
    words = unit.casefold().replace(".", " ").split()
    if found is None or not words or not (wrapped or _is_unit(unit, words)):
        return None
    if words[0] in SCALES:
        scaled = found.face * SCALES[words[0]]
        return Quantity(face=scaled, value=scaled, dimension=THINGS if words[1:] else "")
    if words[0] in ("am", "pm", "a", "p") or words[0] in NOT_UNITS:
        return None
    dimension, worth = unit_of(re.sub(r"\s|[CF]$", "", unit) if "circ" in unit else unit)
    value = found.face * Fraction(str(worth))
    return Quantity(face=found.face, value=value, dimension=dimension, digits=found.digits, places=found.places)


def _is_unit(unit: str, words: list[str]) -> bool:
    if words[0] in NOT_UNITS:
        return False
    return (
        len(words[0]) >= 4 or (words[0] in UNITS and len(words[0]) > 1) or (unit.casefold() in UNITS and len(unit) > 1)
    )


def _plain(text: str) -> Quantity | None:
    if found := DECIMAL.fullmatch(text):
        return _decimal(*found.groups())
    if found := BASED.fullmatch(text):
        return _based(*found.groups())
    if found := RATIO_FORM.fullmatch(text):
        exact = _ratio(_integer(found.group(1)), _integer(found.group(2)))
        return exact and Quantity(face=exact.face, value=exact.face, dimension=RATIO)
    if found := SCIENTIFIC.fullmatch(text):
        return _scientific(found.group(1), int(found.group(2) or found.group(3)))
    if text.startswith("10^") and (found := re.fullmatch(r"10\^\{(-\d{1,3})\}", text)):
        return _scientific("1", int(found.group(1)))
    return _exact(text)


def _exact(text: str) -> Quantity | None:
    sign = -1 if text.startswith("-") else 1
    bare = text.lstrip("-+").strip() if text[:1] in "-+" else text
    if found := FRACTION.fullmatch(bare):
        top, bottom = (_plain((found.group(i) or found.group(i + 1) or "").strip()) for i in (1, 3))
        if top is None or bottom is None or top.dimension or bottom.dimension:
            return None
        return _ratio(sign * top.face, bottom.face)
    if found := SLASH.fullmatch(text):
        top, bottom = _plain(found.group(1).replace(" ", "")), _plain(found.group(2))
        return _ratio(top.face, bottom.face) if top and bottom else None
    if found := MIXED.fullmatch(text):
        whole, (top_, bottom_) = int(found.group(2)), [g for g in found.groups()[2:] if g]
        part = _ratio(Fraction(int(top_)), Fraction(int(bottom_)))
        return _ratio(sign * (whole + part.face), Fraction(1)) if part and part.face < 1 else None
    if found := REPEATING.fullmatch(text):
        return _repeating(found)
    if text.startswith("(") and text.endswith(")") and text.count("(") == 1 and "," not in text:
        return _plain(text[1:-1].strip())
    return None


def _decimal(sign: str, whole: str, places: str | None) -> Quantity | None:
    if not whole and not places:
        return None
    digits = whole.replace(",", "") + (places or "")
    number = Fraction(int(digits), 10 ** len(places or "")) * (-1 if sign == "-" else 1)
    return Quantity(
        face=number,
        value=number,
        digits=len(digits.lstrip("0")) if places else None,
        places=len(places or ""),
    )


def _integer(text: str) -> Fraction:
    return Fraction(int(text.replace(",", "")))


def _ratio(top: Fraction, bottom: Fraction) -> Quantity | None:
    return Quantity(face=top / bottom, value=top / bottom) if bottom else None


def _scientific(mantissa: str, exponent: int) -> Quantity | None:
    found = DECIMAL.fullmatch(mantissa.strip())
    base = _decimal(*found.groups()) if found and abs(exponent) <= 10_000 else None
    return base and _ratio(base.face * Fraction(10) ** exponent, Fraction(1))


def _based(sign: str, digits: str, base: str) -> Quantity | None:
    number = {"two": 2, "three": 3, "eight": 8}.get(base) or int(base)
    if not 2 <= number <= 36 or any(int(digit) >= number for digit in digits):
        return None
    factor = -1 if sign == "-" else 1
    return Quantity(face=Fraction(int(digits)) * factor, value=Fraction(int(digits, number)) * factor, dimension=BASE)


def _repeating(found: re.Match[str]) -> Quantity | None:
    sign, whole, fixed, *blocks = found.groups()
    block = next(digits for digits in blocks if digits)
    start = int((whole or "0") + fixed)
    value = Fraction(start * (10 ** len(block) - 1) + int(block), 10 ** len(fixed) * (10 ** len(block) - 1))
    return _ratio(value * (-1 if sign == "-" else 1), Fraction(1))


def _number_word(text: str) -> Quantity | None:
    word = re.sub(r"\\text\{([^{}]*)\}", r"\1", text).strip().casefold()
    return _ratio(Fraction(NUMBER_WORDS[word]), Fraction(1)) if word in NUMBER_WORDS else None
