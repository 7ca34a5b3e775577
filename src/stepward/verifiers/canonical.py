r"""One spelling per answer, so that answers can be counted.

Votes need groups, and a pairwise check of n answers by computer algebra costs n^2 slow calls. Numbers
written in different ways (18, 18.0, 36/2, \$18) get one spelling by exact arithmetic; anything else is
spelled without white space and LaTeX dressing. A unit is left out, since answers to one question share
it or leave it out. Two answers that only algebra could show to be equal stay apart: their vote is split.
"""

from __future__ import annotations

from stepward.verifiers.quantity import read_quantity, without_name
from stepward.verifiers.tidy import squeezed, tidy


def canonical_answer(answer: str) -> str:
    """The spelling of `answer` that equal numbers share."""
    plain = tidy(answer)
    found = read_quantity(without_name(plain)[1])
    return squeezed(plain) if found is None else str(found.face)
