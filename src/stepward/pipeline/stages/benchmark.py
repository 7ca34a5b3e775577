"""Runs a public benchmark by its protocol on what a scorer or a judge said of the benchmark's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from stepward.codec import to_json
from stepward.config import build
from stepward.datasets.reading import Tally
from stepward.datasets.rows import Columns, read_rows
from stepward.errors import ConfigError, DataError
from stepward.evaluation.benchmarks.items import Call, Item, votes_of
from stepward.evaluation.benchmarks.protocol import Benchmark, at_threshold
from stepward.evaluation.benchmarks.thresholds import choose_threshold
from stepward.pipeline.stages.score import model_of
from stepward.pipeline.workshop import Workshop
from stepward.reward_models.generative.ballots import Judgement
from stepward.reward_models.trained_on import refuse_training_problems
from stepward.types import Json, StepScores

REASONS = Columns(required=("trace", "right"), identity=("trace",))


@dataclass(frozen=True, kw_only=True)
class RunBenchmark:
    """The result of one benchmark, as `result.json`, and what was called of every row, as `calls.json`."""

    benchmark: Json
    """A protocol: its name, or a mapping with `use` and its choices."""
    source: str
    """The stage that read the benchmark's rows."""
    scores: str
    """A `score` or a `judge` stage over them; a judge's votes count as a critic's."""
    model: str = ""
    """The model that scored, a stage or a folder: one that learned from any of the problems is refused."""
    development: str = ""
    """A stage of other rows, on which the threshold is chosen; none keeps the protocol's own."""
    development_scores: str = ""
    development_name: str = ""
    """What those rows are called in the result."""
    reasons: str = ""
    """JSON lines with `trace`, a key of `calls.json`, and `right`: what a judge of reasons said, for the MR-Score."""

    def __post_init__(self) -> None:
        build("benchmark", self.benchmark, "benchmark")
        told = (self.development, self.development_scores, self.development_name)
        if any(told) and not all(told):
            raise ConfigError("a development set needs its stage, its scores and a name", got=told)

    def run(self, shop: Workshop) -> Json:
        """Evaluate, and keep result and calls."""
        protocol = cast("Benchmark", build("benchmark", self.benchmark, "benchmark"))
        notes = self._training(shop)
        if self.development:
            chosen_on = items_of(shop, self.development, self.development_scores)
            threshold = choose_threshold(list(chosen_on.values()), self.development_name)
            protocol = at_threshold(protocol, threshold)
        items = items_of(shop, self.source, self.scores, self._reasons(shop))
        result = protocol.evaluate(list(items.values()), seed=shop.seed)
        result = replace(result, notes=(*result.notes, *notes))
        calls = {key: _call(item.call(protocol.threshold.tau)) for key, item in items.items()}
        shop.run.write_json(f"{shop.stage}/result.json", to_json(result))
        shop.run.write_json(f"{shop.stage}/calls.json", calls)
        return {"headline": result.sentence, "comparable": result.comparable}

    def _reasons(self, shop: Workshop) -> dict[str, bool]:
        """What the judge of reasons said, by key; `DataError` for a key that no row has."""
        if not self.reasons:
            return {}
        told = {row.text("trace"): row.boolean("right") for row in read_rows(Path(self.reasons), REASONS, Tally())}
        unknown = sorted(told.keys() - shop.labels(self.source).keys())
        if unknown:
            raise DataError(
                f"{self.reasons}: {len(unknown)} of {len(told)} verdicts are of traces that no row holds",
                got=unknown[:3],
                mend="take the keys of calls.json",
            )
        return told

    def _training(self, shop: Workshop) -> tuple[str, ...]:
        """Nothing, or that the model cannot tell what taught it; `ConfigError` where the benchmark did."""
        if not self.model:
            return ()
        problems = list(shop.problems(self.source).values())
        known = refuse_training_problems(model_of(shop, self.model), problems)
        return () if known else ("the model does not say which problems taught it: it may have seen these",)


def items_of(shop: Workshop, source: str, scores: str, reasons: Mapping[str, bool] | None = None) -> dict[str, Item]:
    """By key, the rows of stage `source` with what stage `scores` said; `DataError` for a row that nobody judged."""
    problems = shop.problems(source)
    judgements = shop.load("judgements", Judgement, scores)
    scored = shop.load("scores", StepScores, scores)
    labels = shop.labels(source)
    missing = [key for key in labels if key not in judgements and key not in scored]
    if missing:
        raise DataError(f"stage {scores!r} judged {len(labels) - len(missing)} of {len(labels)} rows", got=missing[:3])
    return {
        key: Item(
            problem=problems[labeled.trace.problem_id],
            labeled=labeled,
            scores=scored.get(key),
            votes=votes_of(judgements[key]) if key in judgements else (),
            reason_right=(reasons or {}).get(key),
        )
        for key, labeled in labels.items()
    }


def _call(call: Call) -> Json:
    """The 0-based step, -1 for no error, None where nothing could be read."""
    return None if call.silent else -1 if call.index is None else call.index
