"""A head per domain on one shared backbone, and a router that says whose head is read.

    experts.json           domains, router, calibrator
    experts.safetensors    one head a domain, in that order

lie in an ordinary checkpoint's folder. The checkpoint's own head, taught on all domains, is the shared expert: it
scores what no expert is for, and it is the single-model baseline, to be reported beside the experts always
(`score_both`). The backbone is read once per trace, not once per expert.

Whether experts help is a question to the data: with few labels a domain they lose to the shared head. (Domain gaps:
VersaPRM, arXiv 2502.06737.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepward.calibrate import Calibrator, calibrated, from_json, to_json
from stepward.combine.routing import Router, router_from_json, router_to_json
from stepward.errors import ModelError, StepwardError
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.several.many_heads import HeadFile, ManyHeads, Outputs, save_heads
from stepward.storage.files import write_atomic
from stepward.types import Json, Origin, Problem, Spend, StepScores, Trace, content_key

CARD, HEADS = "experts.json", "experts.safetensors"
SHARED = ""
"""The domain of the shared head."""


@dataclass(frozen=True, kw_only=True)
class Experts:
    """What the further heads are for."""

    domains: tuple[str, ...]
    router: Router
    calibrator: Calibrator | None = None
    """Over what the routed heads say, by the problem's domain; the shared head has the checkpoint's own."""

    def __post_init__(self) -> None:
        if not self.domains or SHARED in self.domains or len(set(self.domains)) != len(self.domains):
            raise ModelError("experts need different domains with names", got=self.domains)

    def column(self, problem: Problem) -> int:
        """Which head reads `problem`: 0 is the shared one."""
        domain = self.router.route(problem).domain
        return self.domains.index(domain) + 1 if domain in self.domains else 0


def write_experts(folder: Path, experts: Experts, heads: Mapping[str, ScoreHead]) -> None:
    """Put one head a domain into the checkpoint in `folder`; the card comes last."""
    if set(heads) != set(experts.domains):
        raise ModelError("every domain needs its head", got=sorted(heads))
    save_heads([heads[domain] for domain in experts.domains], folder / HEADS)
    write_expert_card(folder, experts)


def write_expert_card(folder: Path, experts: Experts) -> None:
    """Replace what the checkpoint says of its experts, such as their calibrator."""
    record: dict[str, Json] = {
        "domains": list(experts.domains),
        "router": router_to_json(experts.router),
        "calibrator": None if experts.calibrator is None else to_json(experts.calibrator),
    }
    write_atomic(folder / CARD, (json.dumps(record, ensure_ascii=False) + "\n").encode())


def read_experts(folder: Path) -> Experts:
    """What the checkpoint in `folder` says of its experts; `ModelError` where it has none."""
    file = folder / CARD
    if not file.is_file():
        raise ModelError(f"{folder} holds no experts", mend="fit them with training.experts")
    try:
        record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        held = record["calibrator"]
        return Experts(
            domains=tuple(record["domains"]),
            router=router_from_json(record["router"]),
            calibrator=None if held is None else from_json(held),
        )
    except (ValueError, KeyError, TypeError, AttributeError, StepwardError) as error:
        raise ModelError(f"{file} does not say what its experts are", got=str(error), mend="fit them again") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """One trace by its expert and by the shared head. Each bears the whole cost: the pass was one."""

    expert: StepScores
    shared: StepScores


@dataclass(eq=False, kw_only=True)
class ExpertsRewardModel:
    """A `StepScorerEngine` that routes. Live state: holds the weights."""

    model: ManyHeads
    experts: Experts

    @classmethod
    def load(cls, folder: Path, *, device: str = "cpu", backbone: Path | None = None) -> ExpertsRewardModel:
        """The checkpoint in `folder` with its experts; `ModelError` where either is missing."""
        experts = read_experts(folder)
        file = HeadFile(name=HEADS, count=len(experts.domains))
        return cls(model=ManyHeads.load(folder, file, device=device, backbone=backbone), experts=experts)

    @property
    def origin(self) -> Origin:
        """Name, revision and settings of the model; the router is part of the revision."""
        card, experts = self.model.card, self.experts
        held = None if experts.calibrator is None else to_json(experts.calibrator)
        revision = content_key(self.model.revision, list(experts.domains), router_to_json(experts.router), held)
        settings: dict[str, Json] = {"format": card.format.name, "mode": card.mode, "experts": list(experts.domains)}
        return Origin(maker=f"scorer:{card.kind}/experts", revision=revision, settings=settings)

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order, by the expert that the router names. Raises as `ProcessRewardModel`."""
        return [each.expert for each in self.score_both(pairs)]

    def score_both(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[Both]:
        """The same beside the single-model baseline, from one pass."""
        found = []
        for (problem, trace), outputs in zip(pairs, self.model.read(pairs), strict=True):
            column = self.experts.column(problem)
            shared = self._scores(problem, trace, outputs, 0)
            expert = self._scores(problem, trace, outputs, column) if column else shared
            found.append(Both(expert=expert, shared=shared))
        return found

    def score_all(self, pairs: Sequence[tuple[Problem, Trace]]) -> dict[str, list[StepScores]]:
        """By domain, `SHARED` among them: every head on every pair, from one pass. What a matrix is made of."""
        read = self.model.read(pairs)
        return {
            domain: [
                self._scores(problem, trace, own, column) for (problem, trace), own in zip(pairs, read, strict=True)
            ]
            for column, domain in enumerate((SHARED, *self.experts.domains))
        }

    def _scores(self, problem: Problem, trace: Trace, outputs: Outputs, column: int) -> StepScores:
        format = self.model.card.format
        read_by = {"expert": self.experts.domains[column - 1] if column else SHARED}
        origin = self.origin
        scores = StepScores(
            values=tuple(format.score(logit) for logit in outputs.logits_SC[:, column].tolist()) if len(trace) else (),
            convention=format.convention,
            target=format.target,
            scorer=Origin(maker=origin.maker, revision=origin.revision, settings={**origin.settings, **read_by}),
            spend=outputs.spend if len(trace) else Spend(),
        ).check(trace)
        held = self.experts.calibrator if column else self.model.calibrator
        return scores if held is None else calibrated(held, scores, problem.domain)
