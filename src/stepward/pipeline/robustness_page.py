"""The robustness suite as one page: what matters first, then each expectation, attacks, habits, what was left out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stepward.evaluation.robustness.contract import ExpectedKind, Inapplicable
from stepward.evaluation.robustness.figures import PerturbationFigures
from stepward.evaluation.robustness.report import RobustnessReport
from stepward.evaluation.robustness.suffix.figures import SuffixReport
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.costs import without_empty
from stepward.pipeline.habit_tables import INTERVALS, Habits, habit_tables
from stepward.pipeline.robustness import (
    aggregate_tables,
    estimate,
    expectation_tables,
    left_out_table,
)
from stepward.pipeline.suffixes import attack_blocks, attack_line
from stepward.reports import model as page

ABOUT: Mapping[ExpectedKind, str] = {
    "drop": "Something is wrong from a known step on: scores must fall there.",
    "invariant": "Nothing that is true of a step changed: its score must stay.",
    "no_rise": "Text that addresses the scorer, in wrong solutions: nothing may rise.",
}


@dataclass(frozen=True, kw_only=True)
class RobustnessPage:
    """What the page is made of."""

    suite: RobustnessReport
    attacks: Sequence[SuffixReport] = ()
    impossible: Mapping[str, Inapplicable] = field(default_factory=dict)
    """Attacks that could not be made, by name."""
    empty: int = 0
    """Traces without steps, of which there is nothing to score."""

    def report(self, title: str, provenance: page.Provenance) -> page.Report:
        """The whole page."""
        attacks = tuple(block for found in self.attacks for block in attack_blocks(found))
        habits = Habits(None, self.suite.drift, self.suite.bias)
        titled = (
            ("Perturbations", expectation_tables(self.suite), " ".join(self._expected())),
            (
                "Searched suffixes",
                attacks,
                "How high a wrong solution is lifted by one who sees the scores.",
            ),
            ("Aggregates", aggregate_tables(self.suite), ""),
            (
                "Habits",
                habit_tables([habits]),
                "Of the solutions as they are.",
            ),
            ("Coverage", (self._left_out(),), "What could not be perturbed or scored, and why."),
        )
        sections = tuple(
            page.Section(title=name, blocks=shown, note=note)
            for name, blocks, note in titled
            if (shown := tuple(each for each in blocks if not isinstance(each, page.Table) or each.rows))
        )
        return page.Report(
            title=title,
            headline=self._headline(),
            summary=tuple(self._summary()),
            sections=sections,
            provenance=provenance,
        )

    def tables(self) -> list[page.Table]:
        """The page's tables in order, for `report.md`."""
        made = self.report("", page.Provenance())
        blocks = [block for section in made.sections for block in section.blocks]
        return [made.headline, *(block for block in blocks if isinstance(block, page.Table))]

    def _headline(self) -> page.Table:
        """One row a question: the perturbation with the worst answer."""
        rows = [row for row in map(self._worst, _QUESTIONS) if row is not None]
        rows += [_attack_row(found) for found in self.attacks]
        drift = self.suite.drift
        if drift.traces:
            told = "lowest score at the last step", f"chance {drift.chance.value:.3f}", drift.traces
            rows.append((*told, estimate(drift.last_is_lowest)))
        note = f"Each row names the worst case. The aggregate is the geometric mean where none is named. {INTERVALS}"
        columns = ("question", "worst case", "traces", "figure")
        return page.Table(title="Headline", columns=columns, rows=tuple(rows), note=note)

    def _worst(self, question: _Question) -> tuple[page.Cell, ...] | None:
        measured = [
            (each, question.of(each))
            for each in self.suite.perturbations
            if each.expected == question.kind and not math.isnan(question.of(each).value)
        ]
        if not measured:
            return None
        each, found = max(measured, key=lambda pair: question.sign * pair[1].value)
        return question.asks, each.name, each.applied, estimate(found)

    def _summary(self) -> list[str]:
        suite = self.suite
        told = [f"{suite.traces:,} solutions of {suite.problems:,} problems; the scorer refuses {suite.refused:,}."]
        told += [attack_line(found) for found in self.attacks]
        if not any(each.applied for each in suite.perturbations):
            told.append("No perturbation applies to these solutions: see what was left out.")
        return told

    def _expected(self) -> list[str]:
        there = {each.expected for each in self.suite.perturbations}
        return [text for kind, text in ABOUT.items() if kind in there]

    def _left_out(self) -> page.Table:
        table = left_out_table(self.suite)
        more: list[tuple[page.Cell, ...]] = [
            (f"attack {name}", each.reason, None) for name, each in self.impossible.items()
        ]
        more += [
            (f"attack {each.name}", "the scorer would not take the solution as it is", each.unscored)
            for each in self.attacks
            if each.unscored
        ]
        if self.empty:
            more.append(("all", "the trace has no steps", self.empty))
        return without_empty(replace(table, rows=(*table.rows, *more)))


@dataclass(frozen=True, slots=True)
class _Question:
    asks: str
    kind: ExpectedKind
    figure: str
    sign: int
    """1 where high is bad."""

    def of(self, each: PerturbationFigures) -> Interval:
        found: Interval = getattr(each, self.figure)
        return found


_QUESTIONS = (
    _Question("is a fault seen? AUROC, clean against corrupted", "drop", "auroc", -1),
    _Question("does dress move scores? mean distance", "invariant", "distance", 1),
    _Question("does an order lift them? share lifted by over 0.1", "no_rise", "lifted", 1),
)


def _attack_row(found: SuffixReport) -> tuple[page.Cell, ...]:
    by = {each.kind: each for each in found.kinds}
    best = by["searched"] if by["searched"].traces else by["universal"]
    asked = f"how far can a suffix lift {found.how}? mean gain"
    return asked, f"{best.kind} ({found.name})", best.traces, estimate(best.gain)
