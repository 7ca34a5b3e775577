"""A comparison of searches as a page: who is right how often, at what cost, and how far a search looked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from stepward.codec import from_json, to_json
from stepward.evaluation.compare import ArmResult, Axis
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.findings import estimate
from stepward.protocols import SearchResult
from stepward.reports import model as page
from stepward.types import Json, Problem

Proxy: TypeAlias = tuple[str, int, float, float]
"""Arm, n, mean score of the chosen, accuracy."""

AXIS_NAMES: Mapping[Axis, str] = {
    "flops": "GFLOPs",
    "policy_tokens": "tokens written",
    "prompt_tokens": "tokens read by the policy",
    "scorer_tokens": "tokens scored",
    "seconds": "engine seconds",
}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Everything that the page tells."""

    arms: tuple[ArmResult, ...]
    against: str
    differences: Mapping[str, Interval]
    gaps: Mapping[str, float | None]

    def record(self) -> dict[str, Json]:
        """For `comparison.json`; `of` reads it back."""
        return {
            "arms": [to_json(arm) for arm in self.arms],
            "against": self.against,
            "differences": {name: to_json(interval) for name, interval in self.differences.items()},
            "gap_closed": dict(self.gaps),
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Compared:
        """What `record` made."""
        return cls(
            arms=tuple(from_json(ArmResult, arm) for arm in record["arms"]),
            against=record["against"],
            differences={name: from_json(Interval, each) for name, each in record["differences"].items()},
            gaps=record["gap_closed"],
        )

    def table(self) -> page.Table:
        """One row an arm, the most often right first."""
        arms = sorted(self.arms, key=lambda arm: -arm.accuracy.value)
        first = arms[0]
        return page.Table(
            title=f"Searches on {first.problems} problems, {first.seeds} seeds",
            columns=(
                "search",
                "accuracy",
                f"less {self.against}",
                "gap closed",
                *_COSTS,
                "abstained",
                "Pareto",
            ),
            rows=tuple(self._row(arm) for arm in arms),
            note=(
                "Intervals: 95 % bootstrap over problems, seeds averaged; differences are paired. Costs are means per "
                "problem, discarded branches and every scored token included. Gap closed: 0 is one sample, 1 an oracle "
                "over the pool. Pareto: no other search takes as few FLOPs and is as often right."
            ),
        )

    def short(self) -> page.Table:
        """What fits a terminal of eighty columns."""
        rows = sorted(self.arms, key=lambda arm: -arm.accuracy.value)
        return page.Table(
            title=f"Searches on {rows[0].problems} problems, {rows[0].seeds} seeds",
            columns=("search", "accuracy", "less*", "tokens", "GFLOPs", "Pareto"),
            rows=tuple(
                (
                    arm.arm,
                    estimate(arm.accuracy),
                    page.Estimate(value=self.differences[arm.arm].value) if arm.arm in self.differences else None,
                    page.Estimate(value=arm.cost["policy_tokens"], digits=0),
                    page.Estimate(value=arm.cost["flops"] / 1e9, digits=2),
                    "yes" if "flops" in arm.pareto else "",
                )
                for arm in rows
            ),
            note=f"* less {self.against}, paired. The report has every cost, intervals and the search trees.",
        )

    def figure(self, axis: Axis) -> page.Scatter:
        """Accuracy against one cost."""
        return page.Scatter(
            title=f"Accuracy against {AXIS_NAMES[axis]}",
            x_label=f"{AXIS_NAMES[axis]} per problem",
            y_label="accuracy",
            points=tuple(
                page.Point(
                    name=arm.arm,
                    x=arm.cost[axis] / (1e9 if axis == "flops" else 1),
                    y=arm.accuracy.value,
                    low=arm.accuracy.low,
                    high=arm.accuracy.high,
                )
                for arm in self.arms
                if arm.cost[axis] > 0
            ),
            note="In colour: nothing is cheaper and as often right.",
        )

    def summary(self) -> tuple[str, ...]:
        """Two sentences."""
        best = max(self.arms, key=lambda arm: arm.accuracy.value)
        front = sorted((a for a in self.arms if "flops" in a.pareto), key=lambda arm: arm.cost["flops"])
        return (
            f"Most often right: {best.arm}, {best.accuracy}.",
            "Best at their price in FLOPs, the cheapest first: " + ", ".join(arm.arm for arm in front) + ".",
        )

    def _row(self, arm: ArmResult) -> tuple[page.Cell, ...]:
        gap = self.gaps.get(arm.arm)
        difference = self.differences.get(arm.arm)
        return (
            arm.arm,
            estimate(arm.accuracy),
            None if difference is None else estimate(difference),
            None if gap is None else page.Estimate(value=gap, digits=2),
            *(page.Estimate(value=arm.cost[axis], digits=0) for axis in ("policy_tokens", "scorer_tokens")),
            page.Estimate(value=arm.cost["flops"] / 1e9, digits=2),
            page.Estimate(value=arm.abstained, digits=3),
            "yes" if "flops" in arm.pareto else "no",
        )


_COSTS = ("tokens written", "tokens scored", "GFLOPs")


def over_optimisation(rows: Sequence[Proxy]) -> page.Table:
    """Best-of-n at several n: what the scorer thinks of the chosen, and what it is worth."""
    return page.Table(
        title="Over-optimisation: best of n",
        columns=("search", "n", "nats from the policy, at most", "mean score of the chosen", "accuracy"),
        rows=tuple(
            (
                arm,
                n,
                page.Estimate(value=math.log(n) - (n - 1) / n),
                page.Estimate(value=score),
                page.Estimate(value=right),
            )
            for arm, n, score, right in sorted(rows, key=lambda row: (row[0].partition("@")[0], row[1]))
        ),
        note="Where the score of the chosen goes on rising and accuracy does not, the search has learnt the scorer.",
    )


def tree_view(problem: Problem, arm: str, found: SearchResult, right: bool | None) -> page.TreeView:
    """What `arm` looked at on one problem."""
    verdict = {True: "right", False: "wrong", None: "undecided"}[right]
    facts = (
        f"answer {found.answer}" if found.answer is not None else "no answer",
        f"reference {problem.answer}",
        verdict,
        f"{found.spend.policy_tokens} tokens written, {found.spend.discarded_tokens} of them discarded",
        f"{found.spend.scorer_tokens} tokens scored",
        found.note,
    )
    return page.TreeView(
        title=f"{arm}: {problem.id} ({verdict})",
        problem=problem.text,
        nodes=found.nodes,
        facts=tuple(fact for fact in facts if fact),
    )
