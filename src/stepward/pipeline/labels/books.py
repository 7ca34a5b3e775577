"""What a label stage writes down: labels, failures, the card, and what it all cost.

The cost of a label in tokens written stands with it. What depends on batches, retries and clocks stands in the ledger's
totals alone, so that `labels.jsonl` is the same file whoever made it and however often the work was interrupted.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import groupby
from typing import cast

from stepward.codec import from_json, to_json
from stepward.datasets.card import Beside, CardTally, DataCard
from stepward.datasets.card_text import card_text
from stepward.errors import LabelError
from stepward.pipeline.jobs.desk import Unit
from stepward.pipeline.labels.labelling import Attempts, spend_of
from stepward.pipeline.workshop import Workshop
from stepward.storage.files import json_bytes, sync_folder, write_atomic
from stepward.storage.jsonl import Records
from stepward.storage.ledger import Ledger
from stepward.types import Json, LabeledTrace, Problem, Spend, Trace


@dataclass(eq=False, kw_only=True)
class LabelBooks:
    """One session of a label stage: its units and what is made of them."""

    shop: Workshop
    attempts: Mapping[str, tuple[Problem, list[tuple[str, Trace]]]]
    made_by: Mapping[str, Json]
    ledger: Ledger
    units: dict[str, Unit] = field(init=False)
    keys: dict[str, str] = field(init=False)
    """Key of the unit of each problem."""
    tally: CardTally = field(default_factory=CardTally)

    def __post_init__(self) -> None:
        items = {
            id: Attempts(problem=problem, traces=tuple(trace for _, trace in keyed))
            for id, (problem, keyed) in self.attempts.items()
        }
        self.keys = {id: item.key(self.made_by) for id, item in items.items()}
        self.units = {self.keys[id]: Unit(key=self.keys[id], item=item) for id, item in items.items()}

    @property
    def failures(self) -> dict[str, Mapping[str, Json]]:
        """By problem, in the order of the source, what became of those that failed."""
        failed = self.ledger.failed()
        return {id: failed[key] for id, key in self.keys.items() if key in failed}

    def write_failures(self) -> None:
        """One JSON line for each problem that failed."""
        rows = [
            {"problem": id, "traces": [key for key, _ in self.attempts[id][1]], "unit": self.keys[id], **failure}
            for id, failure in self.failures.items()
        ]
        lines = [json_bytes(cast(Json, row), "a failure") + b"\n" for row in rows]
        write_atomic(self.shop.run.path(f"{self.shop.stage}/failures.jsonl"), b"".join(lines))

    def check_failures(self, most: float) -> None:
        """`LabelError` where more than the share `most` of the problems failed, or all of them."""
        failed = self.failures
        if not failed or (len(failed) <= most * len(self.keys) and len(failed) < len(self.keys)):
            return
        why, count = Counter(f"{each['error']}: {each['message']}" for each in failed.values()).most_common(1)[0]
        raise LabelError(
            f"{len(failed)} of {len(self.keys)} problems failed, {count} of them with {why}",
            mend=f"see {self.shop.run.folder / self.shop.stage / 'failures.jsonl'}; the same command tries them again, "
            "and stages.labels.most_failed=1 goes on without them",
        )

    def write_labels(self) -> None:
        """`labels.jsonl`, in the order of the source, replaced whole."""
        path = self.shop.run.path(f"{self.shop.stage}/labels.jsonl")
        fresh = path.with_name("labels.jsonl.new")
        fresh.unlink(missing_ok=True)
        with Records(fresh) as records:
            for key, problem, labeled in self._labeled():
                records.append(key, to_json(replace(labeled, spend=_settled(labeled.spend))))
                self.tally.add(problem, labeled)
        os.replace(fresh, path)
        sync_folder(path.parent)

    def pay(self) -> None:
        """Enter into the run's accounts what was not paid for yet."""
        paid = self.shop.run.total_spend().get(self.shop.stage, Spend())
        due = spend_of(self.ledger.totals()) - paid
        if due != Spend():
            self.shop.run.spent(self.shop.stage, due)

    def report(self, references: Mapping[str, list[Problem]]) -> Json:
        """Write the card; the stage's result."""
        failures = Counter(str(each["error"]) for each in self.failures.values())
        totals = self.ledger.totals()
        card = self.tally.card(Beside(references=references, failures=failures, cost=_cost(totals)))
        self.shop.run.write_json(f"{self.shop.stage}/card.json", to_json(card))
        text = card_text(card, f"Data card of {self.shop.run.folder.name}/{self.shop.stage}")
        write_atomic(self.shop.run.path(f"{self.shop.stage}/card.md"), text.encode())
        return _result(card, totals)

    def _labeled(self) -> Iterator[tuple[str, Problem, LabeledTrace]]:
        """Key, problem and labelled trace of everything that was labelled, in order."""
        done = self.ledger.done()
        for id, (problem, keyed) in self.attempts.items():
            if self.keys[id] not in done:
                continue
            row = cast("Mapping[str, list[Json]]", self.ledger[self.keys[id]])
            names = [key for key, _ in keyed]
            names += [f"{id}/+{index}" for index in range(len(row["result"]) - len(names))]
            for name, value in zip(names, row["result"], strict=True):
                yield name, problem, from_json(LabeledTrace, value)


def by_problem(
    problems: dict[str, Problem], traces: dict[str, Trace]
) -> dict[str, tuple[Problem, list[tuple[str, Trace]]]]:
    """By problem id, the problem and its keyed traces, in the order of the problems' first traces."""
    keyed = sorted(enumerate(traces.items()), key=lambda item: (item[1][1].problem_id, item[0]))
    groups = groupby((pair for _, pair in keyed), key=lambda pair: pair[1].problem_id)
    gathered = {problem_id: list(group) for problem_id, group in groups}
    order = dict.fromkeys(trace.problem_id for trace in traces.values())
    return {problem_id: (problems[problem_id], gathered[problem_id]) for problem_id in order}


def _settled(spend: Spend) -> Spend:
    """The part of a cost that is the same however the work was batched and interrupted."""
    return replace(spend, prompt_tokens=0, flops=0.0, seconds=0.0, policy_calls=0)


def _cost(totals: Mapping[str, float]) -> dict[str, Json]:
    spend, labels = spend_of(totals), totals.get("labels", 0.0)
    found: dict[str, Json] = {name.replace("_", " "): value for name, value in asdict(spend).items() if value}
    if labels and spend.policy_tokens:
        found["tokens written per label"] = round(spend.policy_tokens / labels, 2)
    for name in ("draws", "asked again", "lost"):
        if totals.get(name):
            found[name] = int(totals[name])
    return found


def _result(card: DataCard, totals: Mapping[str, float]) -> Json:
    failed = sum(cast("Mapping[str, int]", card.failures).values())
    voted = totals.get("voted", 0.0)
    return {
        "headline": f"{card.labels:,} labels on {card.traces:,} traces of {card.problems:,} problems"
        + (f"; {failed:,} problems failed" if failed else ""),
        "problems": card.problems,
        "traces": card.traces,
        "labels": card.labels,
        "failed": failed,
        "failures": card.failures,
        **{name: card.counted.get(name, 0) for name in ("undecided", "abstained")},
        "disagreement": round(totals.get("split", 0.0) / voted, 4) if voted else None,
        "cost": card.cost,
        "warnings": list(card.warnings),
    }
