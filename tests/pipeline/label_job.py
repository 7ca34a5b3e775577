"""Labelling jobs without a model: a source of any size, a completer that is a function, and faults on request."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from stepward.datasets.native_write import write_examples
from stepward.datasets.reading import Example
from stepward.labelers.rollout import RolloutLabeler
from stepward.pipeline.labels.labelling import Retries
from stepward.pipeline.parts import PolicyChoice
from stepward.pipeline.runner import Conduct, Recipe, run_recipe
from stepward.pipeline.stages.label import LabelTraces
from stepward.pipeline.stages.read import ReadExamples
from stepward.policies.fake import Faults, ScriptedPolicy
from stepward.protocols import PolicyEngine
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.storage.jsonl import read_records
from stepward.types import LabeledTrace, Problem, SampleRequest, content_key

QUICK = Retries(pause=0.0)


def completion(request: SampleRequest, draw: int) -> str:
    """Right in about half of the draws; what it says depends on problem, prefix and draw alone."""
    right = int(content_key(request.problem.id, request.prefix, draw)[:4], 16) % 2
    return f"so it is\nThe answer is {request.problem.answer if right else 5}.\n"


@dataclass(frozen=True, kw_only=True)
class Script(PolicyChoice):
    """A scripted completer, which worker processes load like any other."""

    path: str = "script"
    faults: Faults = Faults()

    def load(self) -> PolicyEngine:
        return ScriptedPolicy(script=completion, faults=self.faults)


def write_source(path: Path, problems: int, *, traces: int = 2, unanswered: int = 0) -> Path:
    """`problems` problems with `traces` traces each; the first `unanswered` of them have no answer."""
    examples = []
    for index in range(problems):
        answer = None if index < unanswered else str(10 + index % 80)
        problem = Problem(id=f"p{index}", text=f"What is number {index}? Ünïcode ∑ 数", answer=answer)
        for which in range(traces):
            text = f"Take {index}.\nTurn it {which} times.\nThe answer is {answer if which else 7}.\n"
            trace = cut(problem.id, text, Newline())
            examples.append(Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=(None,) * len(trace))))
    write_examples(path, examples)
    return path


def recipe(source: Path, **settings: object) -> Recipe:
    """Read `source`, label it."""
    fields: dict[str, Any] = {
        "source": "traces",
        "labeler": RolloutLabeler(n=4),
        "policy": Script(),
        "concurrency": 8,
        "retries": QUICK,
        **settings,
    }
    stages = {
        "traces": ReadExamples(format="native", paths=(str(source),)),
        "labels": LabelTraces(**fields),
    }
    return Recipe(name="job", stages=stages)


def run(source: Path, folder: Path, conduct: Conduct | None = None, **settings: object) -> dict[str, Any]:
    """The label stage's result."""
    return cast("dict[str, Any]", run_recipe(recipe(source, **settings), folder, conduct)["labels"])


def labels_file(folder: Path) -> bytes:
    return (folder / "labels" / "labels.jsonl").read_bytes()


def values(folder: Path) -> dict[str, object]:
    """By key, counts and values alone."""
    rows = read_records(folder / "labels" / "labels.jsonl")
    return {key: (row["labels"], row["verdict"]) for key, row in rows}


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), workers=int(sys.argv[3]))
