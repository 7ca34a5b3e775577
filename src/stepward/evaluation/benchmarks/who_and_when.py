"""Who&When: the agent that made a multi-agent run fail, and the step at which it did.

Every log failed, and experts named the decisive error: the step, 0-based in the history, and the agent who wrote it.

    step accuracy           the named step exactly, and within 1 to 5 steps of it
    agent accuracy          the writer of the named step is the agent that the experts name

There is always one decisive step, so by default a classifier names the step with the *lowest* score (the earliest of
those tied), which needs no threshold; `pick: threshold` takes the first step below tau and misses where there is
none. Observations (a terminal's output) are nobody's error and are not named. A critic names a step itself.

Chance is given beside it: one step in as many as may be named, and the agent of a step drawn so. Whether the judge
saw the task's answer makes a large difference in the paper: say which with the result.

Where the expert's agent did not write the expert's step in most logs, but did write the step before it, the file
counts from 1: `DataError`. Paper: arXiv 2505.00212.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from stepward.errors import ConfigError, DataError
from stepward.evaluation.benchmarks.counting import Counted, Tally, share
from stepward.evaluation.benchmarks.items import Call, Item, majority, reads_of
from stepward.evaluation.benchmarks.result import BenchmarkResult, Group, Headline, Measure
from stepward.evaluation.benchmarks.thresholds import FIXED, Threshold

WITHIN = (1, 2, 3, 4, 5)
PUBLISHED = (126, 58)
"""Logs of algorithm-generated and of hand-crafted systems; figures are published for each."""
ALL = "all"


@dataclass(frozen=True, kw_only=True)
class WhoAndWhenProtocol:
    """The protocol, and how scores name a step."""

    pick: Literal["lowest", "threshold"] = "lowest"
    threshold: Threshold = field(default=FIXED)
    check_base: bool = True
    READS: ClassVar[str] = "who_and_when"

    def __post_init__(self) -> None:
        if self.pick not in ("lowest", "threshold"):
            raise ConfigError('pick must be "lowest" or "threshold"', got=self.pick)

    def evaluate(self, items: Sequence[Item], *, seed: int = 0) -> BenchmarkResult:
        """Step and agent accuracy."""
        reads = reads_of(items)
        self.threshold.refuse_test(item.problem for item in items)
        if self.check_base:
            _check_base(items)
        counted = Counted.of([self._tally(item) for item in items], seed=seed)
        why_not = () if len(items) in PUBLISHED else (f"{len(items)} logs, published sets hold {PUBLISHED}",)
        how = "lowest score" if self.pick == "lowest" else "first score below tau"
        return BenchmarkResult(
            benchmark="Who&When",
            protocol="critic, majority of votes" if reads == "critic" else f"classifier, {how}",
            groups=(
                Group(name=ALL, measures=_accuracies(counted)),
                Group(name="near", measures=_tolerances(counted)),
                Group(name="chance", measures=_chances(counted)),
            ),
            headline=Headline(ALL, "step accuracy"),
            items=len(items),
            problems=counted.problems,
            silent=sum(self.call(item).silent for item in items),
            threshold=self.threshold if reads == "classifier" and self.pick == "threshold" else None,
            comparable=not why_not,
            why_not=why_not,
            notes=("say whether the judge saw the task's answer: published figures differ by it",),
            seed=seed,
        )

    def call(self, item: Item) -> Call:
        """The step that votes or scores name."""
        if item.votes:
            return majority(item.votes)
        able = nameable(item)
        if self.pick == "threshold":
            return Call(index=next((step for step in able if item.values[step] < self.threshold.tau), None))
        return Call(index=min(able, key=lambda step: item.values[step]))

    def _tally(self, item: Item) -> Tally:
        actual, call, able = decisive(item), self.call(item), nameable(item)
        agents, who = _agents(item), item.told("mistake_agent")
        named = None if call.silent else call.index
        got = {
            "n": 1.0,
            "step": float(named == actual),
            "agent": float(named is not None and agents[named] == who),
            "step_chance": float(actual in able) / len(able),
            "agent_chance": sum(agents[step] == who for step in able) / len(able),
            **{f"near{k}": float(named is not None and abs(named - actual) <= k) for k in WITHIN},
        }
        return Tally(problem=item.labeled.trace.problem_id, counts=got)


def decisive(item: Item) -> int:
    """The step that the experts name; `DataError` where the trace tells none."""
    found = item.labeled.trace.meta.get("mistake_step")
    if not isinstance(found, int) or not 0 <= found < len(item.labeled.trace):
        raise DataError(
            f"trace {item.labeled.trace.id} names no decisive step of its {len(item.labeled.trace)}",
            got=found,
            mend="read the file with the reader who_and_when; steps count from 0",
        )
    return found


def nameable(item: Item) -> list[int]:
    """The steps that can be an agent's error: all but observations; `DataError` where there is none."""
    found = [index for index, step in enumerate(item.labeled.trace.steps) if step.kind != "observation"]
    if not found:
        raise DataError(f"trace {item.labeled.trace.id} holds observations alone")
    return found


def _agents(item: Item) -> list[str]:
    agents = item.labeled.trace.meta.get("agents")
    found = [str(agent) for agent in agents] if isinstance(agents, list | tuple) else []
    if len(found) != len(item.labeled.trace):
        raise DataError(f"trace {item.labeled.trace.id} does not tell who wrote each step", got=found[:5])
    return found


def _check_base(items: Sequence[Item]) -> None:
    """`DataError` where the expert's agent wrote the step before the named one more often than the named one."""
    at = [(_agents(item), decisive(item), item.told("mistake_agent")) for item in items]
    here = sum(agents[step] == who for agents, step, who in at)
    before = sum(step > 0 and agents[step - 1] == who for agents, step, who in at)
    if before > here:
        raise DataError(
            f"Who&When: the named agent wrote the named step in {here} of {len(items)} logs, and the step before it in "
            f"{before}, so steps may be counted from 1 in the file",
            mend="subtract 1 from every mistake_step, or set check_base to false if the file is known to be right",
        )


def _accuracies(counted: Counted) -> tuple[Measure, ...]:
    return tuple(_rate(counted, name, key) for name, key in (("step accuracy", "step"), ("agent accuracy", "agent")))


def _tolerances(counted: Counted) -> tuple[Measure, ...]:
    return tuple(_rate(counted, f"within {k}", f"near{k}") for k in WITHIN)


def _chances(counted: Counted) -> tuple[Measure, ...]:
    return (_rate(counted, "step accuracy", "step_chance"), _rate(counted, "agent accuracy", "agent_chance"))


def _rate(counted: Counted, name: str, key: str) -> Measure:
    return counted.measure(name, share(counted[key], counted["n"]), ("n",))
