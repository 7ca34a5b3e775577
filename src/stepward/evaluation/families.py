"""Decisions among many comparisons: of twenty differences that are none, one keeps clear of 0 by chance.

Every difference here is a number with Student's interval over problems (`metrics.bootstrap`), so its p is that of the
same t, for the same degrees of freedom: p < 1 - level just where the interval keeps clear of 0. Within a family, all
that is compared on one occasion, Holm's step-down raises the p-values (`metrics.comparisons.holm`), and a difference is
called sure where the raised p is below `LEVEL`: the chance of any false claim in the family is then bounded by it.

Degenerate cases: a difference of exactly 0, or one seen on fewer than two problems, has p = 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import t as student

from stepward.errors import LabelError
from stepward.metrics.bootstrap import Interval, t_quantile
from stepward.metrics.comparisons import holm

LEVEL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class FamilyTest:
    """A difference tested against 0, alone and in its family."""

    p: float
    holm: float
    """Raised for the other comparisons of its family."""
    family: int
    """Comparisons in it."""

    @property
    def sure(self) -> bool:
        """Whether it holds among all of them."""
        return self.holm < LEVEL

    def __str__(self) -> str:
        return f"{p_text(self.holm)} by Holm over {self.family}" if self.family > 1 else p_text(self.p)


def student_p(difference: Interval, problems: int) -> float:
    """Two-sided p of a difference whose Student's interval over `problems` this is; `LabelError` where it is not."""
    half = (difference.high - difference.low) / 2
    if problems < 2 or difference.value == 0:
        return 1.0
    if abs(difference.high + difference.low - 2 * difference.value) > 1e-6 * max(1.0, half):
        raise LabelError("only a symmetrical interval is Student's", got=str(difference))
    if half <= 0:
        return 0.0
    return float(2 * student.sf(abs(difference.value) * t_quantile(problems, difference.level) / half, problems - 1))


def p_text(p: float) -> str:
    """A p-value in a sentence."""
    return "p < 0.0001" if p < 1e-4 else f"p {p:.2g}"


def in_family(ps: Sequence[float | None]) -> list[FamilyTest | None]:
    """Each p of one family with Holm's; what was not measured stays None and is not of the family."""
    there = [p for p in ps if p is not None]
    raised = iter(holm(there) if there else [])
    return [None if p is None else FamilyTest(p=p, holm=next(raised), family=len(there)) for p in ps]
