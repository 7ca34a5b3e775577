"""The record of one evaluation: which data, which scorers, every figure, what it cost. Reports read it.

`evaluation.json` in a run holds it, `judged.jsonl` beside it what every trace got (`stepward.evaluation.judged_rows`).
`DataFacts.key` is a hash of the problems, steps, labels and verdicts that were judged against, whatever their order:
two evaluations compare just when their keys are equal. A record of an older version is read; what it did not measure is
empty. One of a newer version is refused.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stepward.codec import from_json
from stepward.errors import DataError
from stepward.evaluation.agreement import AgreementReport
from stepward.evaluation.breakdown import GroupQuality
from stepward.evaluation.calibration_change import CalibrationChange
from stepward.evaluation.families import FamilyTest
from stepward.evaluation.pricing import Rates, UnitCost
from stepward.evaluation.ranking import RankView
from stepward.evaluation.robustness.habits import Bias, OutcomeDrift
from stepward.evaluation.steps import StepQuality
from stepward.metrics.bootstrap import Interval
from stepward.metrics.confusion import Confusion
from stepward.search.replay import CurvePoint
from stepward.storage.run import STAGES
from stepward.types import Json, LabeledTrace, Problem, Spend, content_key

FILE = "evaluation.json"

Role = Literal["scorer", "stored", "baseline"]
"""scorer: run here, its cost metered; stored: its scores came with the data; baseline: fitted on trivial cues."""

Kind = Literal["prm", "orm", ""]
"""Of a scorer, as its checkpoint says; empty where nothing says it."""


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
    labeler: str = ""
    """Whose labels alone were taken; empty for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """A scorer's calls at the threshold against the labels."""

    confusion: Confusion
    """Over labelled steps; positive is a step called wrong."""
    agreement: AgreementReport
    """The labels first, the scorer's calls second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherLabeler:
    """How far a labeler that was not chosen agrees with the one that was."""

    name: str
    agreement: AgreementReport


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What a scorer does whatever the steps say."""

    drift: OutcomeDrift
    """How often the last step is the worst."""
    biases: tuple[Bias, ...]
    """How its first reducer goes with length and style where correctness is the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerFigures:
    """One scorer on the data."""

    name: str
    role: Role
    kind: Kind = ""
    maker: str = ""
    revision: str = ""
    traces: int = 0
    spend: Spend = Spend()
    """Of scoring those traces."""
    steps: StepQuality | None = None
    """None where steps could not be judged; `Evaluated.no_steps` says why."""
    gain: Interval | None = None
    """Step AUROC of the first scorer less this one's, paired over problems; None for the first."""
    gain_test: FamilyTest | None = None
    """Of that gain, among those over all other scorers."""
    views: tuple[RankView, ...] = ()
    """Ranking pooled, per solution and up to the first error; empty for a baseline."""
    groups: tuple[GroupQuality, ...] = ()
    """By position, length, policy and domain; empty for a baseline, and for scores that are no probabilities."""
    decisions: Decisions | None = None
    """The scorer's calls against the labels; None for a baseline, and where they cannot be compared."""
    before: StepQuality | None = None
    """The same steps with its scores before calibration, where they were given."""
    changes: tuple[CalibrationChange, ...] = ()
    """What calibration did by policy and domain."""
    habits: Habits | None = None
    """None for a baseline."""
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
    test: FamilyTest | None = None
    """Among all differences of the evaluation; None in records that were made before it was."""

    @property
    def sure(self) -> bool:
        """Whether it holds among all differences; without a test, whether the interval keeps clear of 0."""
        clear = self.interval.low > 0 or self.interval.high < 0
        return clear if self.test is None else self.test.sure


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
    labelers: tuple[OtherLabeler, ...] = ()
    """Those that were not chosen, where they labelled the same traces: what a scorer can hope for."""

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


def read_evaluated(path: Path) -> Evaluated:
    """The record in the file at `path`; `DataError` naming the file where it is damaged, or of a newer version."""
    try:
        return from_json(Evaluated, json.loads(path.read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise DataError(f"{path} is not JSON: {error.msg}", mend="evaluate again") from error
    except DataError as error:
        raise DataError(
            f"{path} is no record that this version reads: {error.what}",
            got=error.got,
            mend="evaluate again, or upgrade Stepward",
        ) from error


def kind_in(result: Json) -> Kind:
    """The kind of scorer that the result of a stage that scored tells; empty where it tells none."""
    if not isinstance(result, Mapping):
        return ""
    told = result.get("kind") or str(result.get("scorer", "")).removeprefix("scorer:").partition("/")[0]
    return "prm" if told == "prm" else "orm" if told == "orm" else ""


def stage_files(run: Path, name: str) -> list[Path]:
    """The files called `name` that stages of the run in `run` wrote; its markers of finished stages are none."""
    return sorted(path for path in run.glob(f"*/{name}") if path.parent.name != STAGES)


def data_facts(
    name: str, problems: Mapping[str, Problem], labelled: Sequence[LabeledTrace], *, labeler: str = ""
) -> DataFacts:
    """Counts of `labelled`, and the hash of their content."""
    traces = [each.trace for each in labelled]
    sizes = sorted(step.end - step.start for trace in traces for step in trace.steps)
    labels = [label for each in labelled for label in each.labels if label is not None]
    return DataFacts(
        name=name,
        key=content_key(sorted(row_key(problems[e.trace.problem_id], e) for e in labelled)),
        problems=len({trace.problem_id for trace in traces}),
        traces=len(traces),
        steps=len(sizes),
        labelled=len(labels),
        verdicts=sum(e.verdict is not None and e.verdict.correct is not None for e in labelled),
        sources=_counted(f"{label.source} ({label.target}) by {label.origin.maker}" for label in labels),
        segmenters=_counted(trace.segmenter for trace in traces),
        policies=_counted(trace.origin.maker for trace in traces),
        step_characters=sizes[len(sizes) // 2] if sizes else 0,
        labeler=labeler,
    )


def row_key(problem: Problem, labeled: LabeledTrace) -> str:
    """Hash of what a judgement of this trace depends on: problem, steps, labels and verdict."""
    steps: list[Json] = list(labeled.trace.step_texts)
    values: list[Json] = [None if label is None else label.value for label in labeled.labels]
    verdict = None if labeled.verdict is None else labeled.verdict.outcome
    return content_key([problem.text, steps, values, labeled.target, verdict])


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
