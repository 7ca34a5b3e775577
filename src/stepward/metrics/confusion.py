"""Counts of right and wrong verdicts, and the numbers made of them.

The positive class is what the caller says it is; for PRMBench it is the *right* step (arXiv 2501.03124):
    PRMScore = (F1 + F1_negative) / 2,   F1 = 2 TP / (2 TP + FP + FN),   F1_negative with TN in place of TP.
MCC = (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)).

Degenerate case: a number with no class under it is undefined and raises `LabelError`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from stepward.errors import LabelError
from stepward.metrics.checks import flags, same_count


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Verdicts against truth. Adds up over parts of a benchmark."""

    true_positive: int
    true_negative: int
    false_positive: int
    false_negative: int

    @classmethod
    def of(cls, predicted_S: ArrayLike, actual_S: ArrayLike) -> Confusion:
        """Counts of two rows of 0/1, 1 being positive."""
        predicted, actual = flags(predicted_S), flags(actual_S)
        same_count(list(predicted), list(actual), "predictions and labels")
        return cls(
            true_positive=int((predicted & actual).sum()),
            true_negative=int((~predicted & ~actual).sum()),
            false_positive=int((predicted & ~actual).sum()),
            false_negative=int((~predicted & actual).sum()),
        )

    def __add__(self, other: Confusion) -> Confusion:
        return Confusion(
            true_positive=self.true_positive + other.true_positive,
            true_negative=self.true_negative + other.true_negative,
            false_positive=self.false_positive + other.false_positive,
            false_negative=self.false_negative + other.false_negative,
        )

    @property
    def accuracy(self) -> float:
        """Share of right verdicts."""
        right = self.true_positive + self.true_negative
        return _ratio(right, right + self.false_positive + self.false_negative, "accuracy")

    @property
    def f1(self) -> float:
        """F1 of the positive class."""
        wrong = self.false_positive + self.false_negative
        return _ratio(2 * self.true_positive, 2 * self.true_positive + wrong, "F1")

    @property
    def f1_negative(self) -> float:
        """F1 of the negative class."""
        wrong = self.false_positive + self.false_negative
        return _ratio(2 * self.true_negative, 2 * self.true_negative + wrong, "F1 of the negative class")

    @property
    def prm_score(self) -> float:
        """Mean of both F1s."""
        return (self.f1 + self.f1_negative) / 2

    @property
    def mcc(self) -> float:
        """Matthews correlation, in [-1, 1]."""
        tp, tn, fp, fn = self.true_positive, self.true_negative, self.false_positive, self.false_negative
        return _ratio(tp * tn - fp * fn, math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)), "MCC")


def _ratio(above: float, below: float, metric: str) -> float:
    if below == 0:
        raise LabelError(f"{metric} is undefined: a class under it is empty")
    return above / below
