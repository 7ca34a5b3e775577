r"""One spelling for what people and models write in many: the first step of every comparison.

Mathematical signs of Unicode become LaTeX, digits of other scripts become 0-9, display commands, spacing, dollar
signs and \left \right go away, and the fonts of \text are one. Meaning is never touched: a superscript two
becomes ^{2} (compatibility normalisation would make 10² the number 102), and 3½ stays a mixed number.
"""

from __future__ import annotations

import re
import unicodedata

SIGNS = {
    "−": "-", "–": "-", "—": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "÷": "/", "⁄": "/", "∕": "/",
    "π": r"\pi ", "√": r"\sqrt", "∞": r"\infty ", "°": r"^\circ ", "≤": r"\le ", "≥": r"\ge ", "≠": r"\neq ",
    "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ", "±": r"\pm ", "θ": r"\theta ", "α": r"\alpha ",
    "∠": r"\angle ", "△": r"\triangle ", "‰": r"/1000", "’": "'", "“": '"', "”": '"', "€": "$", "£": "$", "…": "...",
    "⟨": r"\langle ", "⟩": r"\rangle ", "ℝ": r"\mathbb{R}", "∶": ":", "\u2061": "", "\u200b": "", "\ufeff": "",
}  # fmt: skip
SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿⁱ", "0123456789-+ni")
SUPERSCRIPT = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿⁱ]+")
SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")

THOUSANDS = re.compile(r"(?<=\d),\\!\s*(?=\d)")
"""The negative space says that the comma parts the digits of one number, whatever space stands behind it."""
SPACING = re.compile(r"(?<!\\)\\(?:[,;:!>\s]|(?:q?quad|displaystyle|textstyle)(?![A-Za-z]))|~")
SIZING = re.compile(r"\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])\s?\.?")
FONT = re.compile(r"\\(?:mbox|textbf|textit|textrm|textnormal|mathrm|mathbf|mathit|textsf|texttt|emph)\s?(?=\{)")
FRACTION = re.compile(r"\\[dtc]frac(?![A-Za-z])")
DOLLARS = re.compile(r"^(-?)\s?\\?\$\s?(-?[\d,]+(?:\.\d+)?)\.?$")
DELIMITERS = re.compile(r"(?<!\\)\\[()\[\]]|\\?\$")
EMPHASIS = re.compile(r"^(?:\*\*|__|`)(.+?)(?:\*\*|__|`)$", re.DOTALL)
WHOLE_TEXT = re.compile(r"\\text\{([^{}]*)\}")
UNSEEN = re.compile(r"\\phantom\s?(?:\{[^{}]*\}|-)|^(?:\s|\\approx|\\sim|=(?!=))+")
SPACES = re.compile(r"\s+")
TRAILING = " .;,:!"


def tidy(text: str) -> str:
    """`text` in the one spelling; its meaning is unchanged."""
    text = _plain_signs(text) if not text.isascii() else text
    text = THOUSANDS.sub(",", text).replace(r"\!", "").replace("{,}", ",")
    text = SIZING.sub("", FRACTION.sub(r"\\frac", FONT.sub(r"\\text", text)))
    text = DOLLARS.sub(r"\1\2 dollars", text.strip())
    text = DELIMITERS.sub(" ", SPACING.sub(" ", text)).replace(r"\%", "%")
    text = text.replace(r"\lbrace", r"\{").replace(r"\rbrace", r"\}")
    text = UNSEEN.sub("", SPACES.sub(" ", text)).strip()
    emphasis = EMPHASIS.match(text)
    return _without_end((emphasis.group(1) if emphasis else text).strip())


def squeezed(text: str) -> str:
    """`tidy(text)` without any space: equal where two texts differ in spelling alone."""
    return tidy(text).replace(" ", "")


def plain_words(text: str) -> str:
    r"""`text` with every \text{...} opened, and lower case: for answers that are words."""
    return SPACES.sub(" ", WHOLE_TEXT.sub(r" \1 ", tidy(text))).strip(TRAILING + "\"'").casefold()


def _without_end(text: str) -> str:
    # A factorial keeps its sign, an ellipsis its dots.
    while text and text[-1] in " .;,:" and not text.endswith("..."):
        text = text[:-1]
    return text


def _plain_signs(text: str) -> str:
    # A run of superscripts is one exponent: x¹² is x^{12}.
    text = SUPERSCRIPT.sub(lambda run: "^{" + run.group().translate(SUPERSCRIPTS) + "}", text)
    return "".join(map(_one_sign, text))


def _one_sign(character: str) -> str:
    if character.isascii():
        return character
    if character in SIGNS:
        return SIGNS[character]
    if ord(character) in SUBSCRIPTS:
        return "_" + character.translate(SUBSCRIPTS)
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.decimal(character))
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    if unicodedata.decomposition(character).startswith("<fraction>"):
        return " " + unicodedata.normalize("NFKC", character).replace("⁄", "/")
    return " " if character.isspace() else character
