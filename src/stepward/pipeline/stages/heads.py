"""Gives a frozen reward model further heads: an ensemble, quantiles of the value, or an expert for each domain."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from stepward.calibrate import problem_key
from stepward.combine.routing import ByName, Router, fit_by_words
from stepward.config import build
from stepward.pipeline.stages.calibrate import copy_model
from stepward.pipeline.stages.score import model_of
from stepward.pipeline.workshop import Workshop
from stepward.reward_models.backbone import open_codec
from stepward.reward_models.checkpoint import read_card
from stepward.reward_models.several.experts import Experts, write_experts
from stepward.reward_models.several.uncertain import write_members
from stepward.training.ensemble import fit_ensemble, fit_quantiles
from stepward.training.examples import ExampleSet, StepExamples
from stepward.training.experts import FitExperts
from stepward.training.ground import Ground, ground_of
from stepward.training.objectives.contract import Objective
from stepward.training.spec import HeadFit, TrainSpec
from stepward.types import Json, LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class AddHeads:
    """A copy of `model` with further heads, taught by the step labels of `source`; `score` says which are read."""

    model: str
    """A stage that made a model with a frozen backbone, or such a model's folder."""
    source: str
    add: Literal["ensemble", "quantiles", "experts"] = "ensemble"
    count: int = 8
    """Heads of an ensemble."""
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)
    """Of quantiles, whose labels must be soft."""
    experts: FitExperts = FitExperts()
    router: Literal["names", "words"] = "names"
    """Experts by the problem's own domain, or by a router that learns the domain from the problem's words."""
    objective: Json = "bce"
    """Of ensembles and experts: as the model's own head was taught."""
    head_fit: HeadFit = HeadFit()

    def __post_init__(self) -> None:
        build("objective", self.objective, "objective")

    def run(self, shop: Workshop) -> Json:
        """Fit, and write the heads into the copy."""
        problems, labels = shop.problems(self.source), shop.labels(self.source).values()
        pairs = [(problems[labeled.trace.problem_id], labeled) for labeled in labels]
        source, draft = model_of(shop, self.model), shop.folder("draft")
        examples = self._examples(source, pairs)
        ground = ground_of(source, examples, self._spec(shop.seed), features=source.parent / "features")
        shutil.rmtree(draft, ignore_errors=True)
        copy_model(source, draft)
        about = self._add(draft, ground, examples, [problem for problem, _ in pairs])
        shutil.rmtree(shop.folder("model"), ignore_errors=True)
        draft.rename(shop.folder("model"))
        return {"added": self.add, "examples": len(examples.examples), **about}

    def _add(self, folder: Path, ground: Ground, examples: ExampleSet, problems: Sequence[Problem]) -> dict[str, Json]:
        rows = examples.examples
        if self.add == "experts":
            domains = {problem_key(problem): problem.domain for problem in problems}
            found = self.experts.fit(ground.states, rows, domains, ground.spec, ground.head)
            names = tuple(found.heads)
            router: Router = ByName(domains=names) if self.router == "names" else fit_by_words(problems)
            write_experts(folder, Experts(domains=names, router=router), found.heads)
            return {"domains": list(names), "too small": list(found.small)}
        if self.add == "quantiles":
            made = fit_quantiles(ground.states, rows, ground.spec, levels=self.levels)
        else:
            made = fit_ensemble(ground.states, rows, ground.spec, count=self.count, penalty=ground.penalty)
        write_members(folder, made.members, made.heads)
        return {"heads": made.members.count}

    def _examples(self, folder: Path, pairs: Sequence[tuple[Problem, LabeledTrace]]) -> ExampleSet:
        card = read_card(folder)
        codec = open_codec(Path(card.backbone), card.format)
        return StepExamples(view="soft" if self.add == "quantiles" else "hard").build(codec, pairs)

    def _spec(self, seed: int) -> TrainSpec:
        objective = cast("Objective", build("objective", self.objective, "objective"))
        return TrainSpec(mode="frozen", objective=objective, head_fit=self.head_fit, seed=seed)
