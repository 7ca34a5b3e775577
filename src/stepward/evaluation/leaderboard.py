"""Evaluations of several runs in one table, where they judged against the same data.

Runs compare when the content keys of their data are equal: the same problems, steps, labels and verdicts, whatever the
files were called. Anything else is refused by name, unless the caller asks for a mixture; then every row carries its
data, and rows are ordered within a data set only. Each interval is of its run alone; two scorers are told apart by
their paired difference (`paired`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stepward.errors import ConfigError
from stepward.evaluation.evaluated import FILE, Evaluated, ScorerFigures, read_evaluated, stage_files
from stepward.evaluation.judged_rows import ROWS
from stepward.metrics.bootstrap import Interval
from stepward.storage.run import CONFIG


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One scorer of one run."""

    run: str
    record: Evaluated
    figures: ScorerFigures
    rows: Path
    """What each trace got; a run of an older version has no such file."""

    @property
    def auroc(self) -> Interval | None:
        """Step AUROC; None where steps could not be judged."""
        return None if self.figures.steps is None else self.figures.steps.auroc

    @property
    def best(self) -> Interval | None:
        """Accuracy of choosing by this scorer at the largest n; None where nothing was chosen."""
        found = self.record.best(self.figures.name)
        return None if found is None else found[1]

    @property
    def leaked(self) -> bool:
        """Whether problems that it was judged on taught it."""
        return bool(self.record.leaked) and self.figures.name == self.record.scorers[0].name


def read_entries(run: Path) -> list[Entry]:
    """Every scorer that the run in `run` evaluated, baselines left out; `ConfigError` where it evaluated none."""
    files = stage_files(run, FILE)
    if not files:
        what = f"{run} holds no evaluation" if (run / CONFIG).is_file() else f"{run} is no run folder"
        raise ConfigError(what, mend="make one with `stepward evaluate`, or a recipe's stage `evaluate`")
    entries = []
    for file in files:
        record = read_evaluated(file)
        rows = file.with_name(ROWS)
        entries += [Entry(run=run.name, record=record, figures=f, rows=rows) for f in record.scorers if _counts(f)]
    return entries


def rank(entries: Sequence[Entry], *, mix: bool = False) -> list[Entry]:
    """`entries` by step AUROC, then by accuracy of the choice, the best first; by data set before that where mixed.

    Raises `ConfigError` naming runs and data where they judged against different data, unless `mix`.
    """
    keys = {entry.record.data.key for entry in entries}
    if len(keys) > 1 and not mix:
        told = {
            f"{e.run}: {e.record.data.name}, {e.record.data.traces} traces, {e.record.data.key[:8]}" for e in entries
        }
        raise ConfigError(
            "these runs judged against different data, so their figures do not compare",
            got=sorted(told),
            mend="evaluate on the same data, or ask for a mixture with --mix",
        )
    return sorted(entries, key=_place)


def _counts(figures: ScorerFigures) -> bool:
    return figures.role != "baseline"


def _place(entry: Entry) -> tuple[str, str, float, float, str, str]:
    data = entry.record.data
    figures = (-each.value if each else 1.0 for each in (entry.auroc, entry.best))
    auroc, best = (1.0 if value != value else value for value in figures)
    return data.name, data.key, auroc, best, entry.run, entry.figures.name
