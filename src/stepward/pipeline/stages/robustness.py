"""Puts traces through the robustness suite, and attacks what scores them.

RUN/STAGE/report.html, report.md    for people; figures and tables beside them
RUN/STAGE/report.json               every figure
RUN/STAGE/traces.jsonl              every perturbed trace
RUN/STAGE/scorings.jsonl            scores, or why there are none
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from stepward.codec import to_json
from stepward.errors import ConfigError
from stepward.evaluation.robustness.contract import Attempt, Inapplicable
from stepward.evaluation.robustness.probing import Probes, probe
from stepward.evaluation.robustness.report import (
    AGGREGATES,
    Scoring,
    Sitting,
    base_key,
    is_usable,
    original_key,
    perturbed_key,
    robustness_report,
)
from stepward.evaluation.robustness.suffix.asking import Pair, by_engine, scores_or_refusals
from stepward.evaluation.robustness.suffix.attack import SuffixAttack
from stepward.evaluation.robustness.suffix.figures import SuffixReport
from stepward.evaluation.robustness.suite import SUITE, perturbations
from stepward.pipeline.findings import provenance
from stepward.pipeline.robustness import headline
from stepward.pipeline.robustness_page import RobustnessPage
from stepward.pipeline.stages.relabel import write_report
from stepward.pipeline.stages.score import model_of
from stepward.pipeline.suffixes import AttackRun
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.protocols import StepScorerEngine
from stepward.reduce import reduce_scores, reducer
from stepward.reports.exports import write_exports
from stepward.reports.html import write
from stepward.reports.tables import markdown
from stepward.reward_models.formats.library import get_format
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.public.load import Opening, open_scorer
from stepward.types import Json, Origin, Spend, StepScores, Trace

NAME = re.compile(r"[\w-]+")
NOT_PROBABILITIES = Inapplicable(reason="the aggregate needs probabilities, and the scores are none")


@dataclass(frozen=True, kw_only=True)
class ProbeRobustness:
    """The suite, and any attacks, over the labelled traces of `source`, scored by `model`."""

    source: str
    """A stage that labelled traces: labels or verdicts say which are right."""
    model: str
    """A stage that made a model, or a model folder."""
    perturbations: tuple[Json, ...] = SUITE
    """Names, or mappings with `use` and settings."""
    attacks: dict[str, SuffixAttack] = field(default_factory=dict)
    """Searches for suffixes that lift wrong solutions, by name."""
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
        for name in self.attacks:
            if not NAME.fullmatch(name):
                raise ConfigError("the name of an attack holds letters, digits, - and _ alone", got=name)

    def run(self, shop: Workshop) -> Json:
        """Perturb, score what is not scored yet, and measure."""
        problems, labels = shop.problems(self.source), shop.labels(self.source)
        attempts = {
            key: Attempt(problem=problems[labeled.trace.problem_id], labeled=labeled)
            for key, labeled in labels.items()
            if len(labeled.trace)
        }
        chosen = _first(attempts, self.probed)
        probes = probe(chosen, perturbations(self.perturbations))
        shop.work(_traces(probes), Chunks(what="traces", size=self.chunk, unit="traces"), _as_they_are)
        engine = open_scorer(model_of(shop, self.model), self._opening())
        pairs = _pairs(attempts, probes)
        shop.work(pairs, Chunks(what="scorings", size=self.chunk, unit="traces"), lambda part: _score(engine, part))
        sitting = Sitting(attempts=attempts, probes=probes, scorings=shop.load("scorings", Scoring, shop.stage))
        found = self._attacks(shop, sitting, engine)
        robust = RobustnessPage(
            suite=robustness_report(sitting, self.reduce, seed=shop.seed),
            attacks=[each for each in found.values() if isinstance(each, SuffixReport)],
            impossible={name: each for name, each in found.items() if isinstance(each, Inapplicable)},
            empty=len(labels) - len(attempts),
        )
        return self._publish(shop, robust, engine.origin)

    def _attacks(
        self, shop: Workshop, sitting: Sitting, engine: StepScorerEngine
    ) -> dict[str, SuffixReport | Inapplicable]:
        quick = engine.remembering() if isinstance(engine, ProcessRewardModel) else engine
        scored = {key: scores for key, _, scores in sitting.scored()}
        found: dict[str, SuffixReport | Inapplicable] = {}
        for name, attack in self.attacks.items():
            if not is_usable(attack.how, [scores.convention for scores in scored.values()]):
                found[name] = NOT_PROBABILITIES
                continue
            if any(scores.convention != "probability" for scores in scored.values()):
                attack = replace(attack, threshold=None)
            values = {key: reduce_scores(scores, attack.how) for key, scores in scored.items()}
            run = AttackRun(shop=shop, name=name, attack=attack, ask=by_engine(quick, attack.how))
            found[name] = run.run(sitting.attempts, values)
        return found

    def _publish(self, shop: Workshop, robust: RobustnessPage, scorer: Origin) -> Json:
        report = robust.report(f"Robustness of {scorer.maker}", provenance(shop))
        told = {
            **cast("dict[str, Json]", to_json(robust.suite)),
            "attacks": [to_json(each) for each in robust.attacks],
            "without_steps": robust.empty,
            "impossible": {name: each.reason for name, each in robust.impossible.items()},
        }
        write_report(shop, told, "\n".join(map(markdown, robust.tables())))
        write(report, shop.run.path(f"{shop.stage}/report.html"))
        write_exports(report, shop.folder("."))
        return {
            "headline": headline(robust.suite, robust.attacks),
            "scorer": scorer.maker,
            "revision": scorer.revision,
            "report": f"{shop.stage}/report.html",
        }

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
    found = scores_or_refusals(engine, [pair for _, pair in part])
    return [(key, *_scoring(each)) for (key, _), each in zip(part, found, strict=True)]


def _scoring(found: StepScores | str) -> tuple[Scoring, Spend]:
    return (Scoring(refused=found), Spend()) if isinstance(found, str) else (Scoring(scores=found), found.spend)
