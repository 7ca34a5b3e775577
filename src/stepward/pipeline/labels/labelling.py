"""Labels one problem's traces: the unit of a labelling job, and the live parts that it is done with.

A draw that the upstream fails to give is asked for again, with the attempts counted; a problem that lost more of its
draws than `Retries.most_lost` for good is a failure, because its labels would rest on fewer draws than were asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import cast

from stepward.codec import to_json
from stepward.config import describe
from stepward.errors import ConfigError, LabelError, StepwardError
from stepward.pipeline.jobs.desk import Attempt, Result
from stepward.pipeline.parts import PolicyChoice, workbench
from stepward.policies.wrappers import RetryingPolicy, RetryLog
from stepward.protocols import (
    GroupLabeler,
    Harvester,
    Labeler,
    Policy,
    Resources,
    Segmenter,
    StepScorer,
    StepScorerEngine,
    Verifier,
)
from stepward.types import Json, LabeledTrace, Origin, Problem, Spend, Trace, content_key

COUNTED = ("undecided", "failed", "abstained")
"""What `LabeledTrace.meta` counts, by convention."""


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often an upstream is asked again, and when a problem is given up."""

    attempts: int = 6
    timeout: float | None = None
    """Seconds after which a call counts as failed, for servers: calls of a model in this process wait in line."""
    pause: float = 0.5
    """Seconds before the second attempt, doubled before each further one."""
    most_lost: float = 0.0
    """Share of a problem's draws that may fail in every attempt; above it the problem is a failure."""

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.pause < 0 or (self.timeout is not None and self.timeout <= 0):
            raise ConfigError("retries need attempts >= 1, pause >= 0 and a timeout above 0", got=self)
        if not 0 <= self.most_lost <= 1:
            raise ConfigError("most_lost must lie in [0, 1]", got=self.most_lost)


@dataclass(frozen=True, kw_only=True)
class ScorerChoice:
    """Which reward model to load."""

    path: str
    """A stage that made one, or its folder."""
    format: str = ""
    """Name or file of a published model's format, where its folder does not tell."""
    base: str = ""
    """For a published adapter: folder of the model that it changes."""
    reference: str = ""
    """For an implicit model: folder of the model that it started from."""

    def load(self) -> StepScorerEngine:
        """The model in the folder `path`; `ModelError` says what is missing."""
        from stepward.reward_models.formats.library import get_format
        from stepward.reward_models.public.load import Opening, open_scorer

        base, reference = (Path(name) if name else None for name in (self.base, self.reference))
        format = get_format(self.format) if self.format else None
        return open_scorer(Path(self.path), Opening(format=format, base=base, reference=reference))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempts:
    """A problem and what was tried on it: what a labelling job does at a time."""

    problem: Problem
    traces: tuple[Trace, ...]

    def key(self, made_by: Mapping[str, Json]) -> str:
        """Made from everything that the labels depend on; what the traces cost is no part of it."""
        traces = [to_json(replace(trace, spend=Spend())) for trace in self.traces]
        return content_key(to_json(self.problem), traces, made_by)


class StageResources(Resources):
    """Resources that say which setting of a label stage is missing. A missing part stops the job, not one problem."""

    __slots__ = ()

    def need_policy(self) -> Policy:
        """The policy, or `ConfigError`."""
        if self.policy is None:
            raise ConfigError("this labeler needs a policy", mend="set `policy` of the label stage, or --policy")
        return self.policy

    def need_scorer(self) -> StepScorer:
        """The scorer, or `ConfigError`."""
        if self.scorer is None:
            raise ConfigError("this labeler needs a scorer", mend="set `scorer` of the label stage, or --model")
        return self.scorer


@dataclass(frozen=True, kw_only=True)
class Labelling:
    """The trade of a labelling job."""

    labeler: Labeler
    verifier: Verifier
    segmenter: Segmenter
    policy: PolicyChoice | None = None
    scorer: ScorerChoice | None = None
    retries: Retries = Retries()
    harvest: bool = False

    def begin(self) -> LabelWork:
        """Load policy and scorer."""
        return LabelWork(self)


class LabelWork:
    """A labeler with its models. Live state: belongs to one event loop."""

    def __init__(self, labelling: Labelling) -> None:
        self.labelling = labelling
        engine = labelling.policy.load() if labelling.policy else None
        scorer = labelling.scorer.load() if labelling.scorer else None
        bench = workbench(engine, labelling.segmenter, labelling.verifier)
        self.resources = StageResources(
            policy=bench.policy,
            segmenter=bench.segmenter,
            verifier=bench.verifier,
            answers=bench.answers,
            scorer=_batched(scorer) if scorer else None,
        )
        self.identity: Mapping[str, Json] = {
            "labeler": describe(labelling.labeler),
            "harvest": labelling.harvest,
            "verifier": describe(labelling.verifier),
            "segmenter": labelling.segmenter.tag,
            "policy": _named(engine.origin if engine else None),
            "scorer": _named(scorer.origin if scorer else None),
        }

    async def do(self, item: object) -> Result:
        """Labels of all traces of one problem."""
        attempts = cast(Attempts, item)
        log = RetryLog()
        try:
            labeled = await self._label(attempts, self._watched(log))
        except StepwardError as error:
            if isinstance(error, ConfigError):
                raise
            raise Attempt(error, _retry_sums(log)) from error
        self._check(log, labeled)
        return Result(record=[to_json(each) for each in labeled], sums={**sums_of(labeled), **_retry_sums(log)})

    def _watched(self, log: RetryLog) -> Resources:
        """The resources, with retries that write down what happens to this problem."""
        if self.resources.policy is None:
            return self.resources
        retries = self.labelling.retries
        policy = RetryingPolicy(
            policy=self.resources.policy,
            attempts=retries.attempts,
            timeout=retries.timeout,
            pause=retries.pause,
            log=log,
        )
        return replace(self.resources, policy=policy)

    async def _label(self, attempts: Attempts, resources: Resources) -> Sequence[LabeledTrace]:
        labeler, problem, traces = self.labelling.labeler, attempts.problem, attempts.traces
        if self.labelling.harvest and isinstance(labeler, Harvester):
            labeled = await labeler.harvest(problem, traces, resources)
        elif isinstance(labeler, GroupLabeler):
            labeled = await labeler.label_all(problem, traces, resources)
        else:
            labeled = list(await asyncio.gather(*(labeler.label(problem, trace, resources) for trace in traces)))
        if [each.trace.id for each in labeled[: len(traces)]] != [trace.id for trace in traces]:
            raise LabelError("a labeler must give back the traces that it was given, in order", got=len(labeled))
        return labeled

    def _check(self, log: RetryLog, labeled: Sequence[LabeledTrace]) -> None:
        if log.lost > self.labelling.retries.most_lost * log.draws:
            reason, _ = log.reasons.most_common(1)[0]
            error = LabelError(
                f"{log.lost} of {log.draws} draws failed in each of {self.labelling.retries.attempts} attempts",
                got=reason,
                mend="try again with --retry-failed, or let some be lost with retries.most_lost",
            )
            raise Attempt(error, {**_spend_sums(labeled), **_retry_sums(log)})


def sums_of(labeled: Sequence[LabeledTrace]) -> dict[str, float]:
    """Figures of labelled traces that add up over problems: what they cost, what was counted, how votes went."""
    labels = [label for each in labeled for label in each.labels if label is not None]
    voted = [label for label in labels if (label.trials or 0) > 1]
    sums: dict[str, float] = {
        "traces": len(labeled),
        "steps": sum(len(each.trace) for each in labeled),
        "labels": len(labels),
        "voted": len(voted),
        "split": sum(0 < (label.successes or 0) < (label.trials or 0) for label in voted),
        **_spend_sums(labeled),
    }
    for name in COUNTED:
        sums[name] = sum(_count(each.meta.get(name)) for each in labeled)
    return sums


def _spend_sums(labeled: Sequence[LabeledTrace]) -> dict[str, float]:
    spend = sum((each.spend for each in labeled), Spend())
    return {f"spend.{name}": value for name, value in asdict(spend).items() if value}


def spend_of(sums: Mapping[str, float]) -> Spend:
    """The cost among `sums`."""
    found = {name.removeprefix("spend."): value for name, value in sums.items() if name.startswith("spend.")}
    whole = Spend()
    return Spend(**{name: type(getattr(whole, name))(value) for name, value in found.items()})


def _retry_sums(log: RetryLog) -> dict[str, float]:
    return {"draws": log.draws, "asked again": log.again, "lost": log.lost}


def _count(found: Json) -> int:
    return found if isinstance(found, int) else 0


def _named(origin: Origin | None) -> Json:
    return None if origin is None else to_json(origin)


def _batched(engine: StepScorerEngine) -> StepScorer:
    from stepward.reward_models.wrappers import BatchedScorer

    return BatchedScorer(engine=engine)
