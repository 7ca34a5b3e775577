"""Puts traces through the robustness suite and measures what a reward model makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stepward.codec import to_json
from stepward.errors import ConfigError, ModelError
from stepward.evaluation.robustness.contract import Attempt
from stepward.evaluation.robustness.probing import Probes, probe
from stepward.evaluation.robustness.report import (
    AGGREGATES,
    Scoring,
    Sitting,
    base_key,
    original_key,
    perturbed_key,
    robustness_report,
)
from stepward.evaluation.robustness.suite import SUITE, perturbations
from stepward.pipeline.robustness import headline, robustness_tables
from stepward.pipeline.stages.relabel import write_report
from stepward.pipeline.stages.score import model_of
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.protocols import StepScorerEngine
from stepward.reduce import reducer
from stepward.reports.tables import markdown
from stepward.reward_models.formats.library import get_format
from stepward.reward_models.public.load import Opening, open_scorer
from stepward.types import Json, Problem, Spend, Trace

Pair = tuple[Problem, Trace]


@dataclass(frozen=True, kw_only=True)
class ProbeRobustness:
    """The suite over the labelled traces of `source`, scored by `model`: `report.json`, `report.md`, `traces.jsonl`."""

    source: str
    """A stage that labelled traces: labels or verdicts say which are right."""
    model: str
    """A stage that made a model, or a model folder."""
    perturbations: tuple[Json, ...] = SUITE
    """Names, or mappings with `use` and settings."""
    reduce: tuple[str, ...] = AGGREGATES
    probed: int | None = 1
    """Of each problem, perturb the first so many right and so many other traces; None all. Pools hold every trace."""
    format: str = ""
    """Name or file of a published model's format, where its folder does not tell."""
    base: str = ""
    """For a published adapter: folder of the model that it changes."""
    reference: str = ""
    """For an implicit model: folder of the model that it started from."""
    chunk: int = 256
    """Traces scored together."""

    def __post_init__(self) -> None:
        if self.chunk < 1 or (self.probed is not None and self.probed < 1):
            raise ConfigError("chunk and probed must be at least 1", got=(self.chunk, self.probed))
        for how in self.reduce:
            reducer(how)
        perturbations(self.perturbations)

    def run(self, shop: Workshop) -> Json:
        """Perturb, score what is not scored yet, and measure."""
        problems = shop.problems(self.source)
        attempts = {
            key: Attempt(problem=problems[labeled.trace.problem_id], labeled=labeled)
            for key, labeled in shop.labels(self.source).items()
            if len(labeled.trace)
        }
        chosen = _first(attempts, self.probed)
        probes = probe(chosen, perturbations(self.perturbations))
        shop.work(_traces(probes), Chunks(what="traces", size=self.chunk, unit="traces"), _as_they_are)
        engine = open_scorer(model_of(shop, self.model), self._opening())
        pairs = _pairs(attempts, probes)
        shop.work(pairs, Chunks(what="scorings", size=self.chunk, unit="traces"), lambda part: _score(engine, part))
        sitting = Sitting(attempts=attempts, probes=probes, scorings=shop.load("scorings", Scoring, shop.stage))
        report = robustness_report(sitting, self.reduce, seed=shop.seed)
        write_report(shop, to_json(report), "\n".join(map(markdown, robustness_tables(report))))
        origin = engine.origin
        return {"headline": headline(report), "scorer": origin.maker, "revision": origin.revision}

    def _opening(self) -> Opening:
        base, reference = (Path(name) if name else None for name in (self.base, self.reference))
        return Opening(format=get_format(self.format) if self.format else None, base=base, reference=reference)


def _first(attempts: Mapping[str, Attempt], count: int | None) -> dict[str, Attempt]:
    """The first `count` right and the first `count` other attempts at each problem."""
    seen: Counter[tuple[str, bool]] = Counter()
    kept = {}
    for key, attempt in attempts.items():
        group = (attempt.problem.id, attempt.sound is True)
        seen[group] += 1
        if count is None or seen[group] <= count:
            kept[key] = attempt
    return kept


def _traces(probes: Sequence[Probes]) -> dict[str, Trace]:
    return {perturbed_key(each.name, one.key): one.perturbed.trace for each in probes for one in each.made}


def _pairs(attempts: Mapping[str, Attempt], probes: Sequence[Probes]) -> dict[str, Pair]:
    """Every trace that is to be scored, each base once."""
    pairs = {original_key(key): (attempt.problem, attempt.trace) for key, attempt in attempts.items()}
    for each in probes:
        for one in each.made:
            problem = one.attempt.problem
            pairs[perturbed_key(each.name, one.key)] = (problem, one.perturbed.trace)
            pairs[base_key(each.name, one)] = (problem, one.base)
    return pairs


def _as_they_are(part: Sequence[tuple[str, Trace]]) -> list[tuple[str, Trace, Spend]]:
    return [(key, trace, Spend()) for key, trace in part]


def _score(engine: StepScorerEngine, part: Sequence[tuple[str, Pair]]) -> list[tuple[str, Scoring, Spend]]:
    """Scores of every trace; where the model refuses a batch, of each one that it does not refuse alone."""
    try:
        found = engine.score_batch([pair for _, pair in part])
    except ModelError as error:
        if len(part) > 1:
            return [row for one in part for row in _score(engine, [one])]
        return [(part[0][0], Scoring(refused=error.what), Spend())]
    return [(key, Scoring(scores=scores), scores.spend) for (key, _), scores in zip(part, found, strict=True)]
