r"""Rewrites what math-verify reads wrongly or not at all into LaTeX that it reads rightly.

Each rule mends one known miss: degrees, mixed numbers and repeating decimals inside an expression, Python spellings
(sqrt(2), pi, x**2), unbraced \frac\pi2, lists of lists for matrices, \langle vectors, a capital U for a union, and a
unit behind an expression. The rules see both answers, since what degrees mean depends on the other side.
"""

from __future__ import annotations

import re

from stepward.verifiers.quantity import REPEATING, read_quantity
from stepward.verifiers.tidy import tidy

DEGREES = re.compile(
    r"(\d+(?:\.\d+)?)\s?\^\s?\{?\s?\\circ\s?\}?(?:\s?[CF](?![a-z]))?|(\d+(?:\.\d+)?)\s?(?:\\text\{\s?)?degrees?\}?"
)
TRIGONOMETRY = re.compile(r"\\?(?:sin|cos|tan|cot|sec|csc)(?![a-z])")
FUNCTIONS = re.compile(
    r"(?<![\\a-zA-Z])(arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|ln|log|exp|sqrt|pi|theta|alpha|beta)(?![a-zA-Z])"
)
ROOT_CALL = re.compile(r"\\sqrt\s?\(([^()]*)\)")
ABSOLUTE = re.compile(r"(?<![\\a-zA-Z])[aA]bs\(([^()]*)\)")
FIRST_BARE = re.compile(r"\\frac\s?(\\(?!sqrt|frac)[a-zA-Z]+|[0-9a-zA-Z])")
SECOND_BARE = re.compile(r"(\\frac\{[^{}]*\})\s?(\\(?!sqrt|frac)[a-zA-Z]+|[0-9a-zA-Z])")
ROOT_FIRST = re.compile(r"\\frac\s?(\\sqrt\s?(?:\d|\{[^{}]*\}))")
MIXED_PART = re.compile(r"(?<![\d.^_{])(\d+)\s?\\frac\{(\d+)\}\{(\d+)\}|(?<![\d.^_/])(\d+) (\d+)/(\d+)")
MATRIX = re.compile(r"\[\s?(\[[^\[\]]*\](?:\s?,\s?\[[^\[\]]*\])*)\s?\]")
COLUMN = re.compile(r"\\begin\{[pbv]matrix\}([^&]*)\\end\{[pbv]matrix\}")
UNIT_BEHIND = re.compile(r"(?<=[\d})\]])\s?\\text\{\s?(?!or|and)[a-zA-Z][a-zA-Z. /]*\}(?:\^\{?[23]\}?)?$")
PLAIN = (
    ("**", "^"), ("<=", r"\le "), (">=", r"\ge "), ("!=", r"\neq "), (r"\langle", "("), (r"\rangle", ")"),
    (r"\varnothing", r"\emptyset"), (r"\mathrm{i}", "i"), (r"\text{i}", "i"),
)  # fmt: skip
UNION = re.compile(r"(?<=[)\]])\s?U\s?(?=[(\[])")
INFINITY = re.compile(r"(?i)(?<![\\a-z])(?:infinity|infty|inf|oo)(?![a-z])")


def for_algebra(gold: str, answer: str) -> tuple[str, str]:
    """`gold` and `answer` as math-verify should get them."""
    gold, answer = _degrees(tidy(gold), tidy(answer))
    gold, answer = _one_text(gold), _one_text(answer)
    return _like(gold, answer), _like(answer, gold)


def _one_text(text: str) -> str:
    for old, new in PLAIN:
        text = text.replace(old, new)
    text = UNIT_BEHIND.sub("", UNION.sub(r"\\cup ", INFINITY.sub(r"\\infty ", text)))
    text = ABSOLUTE.sub(r"|\1|", FUNCTIONS.sub(r"\\\1 ", text))
    text = ROOT_CALL.sub(r"\\sqrt{\1}", text.replace(r"\sqrt (", r"\sqrt("))
    text = SECOND_BARE.sub(r"\1{\2}", FIRST_BARE.sub(r"\\frac{\1}", ROOT_FIRST.sub(r"\\frac{\1}", text)))
    text = REPEATING.sub(_as_fraction, MIXED_PART.sub(_as_sum, text))
    return MATRIX.sub(_as_matrix, text) if MATRIX.fullmatch(text) else text


def _degrees(gold: str, answer: str) -> tuple[str, str]:
    both = gold + answer
    if TRIGONOMETRY.search(both) or r"\pi" in both or re.search(r"(?<![a-zA-Z])pi(?![a-z])", both):
        return _in_radians(gold), _in_radians(answer)
    return DEGREES.sub(r"\1\2", gold), DEGREES.sub(r"\1\2", answer)


def _in_radians(text: str) -> str:
    return DEGREES.sub(lambda found: rf"(\frac{{{found.group(1) or found.group(2)}\pi}}{{180}})", text)


def _as_sum(found: re.Match[str]) -> str:
    whole, top, bottom = (group for group in found.groups() if group)
    return rf"({whole}+\frac{{{top}}}{{{bottom}}})"


def _as_fraction(found: re.Match[str]) -> str:
    read = read_quantity(found.group())
    return found.group() if read is None else rf"\frac{{{read.face.numerator}}}{{{read.face.denominator}}}"


def _as_matrix(found: re.Match[str]) -> str:
    rows = re.findall(r"\[([^\[\]]*)\]", found.group(1))
    return r"\begin{pmatrix}" + r"\\".join(row.replace(",", "&") for row in rows) + r"\end{pmatrix}"


def _like(text: str, other: str) -> str:
    """A tuple becomes a column where the other side is one."""
    if COLUMN.fullmatch(other) and text.startswith("(") and text.endswith(")") and r"\begin" not in text:
        return r"\begin{pmatrix}" + text[1:-1].replace(",", r"\\") + r"\end{pmatrix}"
    return text
