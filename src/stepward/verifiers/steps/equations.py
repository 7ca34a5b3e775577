r"""Finds what a step claims of numbers: equalities, inequalities and chains of them.

    Ann has 3 bags x $4 = $12 left.     3 * 4 = 12
    12/4 = 3, so 3 + 2 = 5 < 6          12/4 = 3,  3 + 2 = 5,  5 < 6
    She pays $<<3*4=12>>12              3 * 4 = 12

Around each relation sign the longest expression that ends there, and the longest that begins there, are taken; units
pass. A claim is dropped where what stands next to it shows that it is a piece of something larger: "x - 3 = 4",
"twice 3 + 1 = 7", "= 4 or 5". Where prose puts a claim in doubt ("if 3 + 4 = 8", "17 = 2 mod 5", "2 hours + 30
minutes = 2.5 hours") it carries a doubt: such a claim may hold, but is never called wrong.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from stepward.verifiers.steps.expression import (
    Node,
    Number,
    Operation,
    Reading,
    UnreadableError,
    evaluate,
    parse,
)
from stepward.verifiers.steps.tokens import Token, marks, spelled, tokens, words
from stepward.verifiers.units import UNITS

LONGEST_STEP = 20_000
LONGEST_SIDE = 60
"""Tokens of one side that are looked at."""
LONGEST_NAME = 12
"""Words of a quantity's name."""
MOST_CLAIMS = 60
CHANGES_WHAT_FOLLOWS = words(
    """
    times twice thrice half double triple quadruple plus minus than by over square cube root per mod modulo base log ln
    sin cos tan negative to between from squared cubed divided multiplied subtracted added less more add subtract
    multiply divide one two three four five six seven eight nine ten eleven twelve sqrt choose gcd lcm max min floor
    """
)
"""Words before an expression that may make it a piece of a larger one."""
CHANGES_BEHIND_OF = words(
    """
    % half third thirds quarter quarters fourth fourths fifth fifths tenth tenths part parts root square cube average
    mean median factor factors opposite value reciprocal negative log function power multiple multiples percent
    percentage fraction inverse ratio number
    """
)
"""Words that do so with an "of" behind them."""
CHANGES_WHAT_STANDS_BEFORE = words(
    """
    times dozen dozens hundred thousand million billion trillion mod modulo remainder or to base squared cubed plus
    minus choose half halves pi sqrt pairs pair score percent degrees r k m b log
    """
)
DOUBTS = re.compile(
    r"\b(?:if|whether|checks?|verify|suppose|assum\w*|not|cannot|contradict\w*|false|impossible|never|instead|about"
    r"|approximate\w*|roughly|nearly|almost|around|estimate\w*|wrong|incorrect\w*|mistake\w*|guess|try|trying|unless"
    r"|should|otherwise|does|is it)\b|n't\b|\?|≠|!=",
    re.IGNORECASE,
)
"""Words before a claim, in its sentence, under which it is not asserted, or not exactly."""
DENIED = re.compile(
    r"\b(?:wrong|incorrect\w*|false|not|n't|contradict\w*|deceptive|impossible|invalid|mistake\w*|error)\b|\?",
    re.IGNORECASE,
)
"""Words behind a claim, in its sentence, that take it back."""
OTHER_ARITHMETIC = re.compile(
    r"\bmod(?:ulo|ular)?\b|\\[pb]?mod|≡|\\equiv|\bbase[- ](?:\d|two|three|four|five|six|seven|eight|nine|ten)"
    r"|\bbinary\b|\bhexadecimal\b|\boctal\b|\boperation\b|\boperator\b|\\star|\\oplus|\\otimes|\bclock\b|\b[ap]\.?m\.?\b",
    re.IGNORECASE,
)
SCALES = words(
    """
    dozen dozens hundred thousand million billion trillion pair pairs score gross k quarter quarters dime dimes nickel
    nickels penny pennies cent cents half halves third thirds
    """
)
SENTENCE = re.compile(r";|(?<=[a-z)\d%])(?:[.?](?=\s|$)|!(?=\s+[A-Z]|\s*$))")


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """`left` stands in `relation` to `right`."""

    text: str
    left: Node
    relation: str
    """One of = ≈ < > ≤ ≥ ≠."""
    right: Node
    doubt: str = ""
    """Why the claim may mean something else than it says; empty where it says what it means."""


def claims(text: str, *, context: str = "") -> list[Claim]:
    """The claims of one step. `context` is the problem: it may define another arithmetic."""
    plain = spelled(text[:LONGEST_STEP])
    unusual = "another arithmetic" if OTHER_ARITHMETIC.search(f"{context}\n{text}") else ""
    in_marks = (claim for mark in marks(text) for claim in _in_sentence(mark, ""))
    sentences = chain(SENTENCE.split(plain), _worked_out(plain))
    in_prose = (claim for sentence in sentences for claim in _in_sentence(sentence, unusual))
    return list(islice(chain(in_marks, in_prose), MOST_CLAIMS))


def _worked_out(plain: str) -> Iterator[str]:
    """For each "left = 40 - 16 left = 24" of one name, "40 - 16 = 24", however its lines were joined."""
    parts = [part.split() for part in plain.split("=")]
    for name, work, result in zip(parts, parts[1:], parts[2:], strict=False):
        shared = 0
        while shared < min(LONGEST_NAME, len(name), len(work)) and _names(name[-shared - 1], work[-shared - 1]):
            shared += 1
        before, rest = name[: len(name) - shared], " ".join(work[: len(work) - shared]).strip(" ;.")
        alone = not before or before[-1][-1].isalpha() or before[-1][-1] in ";:."
        if alone and any(word.isalpha() for word in name[len(before) :]) and _parsed(tokens(rest)):
            yield f"{rest} = {SENTENCE.split(' '.join(result))[0]}"


def _names(one: str, other: str) -> bool:
    """Whether two words are the same part of a name."""
    return one == other and one[-1].isalnum()


def _in_sentence(sentence: str, unusual: str) -> Iterator[Claim]:
    pieces = tokens(sentence)
    relations = [at for at, token in enumerate(pieces) if token.kind == "relation"]
    for number, at in enumerate(relations):
        first = relations[number - 1] + 1 if number else 0
        last = relations[number + 1] if number + 1 < len(relations) else len(pieces)
        left = _ending(pieces, first, at)
        right = _beginning(pieces, at + 1, last)
        if left is None or right is None:
            continue
        span = pieces[left.start : right.end]
        before = sentence[: span[0].start]
        near = {token.text.lower() for token in pieces[left.start : min(right.end + 3, len(pieces))]}
        doubt = unusual or _doubt(before, sentence[span[-1].start :], near) or _runs_on(left.node, right.node)
        if span[-1].text == "!":
            doubt = doubt or "a factorial or an exclamation"
        if left.start == 0 and span[0].text in ("-", "+") and span[1].spaced:
            doubt = doubt or "a sign or a list's dash"
        named = isinstance(left.node, Number) and left.start > first and pieces[left.start - 1].kind == "word"
        if named or (_is_plain(left.node) and pieces[at - 1].kind == "word"):
            doubt = doubt or "a name that holds a number"
        if not (number and left.start == first) and not _is_plain(left.node) and not _is_plain(right.node):
            doubt = doubt or "an equation of two computations"
        written = sentence[span[0].start : span[-1].start + len(span[-1].text)]
        yield Claim(text=written, left=left.node, relation=pieces[at].text, right=right.node, doubt=doubt)


@dataclass(frozen=True, slots=True)
class _Side:
    """An expression and the tokens that it spans."""

    node: Node
    start: int
    end: int


def _ending(pieces: Sequence[Token], first: int, at: int) -> _Side | None:
    """The longest expression in `pieces[first:at]` that ends at `at`, if it is a whole one."""
    for start in range(max(first, at - LONGEST_SIDE), at):
        node = _parsed(pieces[start:at])
        if node is not None:
            return _Side(node, start, at) if _begins(pieces, start, first) else None
    return None


def _beginning(pieces: Sequence[Token], start: int, last: int) -> _Side | None:
    """The longest expression in `pieces[start:last]` that begins at `start`, if it is a whole one."""
    for end in range(min(last, start + LONGEST_SIDE), start, -1):
        node = _parsed(pieces[start:end])
        if node is not None:
            return _Side(node, start, end) if _ends(pieces, end) else None
    return None


def _parsed(pieces: Sequence[Token]) -> Node | None:
    try:
        return parse(pieces)
    except UnreadableError:
        return None


def _begins(pieces: Sequence[Token], start: int, first: int) -> bool:
    """Whether nothing before `start` belongs to the expression."""
    if start == 0 or start == first:
        return True
    before, here = pieces[start - 1], pieces[start]
    if before.kind == "word":
        word = before.text.lower()
        alone = len(word) == 1 and word not in ("a", "i")
        if alone or word in CHANGES_WHAT_FOLLOWS or here.text in ("-", "+") or not here.spaced:
            return False
        return word not in ("of", "and") or _is_open(pieces[start - 2] if start > 1 else None, word)
    if before.text == ")":
        return start == 2 and here.spaced and here.text not in ("-", "+")  # "1) 3 + 4": a number of a list
    return before.text == "(" or (before.text in (",", ":", ".") and here.spaced)


def _is_open(token: Token | None, word: str) -> bool:
    """Whether `token` before "of" or "and" leaves what follows by itself."""
    if token is None or token.kind != "word":
        return token is None or token.text in (",", ":")
    return word == "and" or token.text.lower() not in CHANGES_BEHIND_OF


def _ends(pieces: Sequence[Token], end: int) -> bool:
    """Whether nothing from `end` on belongs to the expression."""
    if end >= len(pieces):
        return True
    token = pieces[end]
    if token.kind == "relation":
        return True
    if token.kind == "word":
        word = token.text.lower()
        alone = len(word) == 1 and word not in ("a", "i")
        behind = pieces[end + 1].text.lower() if end + 1 < len(pieces) else ""
        if word == "and" and behind in ("a", "one", "half"):
            return False
        return token.spaced and not alone and word not in CHANGES_WHAT_STANDS_BEFORE
    if token.text == ",":
        return end + 1 >= len(pieces) or pieces[end + 1].spaced
    if token.text == "(":
        return end + 1 < len(pieces) and pieces[end + 1].kind == "word" and len(pieces[end + 1].text) > 1
    return token.text in (")", "]", "}", ".", ":", "?", "'", '"', ";")


def _doubt(before: str, behind: str, words: set[str]) -> str:
    if DOUBTS.search(before) or DENIED.search(behind):
        return "not asserted"
    if words & SCALES:
        return "counts in larger or smaller units"
    worth: dict[str, set[float]] = {}
    for word in words & UNITS.keys() - {"in", "m", "s", "g", "l", "h"}:
        dimension, value = UNITS[word]
        worth.setdefault(dimension, set()).add(value)
    return "several units" if any(len(values) > 1 for values in worth.values()) else ""


def _runs_on(left: Node, right: Node) -> str:
    """5 + 3 = 8 * 2: the right side goes on with the result."""
    leading = right
    while isinstance(leading, Operation):
        leading = leading.parts[0]
    if isinstance(left, Number) or leading is right or not isinstance(leading, Number):
        return ""
    try:
        result = evaluate(left, Reading()).low
    except UnreadableError:
        return ""
    return f"runs on from {leading.value}" if result == leading.value else ""


def _is_plain(node: Node) -> bool:
    """A number or a fraction of two, as against a computation."""
    if isinstance(node, Operation) and node.sign in ("neg", "%", "mixed"):
        return all(_is_plain(part) for part in node.parts)
    parts = node.parts if isinstance(node, Operation) and node.sign == "/" else (node,)
    return all(isinstance(part, Number) for part in parts)
