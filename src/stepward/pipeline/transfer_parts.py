"""What the cross-domain stage is made of: labels that join, features with their price, further models, notes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from stepward.datasets.splits import normal_text
from stepward.errors import ModelError
from stepward.evaluation.pricing import UnitCost
from stepward.evaluation.transfer_sides import Side
from stepward.pipeline.transfer import DomainReading, DomainStory
from stepward.pipeline.workshop import Workshop
from stepward.protocols import StepScorerEngine
from stepward.relabel.after_error import AfterError
from stepward.reward_models.backbone import Backbone
from stepward.training.domain_features import Chosen, DomainPart, Reading
from stepward.training.domain_heads import DomainHeads
from stepward.types import LabeledTrace, Problem, Spend, StepScores, Trace

Parts = dict[str, DomainPart]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a further model said of a trace, or why it would not read it."""

    scores: StepScores | None = None
    refused: str = ""


def to_first_error(problem: Problem, labeled: LabeledTrace) -> LabeledTrace:
    """The labels up to and with the first error, as prefix labels where they were validity labels."""
    (cut,) = AfterError().relabel(problem, [labeled])
    meant = [replace(x, target="prefix") if x is not None and x.target == "validity" else x for x in cut.labels]
    return replace(cut, labels=tuple(meant))


def story_of(name: str, sides: Mapping[Side, Parts], reading: DomainReading, left: Mapping[str, int]) -> DomainStory:
    """How many problems and traces of a domain are on each side, and what is not."""
    own = {side: parts[name].pairs for side, parts in sides.items() if name in parts}
    return DomainStory(
        name=name,
        problems={side: len({normal_text(problem.text) for problem, _ in pairs}) for side, pairs in own.items()},
        traces={side: len(pairs) for side, pairs in own.items()},
        reading=reading,
        left_out=left,
    )


def notes_of(heads: DomainHeads, read: Mapping[str, DomainReading]) -> list[str]:
    """What heads lack, and what their cost leaves out."""
    kinds = {"corrected": heads.corrected, "alone": heads.alone, "left out": heads.left_out}
    named = [("single", heads.single)] + [
        (f"{d} {kind}", head) for kind, own in kinds.items() for d, head in own.items()
    ]
    found = [f"No expert of {name}: {why}." for name, why in heads.refused.items()]
    if not any(each.computed for each in read.values()):
        found.append("Engine seconds of the heads are 0 because every feature lay in the folder of features.")
    return [*found, *(f"Not calibrated: {name}, because {head.note}." for name, head in named if head.note)]


def joined(own: Chosen, kept: Chosen) -> Chosen:
    """Both as one reading."""
    return Chosen(pairs=own.pairs + kept.pairs, passes=own.passes + kept.passes)


def read_features(shop: Workshop, reading: Reading, backbone: Backbone, chosen: Chosen) -> tuple[DomainReading, Spend]:
    """Compute the features that are not there yet; what that took."""
    computed = 0

    def tell(report: Mapping[str, float]) -> None:
        nonlocal computed
        computed = int(report["feature_tokens"])
        shop.check_stop()

    started = time.perf_counter()
    if chosen.pairs:
        reading.read(backbone, chosen, tell)
    seconds = time.perf_counter() - started if computed else 0.0
    spend = Spend(
        scorer_tokens=computed,
        scorer_calls=sum(map(len, chosen.passes)) if computed else 0,
        flops=2.0 * backbone.parameters * computed,
        seconds=seconds,
    )
    found = DomainReading(
        tokens=chosen.tokens,
        computed=computed,
        windowed=chosen.windowed,
        flops_a_token=2.0 * backbone.parameters,
        seconds=seconds,
    )
    return found, spend


def cost_of_a_trace(
    chosen: Mapping[str, tuple[Chosen, Chosen]], judge: Parts, read: Mapping[str, DomainReading]
) -> UnitCost:
    """Of one judged trace: every token of its passes, at the speed at which tokens were read in this run."""
    passes = {
        id(pair): own
        for both in chosen.values()
        for each in both
        for pair, own in zip(each.pairs, each.passes, strict=True)
    }
    own = [passes[id(pair)] for part in judge.values() for pair in part.pairs]
    tokens = sum(len(one) for each in own for one in each)
    computed, seconds = sum(r.computed for r in read.values()), sum(r.seconds for r in read.values())
    spend = Spend(
        scorer_tokens=tokens,
        scorer_calls=sum(map(len, own)),
        flops=max((r.flops_a_token for r in read.values()), default=0.0) * tokens,
        seconds=seconds / computed * tokens if computed else 0.0,
    )
    return UnitCost.of(spend, len(own))


def ask(engine: StepScorerEngine, part: Sequence[tuple[str, tuple[Problem, Trace]]]) -> list[tuple[str, Told, Spend]]:
    """Scores of every trace; of a batch that is refused, each trace alone."""
    try:
        found = engine.score_batch([pair for _, pair in part])
    except ModelError as error:
        if len(part) > 1:
            return [row for one in part for row in ask(engine, [one])]
        return [(part[0][0], Told(refused=error.what), Spend())]
    return [(key, Told(scores=scores), scores.spend) for (key, _), scores in zip(part, found, strict=True)]
