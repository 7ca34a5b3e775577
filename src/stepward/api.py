r"""The Python face: plain calls for notebooks and scripts over the asynchronous core.

    import stepward
    found = stepward.score("What is 2+3*4?", "3*4 = 12.\n2+12 = 15.", model="runs/quickstart/prm/model")
    found.values, found.likely_error

Every call also works inside a running event loop, as in Jupyter. Results print themselves: shaded steps
in a terminal (`rich.print`) and in a notebook. Models may be folders or loaded engines; load once where
many calls follow.
"""

from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

from stepward.config import build
from stepward.datasets.reading import Example
from stepward.errors import ConfigError, TraceError
from stepward.evaluation.steps import Judged, StepQuality, judge_steps
from stepward.metrics.first_error import decode_threshold
from stepward.pipeline.parts import PolicyChoice, workbench
from stepward.protocols import Labeler, PolicyEngine, Resources, Search, SearchResult, Segmenter, StepScorerEngine
from stepward.reports.compose import view_trace
from stepward.reports.model import TraceView
from stepward.segment.cut import cut
from stepward.types import Json, LabeledTrace, Problem, StepScores, Trace, content_key
from stepward.verifiers.answers import StatedAnswers
from stepward.verifiers.routed import RoutedVerifier

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch loads: waiting threads must not burn a core

T = TypeVar("T")
Pairs: TypeAlias = "Iterable[TraceResult | Example | tuple[Problem, LabeledTrace]]"


@dataclass(frozen=True, kw_only=True)
class TraceResult:
    """A trace with what was said of its steps; prints itself."""

    problem: Problem
    labeled: LabeledTrace
    scores: StepScores | None = None

    @property
    def values(self) -> tuple[float, ...]:
        """The scores, one per step; empty where it was not scored."""
        return self.scores.values if self.scores else ()

    @property
    def likely_error(self) -> int | None:
        """First step scored below 1/2 (a margin: below 0); None where there is none or nothing was scored.

        None too for logits and log-ratios: they rank steps, and no threshold means anything.
        """
        zero = self.scores.zero if self.scores else None
        return None if zero is None else decode_threshold(self.values, zero)

    def __rich__(self) -> object:
        return self._view().__rich__()

    def _repr_html_(self) -> str:
        return self._view()._repr_html_()

    def _view(self) -> TraceView:
        named = {self.scores.scorer.maker: self.scores} if self.scores else {}
        return view_trace(self.problem, self.labeled, named)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How good a reward model is; prints itself as a table."""

    quality: StepQuality
    name: str

    def __rich__(self) -> object:
        from rich.console import Group

        from stepward.pipeline.findings import calibration_table, step_table
        from stepward.reports.tables import rich_table

        named = {self.name: self.quality}
        return Group(rich_table(step_table("Step scores against labels", named)), rich_table(calibration_table(named)))

    def _repr_html_(self) -> str:
        from rich.console import Console

        console = Console(record=True, width=140, file=io.StringIO())
        console.print(self)
        return console.export_html(inline_styles=True, code_format="<pre>{code}</pre>")


def score(
    problem: str | Problem,
    trace: str | Trace,
    *,
    model: str | Path | StepScorerEngine,
    segmenter: str | Segmenter = "protect",
) -> TraceResult:
    """Score every step of `trace`. A text is cut by `segmenter`; `TraceError` where it holds no step.

    `model` is a folder written by `train` or of a published reward model, or a loaded `StepScorerEngine`.
    """
    asked, attempt = _problem(problem), _trace(problem, trace, segmenter)
    found = _scorer(model).score_batch([(asked, attempt)])[0].check(attempt)
    return TraceResult(problem=asked, labeled=_unlabelled(attempt), scores=found)


def label(
    problem: Problem,
    trace: str | Trace,
    *,
    labeler: str | Labeler = "rollout",
    policy: str | Path | PolicyEngine | None = None,
    segmenter: str | Segmenter = "newline",
) -> TraceResult:
    """Label every step of `trace`. Rollouts need a `policy` and a problem with its reference answer."""
    attempt = _trace(problem, trace, segmenter)
    technique = build("labeler", labeler) if isinstance(labeler, str) else labeler
    labeled = run_now(_labelled(technique, problem, attempt, policy, segmenter))
    return TraceResult(problem=problem, labeled=labeled)


def train(
    labels: Pairs,
    *,
    backbone: str | Path,
    out: str | Path,
    second: Pairs | None = None,
    agree_with: Pairs | None = None,
    **settings: Any,
) -> Path:
    """Train a reward model on labelled traces and return its folder.

    `settings` are fields of `TrainSpec`, such as `kind="orm"`, `mode="frozen"` or `objective="pqm"`, and of `Teaching`,
    such as `view="soft"` or `heads="two"`. `second` is a second labelling of the same traces, for the second head;
    labels count only where `agree_with`, another labelling, calls the step the same.
    """
    from stepward.pipeline.parts import model_folder
    from stepward.reward_models.backbone import open_codec
    from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
    from stepward.training.loop import train as train_model
    from stepward.training.spec import TrainSpec
    from stepward.training.teaching import Labellings, Teaching

    choices = {field.name: settings.pop(field.name) for field in fields(Teaching) if field.name in settings}
    if isinstance(settings.get("objective"), str | Mapping):
        settings["objective"] = build("objective", settings["objective"], "objective")
    spec, teaching, folder = TrainSpec(**settings), Teaching(**choices), model_folder(str(backbone))
    others = [_pairs(each) if each is not None else [] for each in (second, agree_with)]
    said = Labellings(first=_pairs(labels), second=others[0], agree_with=others[1])
    made = teaching.examples(spec.kind, open_codec(folder, STEPWARD_DEFAULT), said)
    examples, objective = teaching.fitted(made, spec.objective)
    return train_model(examples, replace(spec, objective=objective), backbone=folder, out=Path(out)).folder


def evaluate(labels: Pairs, *, model: str | Path | StepScorerEngine, seed: int = 0) -> Evaluation:
    """Judge a reward model against labelled traces; `seed` is the bootstrap's."""
    pairs = _pairs(labels)
    engine = _scorer(model)
    scores = engine.score_batch([(problem, labeled.trace) for problem, labeled in pairs])
    judged = [Judged(labeled=labeled, scores=s) for (_, labeled), s in zip(pairs, scores, strict=True)]
    return Evaluation(quality=judge_steps(judged, seed=seed), name=engine.origin.maker)


def solve(
    problem: str | Problem,
    *,
    policy: str | Path | PolicyEngine,
    model: str | Path | StepScorerEngine | None = None,
    search: str | Search = "best_of_n",
    n: int = 8,
    segmenter: str | Segmenter = "newline",
) -> SearchResult:
    """Search an answer with `n` traces. A search given by name that scores uses the lowest step score."""
    technique = search if not isinstance(search, str) else _search(search, n)
    return run_now(_solved(technique, _problem(problem), policy, model, segmenter))


def run_now(work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`, also where this thread's event loop is running already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    outcome: list[T] = []
    raised: list[BaseException] = []

    def call() -> None:
        try:
            outcome.append(asyncio.run(work))
        except BaseException as error:  # handed over to the caller's thread
            raised.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return outcome[0]


async def _labelled(
    labeler: Labeler, problem: Problem, trace: Trace, policy: Any, segmenter: str | Segmenter
) -> LabeledTrace:
    return await labeler.label(problem, trace, _resources(policy, segmenter))


async def _solved(
    search: Search, problem: Problem, policy: Any, model: Any, segmenter: str | Segmenter
) -> SearchResult:
    from stepward.reward_models.wrappers import BatchedScorer

    scorer = BatchedScorer(engine=_scorer(model)) if model is not None else None
    return await search.solve(problem, replace(_resources(policy, segmenter), scorer=scorer))


def _resources(policy: Any, segmenter: str | Segmenter) -> Resources:
    engine = PolicyChoice(path=str(policy)).load() if isinstance(policy, str | Path) else policy
    return workbench(engine, _segmenter(segmenter), RoutedVerifier())


def _search(name: str, n: int) -> Search:
    spec: dict[str, Json] = {"use": name, "n": n}
    return build("search", spec if name == "majority" else {**spec, "reduce": "min"})


def _scorer(model: str | Path | StepScorerEngine) -> StepScorerEngine:
    from stepward.reward_models.public.load import open_scorer

    return open_scorer(Path(model)) if isinstance(model, str | Path) else model


def _segmenter(segmenter: str | Segmenter) -> Segmenter:
    return build("segmenter", segmenter) if isinstance(segmenter, str) else segmenter


def _problem(problem: str | Problem) -> Problem:
    return problem if isinstance(problem, Problem) else Problem(id=content_key(problem), text=problem)


def _trace(problem: str | Problem, trace: str | Trace, segmenter: str | Segmenter) -> Trace:
    if isinstance(trace, str):
        trace = cut(_problem(problem).id, trace, _segmenter(segmenter), answer=StatedAnswers().extract(trace))
    if not trace.steps:
        raise TraceError("the trace holds no step", got=trace.text, mend="give a text with at least one character")
    return trace


def _unlabelled(trace: Trace) -> LabeledTrace:
    return LabeledTrace(trace=trace, labels=(None,) * len(trace))


def _pairs(labels: Pairs) -> Sequence[tuple[Problem, LabeledTrace]]:
    pairs = [each if isinstance(each, tuple) else (each.problem, each.labeled) for each in labels]
    if not pairs:
        raise ConfigError("no labelled trace was given", mend="read some with stepward.datasets")
    return cast("Sequence[tuple[Problem, LabeledTrace]]", pairs)
