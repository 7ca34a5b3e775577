"""The record of one evaluation: which data, which scorers, every figure, what it cost. Reports read it.

`evaluation.json` in a run holds it. `DataFacts.key` is a hash of the problems, steps, labels and verdicts that were
judged against, whatever their order: two evaluations compare just when their keys are equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stepward.evaluation.pricing import Rates, UnitCost
from stepward.evaluation.steps import StepQuality
from stepward.metrics.bootstrap import Interval
from stepward.search.replay import CurvePoint
from stepward.storage.run import STAGES
from stepward.types import Json, LabeledTrace, Problem, Spend, content_key

FILE = "evaluation.json"

Role = Literal["scorer", "stored", "baseline"]
"""scorer: run here, its cost metered; stored: its scores came with the data; baseline: fitted on trivial cues."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFacts:
    """What was judged against."""

    name: str
    key: str
    problems: int
    traces: int
    steps: int
    labelled: int
    """Steps with a label."""
    verdicts: int
    """Traces whose answer is known to be right or wrong."""
    sources: Mapping[str, int]
    """Steps by who labelled them, such as "human (prefix) by human:prm800k"."""
    segmenters: Mapping[str, int]
    """Traces by what cut them; "" where the file came cut."""
    policies: Mapping[str, int]
    """Traces by who wrote them."""
    step_characters: int
    """Median length of a step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerFigures:
    """One scorer on the data."""

    name: str
    role: Role
    maker: str = ""
    revision: str = ""
    traces: int = 0
    spend: Spend = Spend()
    """Of scoring those traces."""
    steps: StepQuality | None = None
    """None where steps could not be judged; `Evaluated.no_steps` says why."""
    gain: Interval | None = None
    """Step AUROC of the first scorer less this one's, paired over problems; None for the first."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """By kind."""
    judged: int = 0
    """Traces among which the failures were looked for."""

    @property
    def cost(self) -> UnitCost:
        """Of scoring one trace."""
        return UnitCost.of(self.spend, self.traces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Accuracy of choosing one way less that of choosing another, paired over problems."""

    method: str
    less: str
    interval: Interval

    @property
    def sure(self) -> bool:
        """Whether the interval keeps clear of 0."""
        return self.interval.low > 0 or self.interval.high < 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated:
    """Everything that one evaluation found."""

    data: DataFacts
    scorers: tuple[ScorerFigures, ...]
    """The first is the one that is evaluated, the others stand beside it."""
    seed: int
    threshold: float = 0.5
    """Below it a scorer calls a step wrong, where failures are looked for."""
    leaked: int | None = None
    """Problems judged on that taught the first scorer; None where it does not say what taught it."""
    rates: Rates = Rates()
    writing: UnitCost = UnitCost()
    """Of writing one trace, where the traces say."""
    curves: tuple[CurvePoint, ...] = ()
    differences: tuple[Difference, ...] = ()
    """Between ways of choosing, at the largest n."""
    pools: int = 0
    """Problems whose answers were chosen among several."""
    no_steps: Mapping[str, str] = field(default_factory=dict)
    """By scorer, why there are no step figures."""
    no_selection: str = ""
    """Why there are no curves."""

    @property
    def largest(self) -> int:
        """The largest n of the curves; 0 without."""
        return max((point.n for point in self.curves), default=0)

    def chosen(self, method: str) -> Interval | None:
        """Accuracy of `method` at the largest n; None where it was not replayed."""
        points = [p for p in self.curves if p.method.name == method and p.n == self.largest]
        return points[0].interval if points else None

    def best(self, scorer: str) -> tuple[str, Interval] | None:
        """Reducer and accuracy at the largest n of choosing by `scorer` with its first reducer."""
        named = [p for p in self.curves if p.n == self.largest and p.method.kind == "best"]
        for point in named:
            name, _, how = point.method.score.rpartition("/")
            if name == scorer:
                return how, point.interval
        return None


def stage_files(run: Path, name: str) -> list[Path]:
    """The files called `name` that stages of the run in `run` wrote; its markers of finished stages are none."""
    return sorted(path for path in run.glob(f"*/{name}") if path.parent.name != STAGES)


def data_facts(name: str, problems: Mapping[str, Problem], labelled: Sequence[LabeledTrace]) -> DataFacts:
    """Counts of `labelled`, and the hash of their content."""
    traces = [each.trace for each in labelled]
    sizes = sorted(step.end - step.start for trace in traces for step in trace.steps)
    labels = [label for each in labelled for label in each.labels if label is not None]
    return DataFacts(
        name=name,
        key=content_key(sorted(content_key(_content(problems[e.trace.problem_id], e)) for e in labelled)),
        problems=len({trace.problem_id for trace in traces}),
        traces=len(traces),
        steps=len(sizes),
        labelled=len(labels),
        verdicts=sum(e.verdict is not None and e.verdict.correct is not None for e in labelled),
        sources=_counted(f"{label.source} ({label.target}) by {label.origin.maker}" for label in labels),
        segmenters=_counted(trace.segmenter for trace in traces),
        policies=_counted(trace.origin.maker for trace in traces),
        step_characters=sizes[len(sizes) // 2] if sizes else 0,
    )


def _content(problem: Problem, labeled: LabeledTrace) -> Json:
    """What a judgement of this trace depends on."""
    steps: list[Json] = list(labeled.trace.step_texts)
    values: list[Json] = [None if label is None else label.value for label in labeled.labels]
    verdict = None if labeled.verdict is None else labeled.verdict.outcome
    return [problem.text, steps, values, labeled.target, verdict]


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
