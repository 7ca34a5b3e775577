"""Makes one labelling of several of the same traces, and reports how far they agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.codec import to_json
from stepward.errors import ConfigError
from stepward.evaluation.agreement import AgreementReport, agreement
from stepward.pipeline.labels.tables import agreement_table
from stepward.pipeline.stages.relabel import keep_labels, write_report
from stepward.pipeline.workshop import Workshop
from stepward.protocols import Consensus
from stepward.relabel.filters.leaving import emptied
from stepward.reports.tables import markdown
from stepward.types import Json, LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class AgreeOnLabels:
    """What `source` and every stage of `others` agree on; the agreement with each is `report.json` and `report.md`."""

    source: str
    """The first labelling; where a rule keeps labels as they are, they are this stage's."""
    others: tuple[str, ...]
    consensus: Consensus

    def __post_init__(self) -> None:
        if not self.others:
            raise ConfigError("agreement needs another stage in others", got=self.others)

    def run(self, shop: Workshop) -> Json:
        """Agree on every trace of `source`; one that another stage did not label gets no label, and is counted."""
        problems, first = shop.problems(self.source), shop.labels(self.source)
        others = {name: shop.labels(name) for name in self.others}
        made: dict[str, LabeledTrace] = {}
        for key, labeled in first.items():
            shop.check_stop()
            found = [rows[key] for rows in others.values() if key in rows]
            made[key] = self._agree(problems[labeled.trace.problem_id], [labeled, *found])
        keep_labels(shop, made)
        reports = {
            name: agreement(
                [(problems[one.trace.problem_id], one, rows[key]) for key, one in first.items() if key in rows],
                seed=shop.seed,
            )
            for name, rows in others.items()
        }
        tables = [markdown(agreement_table(f"{self.source} and {name}", each)) for name, each in reports.items()]
        write_report(shop, {name: to_json(each) for name, each in reports.items()}, "\n".join(tables))
        return _summary(list(made.values()), reports)

    def _agree(self, problem: Problem, labellings: Sequence[LabeledTrace]) -> LabeledTrace:
        if len(labellings) <= len(self.others):
            alone = emptied(labellings[0])
            return LabeledTrace(trace=alone.trace, labels=alone.labels, meta={"agreement": "alone"})
        return self.consensus.agree(problem, labellings)


def _summary(made: Sequence[LabeledTrace], reports: dict[str, AgreementReport]) -> Json:
    kept = [each for each in made if each.target is not None]
    labels = sum(label is not None for each in kept for label in each.labels)
    outcomes = Counter(str(each.meta["agreement"]) for each in made if isinstance(each.meta.get("agreement"), str))
    parts = [
        f"first errors agree with {name} on {each.first_error.rate}, kappa {each.first_error.kappa}, "
        f"AC1 {each.first_error.ac1}, alpha {each.first_error.alpha}"
        for name, each in reports.items()
    ]
    return {
        "headline": f"{len(kept):,} of {len(made):,} traces keep {labels:,} labels; {'; '.join(parts)}",
        "traces": len(kept),
        "labels": labels,
        "outcomes": dict(sorted(outcomes.items())),
    }
