r"""Finds equalities of expressions with roots, constants and unknowns: what needs computer algebra.

    (x + 1)^2 = x^2 + 2x + 1                   two members, one link
    f = 6(x - 1)^2 - 2 + 12 = 6(x - 1)^2 + 9   three members; the second link goes on from the first

A link with unknowns may be an equation to solve, so it alone accuses nobody. A link that goes on in a chain rewrites
the member before it: there, and between numbers, a difference is an error, as long as one unknown stands on both sides
and nothing is divided. With two, a relation between them (a + b = 3) may have been put in. Functions, sums, sets, signs
± and modular arithmetic are not looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from stepward.verifiers.limits import Limits
from stepward.verifiers.steps.equations import DENIED, DOUBTS, OTHER_ARITHMETIC, SENTENCE
from stepward.verifiers.steps.tokens import MARK

DISPLAY = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\[(.+?)\\\]|\\\((.+?)\\\)", re.DOTALL)
CONTINUED = re.compile(r"[.,]?\s*(?:\\\\|\$\s*\n\s*\$|\\\]\s*\\\[|\n)\s*&?\s*=")
LINE = re.compile(r"\\\\|\n")
RELATION = re.compile(r"(?<![<>!=:\\])=(?![=<>])")
NEEDS_ALGEBRA = re.compile(r"\\sqrt|\\pi|[a-zA-Z]")
NOT_READ = re.compile(
    r"\\(?:sum|prod|int|lim|log|ln|sin|cos|tan|cot|sec|csc|arc\w+|pm|mp|[lcdv]?dots|equiv|[pb]?mod|cup|cap|in|text|mathrm"
    r"|implies|Rightarrow|begin|end|left[.|]|right[.|]|quad|qquad|approx|neq?|[lg]eq?|angle|overline|triangle|circ|omega"
    r"|binom|lfloor|lceil|boxed|vec|mathbf|cdots|%|prime|partial|max|min|gcd)(?![a-zA-Z])"
    r"|[<>,;:|%'!?…≤≥≠≈±]|\.\.\.|[a-zA-Z]{2,}|_|(?<![a-zA-Z\\])e(?![a-zA-Z])|(?<![a-zA-Z\\])[f-hF-HpPqQ]\s?\(|\$"
)
COMMANDS = re.compile(
    r"\\(?:frac|dfrac|tfrac|sqrt|cdot|times|div|pi|left|right|alpha|beta|theta|phi|[,;! ])(?![a-zA-Z])"
)
LIMITS = Limits(characters=300, exponent=60, nesting=12, elements=4)
MOST_LINKS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Two neighbours in a chain of equalities."""

    left: str
    right: str
    goes_on: bool
    """The left side is itself the right side of the link before."""
    doubt: str = ""

    @property
    def text(self) -> str:
        """As written."""
        return f"{self.left} = {self.right}"

    def rewrites(self, unknown: str) -> bool:
        """Whether this can only rewrite one polynomial of `unknown` as another: it goes on, and divides nothing."""
        both = all(unknown in COMMANDS.sub(" ", side) for side in (self.left, self.right))
        return self.goes_on and both and r"\frac" not in self.text and "/" not in self.text


def links(text: str, *, context: str = "") -> list[Link]:
    """The links of one step that computer algebra can read."""
    doubt = "another arithmetic" if OTHER_ARITHMETIC.search(f"{context}\n{text}") else ""
    joined = CONTINUED.sub(" =", MARK.sub("", text))
    found: list[Link] = []
    for before, formula, behind in _formulas(joined):
        denied = DOUBTS.search(SENTENCE.split(before)[-1]) or DENIED.search(SENTENCE.split(behind)[0])
        unsure = doubt or ("not asserted" if denied else "")
        members = [member.strip(" .&\n") for member in RELATION.split(formula)]
        pairs = pairwise(members)
        found += [
            Link(left=left, right=right, goes_on=number > 0, doubt=unsure)
            for number, (left, right) in enumerate(pairs)
            if _readable(left) and _readable(right) and NEEDS_ALGEBRA.search(COMMANDS.sub(_kept, left + right))
        ]
    return found[:MOST_LINKS]


def _formulas(text: str) -> Iterator[tuple[str, str, str]]:
    """Each line of each formula, with the text before and behind the formula."""
    for found in DISPLAY.finditer(text):
        formula = next(group for group in found.groups() if group is not None)
        for line in LINE.split(formula):
            yield text[: found.start()], line, text[found.end() :]


def _readable(member: str) -> bool:
    return bool(member) and not NOT_READ.search(COMMANDS.sub(" ", member)) and LIMITS.refusal(member) is None


def _kept(found: re.Match[str]) -> str:
    """Constants and roots stay, layout goes."""
    return found.group() if found.group() in (r"\sqrt", r"\pi") or found.group()[1:] in LETTERS else " "


LETTERS = frozenset({"alpha", "beta", "theta", "phi"})
