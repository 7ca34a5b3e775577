"""Makes other labels of those of a source: corrections and filters in order, and an account of what each did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stepward.codec import to_json
from stepward.errors import ConfigError, ScoreError
from stepward.evaluation.dropped import RelabelAccount, RelabelCounter
from stepward.pipeline.labels.tables import dropped_table, relabel_table
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.protocols import Relabeler
from stepward.registry import name_of
from stepward.relabel.scores import with_scores, without_scores
from stepward.reports.tables import markdown
from stepward.storage.files import write_atomic
from stepward.types import Json, LabeledTrace, Problem, Spend, StepScores

Keyed = list[tuple[str, LabeledTrace]]


@dataclass(frozen=True, kw_only=True)
class RelabelTraces:
    """The labels of `source` put through `steps`, problem by problem; the account is `report.json` and `report.md`."""

    source: str
    steps: tuple[Relabeler, ...]
    """Relabelers, in order."""
    scores: tuple[str, ...] = ()
    """Stages that scored the traces of `source`, one a scorer or head: for relabelers that compare labels with them."""

    def __post_init__(self) -> None:
        if not self.steps:
            raise ConfigError("relabel needs at least one relabeler in steps", got=self.steps)

    def run(self, shop: Workshop) -> Json:
        """Relabel everything. Pure and cheap: a killed run does it again."""
        problems, labels = shop.problems(self.source), shop.labels(self.source)
        found = {name: shop.scores(name) for name in self.scores}
        counters = [RelabelCounter(name=name_of(type(each))) for each in self.steps]
        made: dict[str, LabeledTrace] = {}
        for problem_id, keyed in by_problem(labels).items():
            shop.check_stop()
            made.update(self._one(problems[problem_id], [(k, _scored(k, each, found)) for k, each in keyed], counters))
        keep_labels(shop, {key: made[key] for key in labels})
        accounts = [counter.account() for counter in counters]
        write_report(shop, {"relabelers": [to_json(each) for each in accounts]}, _markdown(accounts))
        return _summary(accounts)

    def _one(self, problem: Problem, keyed: Keyed, counters: Sequence[RelabelCounter]) -> dict[str, LabeledTrace]:
        rows = [each for _, each in keyed]
        for step, counter in zip(self.steps, counters, strict=True):
            before, rows = rows, step.relabel(problem, rows)
            counter.add(before, rows)
        return {key: without_scores(each) for (key, _), each in zip(keyed, rows, strict=True)}


def by_problem(labels: Mapping[str, LabeledTrace]) -> dict[str, Keyed]:
    """By problem id, its keyed labels, in order of first sight."""
    found: dict[str, Keyed] = {}
    for key, each in labels.items():
        found.setdefault(each.trace.problem_id, []).append((key, each))
    return found


def keep_labels(shop: Workshop, made: Mapping[str, LabeledTrace]) -> None:
    """Keep `made` as this stage's labels. They cost nothing: those they were made of were paid for where they stand."""
    free = {key: replace(each, spend=Spend()) for key, each in made.items()}
    chunks = Chunks(what="labels", size=max(1, len(free)), unit="traces")
    shop.work(free, chunks, lambda part: [(key, each, Spend()) for key, each in part])


def write_report(shop: Workshop, found: Json, text: str) -> None:
    """`report.json` for programs and `report.md` for people, in this stage's folder."""
    shop.run.write_json(f"{shop.stage}/report.json", found)
    write_atomic(shop.run.path(f"{shop.stage}/report.md"), text.encode())


def _scored(key: str, labeled: LabeledTrace, found: Mapping[str, Mapping[str, StepScores]]) -> LabeledTrace:
    if not found:
        return labeled
    for stage, scores in found.items():
        if key not in scores:
            raise ScoreError(f"stage {stage!r} did not score every trace", got=key, mend="score the same source")
    return with_scores(labeled, [scores[key] for scores in found.values()])


def _markdown(accounts: Sequence[RelabelAccount]) -> str:
    dropping = [each for each in accounts if each.good.dropped or each.bad.dropped]
    return "\n".join(map(markdown, [relabel_table(accounts), *map(dropped_table, dropping)]))


def _summary(accounts: Sequence[RelabelAccount]) -> Json:
    first, last = accounts[0], accounts[-1]
    parts = [f"{a.name} dropped {a.good.dropped:,} good, {a.bad.dropped:,} bad" for a in accounts]
    headline = f"{last.labels_after:,} of {first.labels_before:,} labels; {'; '.join(parts)}"
    return {"headline": headline, "labels": last.labels_after, "traces": last.traces_after}
