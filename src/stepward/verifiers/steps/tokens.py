r"""One spelling for the mathematics in prose and LaTeX, cut into tokens.

Every sign of a product becomes *, every fraction command \frac, calculator marks <<3*4=12>> are taken out (they are
claims of their own), and what ends a thought (a line, a display, a dash between clauses) becomes ";". A dollar sign is
money in one text and mathematics in another: it is dropped, since neither changes a number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["number", "word", "sign", "relation", "command"]

MARK = re.compile(r"<<([^<>\n]{1,200})>>")
SIGNS = str.maketrans(
    {
        "×": "*", "·": "*", "⋅": "*", "∗": "*", "∙": "*", "•": ";", "÷": "/", "⁄": "/", "∕": "/", "−": "-", "–": "-",
        "—": ";", "≅": "≈", "≃": "≈", "→": ";", "⇒": ";", "’": "'", "％": "%", "€": " ", "£": " ",
        "½": " 1/2", "¼": " 1/4", "¾": " 3/4", "\u00a0": " ", "\u202f": " ", "\u2009": " ", "\t": " ",
    }
)  # fmt: skip
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,9}")
REWRITES = tuple(
    (re.compile(pattern), to)
    for pattern, to in (
        (r"\\(?:text|mathrm|textbf|mbox)\s?\{([A-Za-z. ]{0,60})\}", r" \1 "),
        (r"(?<=\w) \([A-Za-z][a-z]{2}[A-Za-z' ]{0,30}\)", ""),
        (r"\\\$|\$", " "),
        (r"\{,\}", ","),
        (r"\\%", "%"),
        (r"\^\s?\{?\s?\\circ\s?\}?|°", " degrees "),
        (r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])", " "),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac\s?(\d)\s?(?=[\d{])", r"\\frac{\1}"),
        (r"(\\frac\s?\{[^{}]{0,40}\})\s?(\d)", r"\1{\2}"),
        (r"\\(?:times|cdot|ast)(?![A-Za-z])", " * "),
        (r"\\div(?![A-Za-z])", " / "),
        (r"\\(?:approx|simeq)(?![A-Za-z])|~=", " ≈ "),
        (r"\\(?:leq?|leqslant)(?![A-Za-z])|<=", " ≤ "),
        (r"\\(?:geq?|geqslant)(?![A-Za-z])|>=", " ≥ "),
        (r"\\(?:neq?)(?![A-Za-z])|!=", " ≠ "),
        (r"\\(?:[,;:! ]|q?quad(?![A-Za-z]))", " "),
        (r"(?<=[\d)])\s?\*\*\s?(?=[\d(])", "^"),
        (r"\*\*|__|`", " "),
        (r"\\\*", "*"),
        (r"\\(?:begin|end)\{[a-z*]{1,12}\}", " "),
        (r"&", " "),
        (r"(?:\\\\|\n|\\[\[\](])\s*(?==(?!=))", " "),
        (r"=>|-{1,2}>|\\[()\[\]]|\\\\|\n|-{2,}|={3,}", " ; "),
        (r"==", "="),
        (r"\bis equal to\b|\bequals\b", "="),
        (r"\bdivided by\b", "/"),
        (r"\bmultiplied by\b|(?<=\d) times (?=\d)", "*"),
        (r"(?<=\d) plus (?=\d)", "+"),
        (r"(?<=\d) minus (?=\d)", "-"),
        (r"\bper ?cent\b", "%"),
    )
)
TOKEN = re.compile(
    r"(?P<number>\d{1,3}(?:,\d{3})+(?!\d)(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+)"
    r"|(?P<word>[A-Za-z]+(?:'[a-z]{1,2})?)|(?P<command>\\[A-Za-z]+)|(?P<relation>[=≈<>≤≥≠])|(?P<sign>\S)"
)


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a text."""

    kind: Kind
    text: str
    start: int
    spaced: bool
    """White space stands before it."""


def marks(text: str) -> list[str]:
    """What stands inside the calculator marks of `text`."""
    return MARK.findall(text)


def spelled(text: str) -> str:
    """`text` in the one spelling, without calculator marks."""
    text = MARK.sub("", text).translate(SIGNS)
    text = SUPERSCRIPT.sub(lambda run: "^" + run.group().translate(SUPERSCRIPTS), text)
    for pattern, to in REWRITES:
        text = pattern.sub(to, text)
    return text


def tokens(text: str) -> list[Token]:
    """The tokens of a spelled text; white space is only noted."""
    found = []
    for match in TOKEN.finditer(text):
        kind: Kind = match.lastgroup  # type: ignore[assignment]  # the groups are named after the kinds
        start = match.start()
        found.append(Token(kind, match.group(), start, start == 0 or text[start - 1].isspace()))
    return found


def words(text: str) -> frozenset[str]:
    """The words of `text`."""
    return frozenset(text.split())
