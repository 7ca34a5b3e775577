"""The first error of each wrong trace, found with a few completions (noisy bisection).

    1. A right trace has no error that completions could see: every step is right, at no cost (`right: outcome`).
    2. `explore` completions of the empty prefix, shared by all traces of the problem, say whether the completer can
       solve it, and how far the trace goes along with right solutions.
    3. While the posterior of the first error (`error_posterior`) is below `confidence`, complete the prefix whose next
       completion is expected to tell most per token; stop where none tells `least` nats, or all have `most`.
    4. `verify` completions of each of the two prefixes behind the error; one that ends right means that the trace may
       recover, bisection is off, and every prefix is completed `most` times.

A right completion vouches for every prefix that it goes through, an error costs a few that fail; so a trace of T steps
takes about log2 T prefixes and mostly one or two completions each, against 8 T.

What the label means: the first step behind which the completer stops ending right. A harmless error is not found, and
a right trace with an error in it passes.

Degenerate cases: a problem that looks unsolvable, or a verdict that is undecided, gives no label and says so in
`meta["why"]`, never 0. Completions that failed or are undecided are counted there and tell nothing.

`siblings` lets the right traces of the problem vouch too; then a trace's labels depend on which traces it comes with.

Source: Luo et al., arXiv 2406.06592 (binary search over prefixes), with the posterior in place of any-of-8.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

import numpy as np

from stepward.errors import ConfigError
from stepward.labelers.adaptive import option_count
from stepward.labelers.error_posterior import Beliefs, ErrorPosterior
from stepward.labelers.rolling import Ending, Rollouts, Tally
from stepward.labelers.tallies import ends, made_by, need_answer, own_tally, prefixes, root_counts, told, value_label
from stepward.protocols import Resources
from stepward.types import Json, LabeledTrace, Origin, Problem, Sampling, Spend, StepLabel, Trace, Verdict

Why = Literal["right", "undecided", "sure", "told", "exhausted", "unsolvable"]
GUESSES = 8.0
"""Guessed answers that a dead prefix of a multiple-choice problem is believed to have shown already."""


@dataclass(frozen=True, kw_only=True)
class FirstErrorSearch:
    """Looks for the first error of each wrong trace. Needs a policy (the completer) and a verifier."""

    labels: Literal["hard", "soft", "counts"] = "hard"
    """hard: prefix labels, 1 before the first error and 0 from it; soft: the posterior chance that no error has been
    made; counts: value labels k / n of the prefixes that were completed, None for the others."""
    right: Literal["outcome", "search"] = "outcome"
    """What is done with right traces: nothing, or the same search, which their own end makes short."""
    explore: int = 4
    """Completions of the empty prefix, drawn where any trace of the problem is searched."""
    batch: int = 1
    """Completions drawn together."""
    most: int = 8
    """Completions of one prefix, `explore` and `verify` apart."""
    confidence: float = 0.9
    least: float = 0.03
    """Nats that a completion must be expected to tell."""
    verify: int = 0
    """Completions of each of the two prefixes behind the error, in search of a recovery."""
    paths: bool = True
    """Whether a right completion says something of the later steps that it repeats or leaves out."""
    siblings: bool = False
    """Whether the right traces of the problem vouch too."""
    beliefs: Beliefs = Beliefs()
    options: int = 0
    """Answers to choose from in a multiple-choice problem; 0 reads `problem.meta["options"]`."""
    sampling: Sampling = Sampling()

    def __post_init__(self) -> None:
        if self.labels not in ("hard", "soft", "counts") or self.right not in ("outcome", "search"):
            raise ConfigError(
                "labels are hard, soft or counts; right is outcome or search", got=(self.labels, self.right)
            )
        if min(self.explore, self.verify, self.least) < 0 or min(self.batch, self.most) < 1:
            raise ConfigError("explore, verify and least are at least 0, batch and most at least 1", got=self)
        if not 0.5 < self.confidence < 1:
            raise ConfigError("confidence lies in (0.5, 1)", got=self.confidence)

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` with its labels. Raises `LabelError` for a problem without answer."""
        return (await self.label_all(problem, [trace], resources))[0]

    async def label_all(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        """Labels for all `traces` of one problem, which share completions; shared cost is borne by the first."""
        need_answer(problem)
        rollouts = Rollouts.of(problem, resources, self.sampling)
        verdicts = await asyncio.gather(*(rollouts.verifier.verify(problem, trace.text) for trace in traces))
        vouching = [t for t, v in zip(traces, verdicts, strict=True) if self.siblings and v.correct and ends(t)]
        beliefs = beliefs_for(problem, self.beliefs, self.options)
        hunts = [
            Hunt(plan=self, trace=trace, verdict=verdict, rollouts=rollouts, beliefs=beliefs)
            for trace, verdict in zip(traces, verdicts, strict=True)
        ]
        found = await asyncio.gather(*(hunt.run([t for t in vouching if t is not hunt.trace]) for hunt in hunts))
        return [hunt.labeled(why) for hunt, why in zip(hunts, found, strict=True)]


@dataclass(eq=False, kw_only=True)
class Hunt:
    """The search for the first error of one trace."""

    plan: FirstErrorSearch
    trace: Trace
    verdict: Verdict
    rollouts: Rollouts
    beliefs: Beliefs
    posterior: ErrorPosterior = field(init=False)
    _cuts: list[str] = field(init=False)
    """The prefixes of 0, 1, ... steps."""
    _seen: dict[int, list[Ending]] = field(default_factory=dict, init=False)
    _recovers: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._cuts = ["", *prefixes(self.trace)]
        spotless = not ends(self.trace) or bool(self.verdict.correct)
        self.posterior = ErrorPosterior(steps=len(self.trace), spotless=spotless, beliefs=self.beliefs)

    @property
    def open(self) -> int:
        """How many prefixes, the empty one first, can be completed."""
        return len(self.trace) + (not ends(self.trace))

    async def run(self, vouching: Sequence[Trace]) -> Why:
        """Draw what is worth drawing; why it stopped."""
        if not self.trace.steps or (ends(self.trace) and self.verdict.correct is None):
            return "undecided"
        if self.verdict.correct and self.plan.right == "outcome":
            return "right"
        if self.verdict.correct:
            self.posterior.went(0, len(self.trace))
        for sibling in vouching:
            self._vouch(0, sibling.text)
        await self._draw(0, self.plan.explore)
        why = await self._narrow()
        if self.plan.verify and self.found not in (0, None):
            await self._look_behind()
        if self.posterior.blank:
            return "undecided"
        return "unsolvable" if self.found == 0 else why

    @property
    def found(self) -> int | None:
        """The likeliest first dead prefix; None where no step is wrong."""
        likeliest = int(self.posterior.chances().argmax())
        return None if likeliest > len(self.trace) else likeliest

    async def _narrow(self) -> Why:
        """Complete what tells most for its length until the posterior is sure, or nothing tells enough."""
        lengths = np.array([len(self.trace.text) - len(cut) for cut in self._cuts[: self.open]], dtype=np.float64)
        lengths += len(self.trace.text) / len(self.trace)  # the end of a trace is not free to complete
        while self.posterior.chances().max() < self.plan.confidence:
            told_O = self.posterior.tells(self.open)
            spent = [self._drawn(at) >= self.plan.most + self.plan.explore * (at == 0) for at in range(self.open)]
            if all(spent):
                return "exhausted"
            told_O[np.array(spent)] = 0.0
            best = int((told_O / lengths).argmax())
            if told_O[best] < max(self.plan.least, 1e-12):
                return "told"
            await self._draw(best, self.plan.batch)
        return "sure"

    async def _look_behind(self) -> None:
        """Complete the two prefixes behind the error; where one ends right, all."""
        dead = self.found or 0
        behind = range(dead + 1, min(dead + 3, self.open))
        for at in behind:
            await self._draw(at, self.plan.verify)
        self._recovers = any(ending.correct for at in behind for ending in self._seen[at])
        for at in range(self.open) if self._recovers else ():
            await self._draw(at, self.plan.most - self._drawn(at))

    async def _draw(self, at: int, count: int) -> None:
        """`count` more completions of the prefix of `at` steps, as evidence."""
        if count <= 0:
            return
        known = self._drawn(at)
        endings = list(await self.rollouts.first(self._cuts[at], known + count))
        for ending in endings[known:]:
            if ending.correct:
                self._vouch(at, self._cuts[at] + ending.text)
            elif ending.correct is False:
                self.posterior.failed(at)
        self._seen[at] = endings

    def _vouch(self, at: int, text: str) -> None:
        """Take a right solution `text` of the prefix of `at` steps as evidence."""
        self.posterior.succeeded(at)
        if self.plan.paths:
            self.posterior.went(at, self._shared(text))

    def _drawn(self, at: int) -> int:
        return len(self._seen.get(at, ()))

    def _shared(self, text: str) -> int:
        """How many steps of the trace `text` begins with; never all of them, for a trace that is wrong as a whole."""
        reached = 0
        while reached < self.open - 1 and text.startswith(self._cuts[reached + 1]):
            reached += 1
        return reached

    def labeled(self, why: Why) -> LabeledTrace:
        """The trace with its labels, what it cost, and what was found."""
        tallies = {at: Tally.of(endings) for at, endings in self._seen.items()}
        completions = sum(each.drawn for each in tallies.values())
        meta: dict[str, Json] = {"why": why, "completions": completions, **told(tallies.values())}
        if why not in ("right", "undecided"):
            meta |= {"posterior": round(float(self.posterior.chances().max()), 6), "recovers": self._recovers}
        if 0 in tallies:
            meta |= root_counts(tallies[0])
        return LabeledTrace(
            trace=self.trace,
            labels=tuple(self._labels(why, tallies)),
            verdict=self.verdict,
            spend=self.rollouts.bill(self._cuts) + Spend(verifier_calls=1),
            meta=meta,
        )

    def _labels(self, why: Why, tallies: dict[int, Tally]) -> Sequence[StepLabel | None]:
        steps = range(1, len(self.trace) + 1)
        origin = made_by("first_error", self.rollouts, _settings(self.plan))
        if self.plan.labels == "counts":
            if ends(self.trace):
                tallies = {**tallies, len(self.trace): own_tally(self.verdict)}
            return [value_label(tallies.get(at, Tally()), origin) for at in steps]
        if why in ("undecided", "unsolvable"):
            return [None] * len(self.trace)
        if why == "right":
            return [_prefix_label(1.0, origin) for _ in steps]
        chances = self.posterior.chances()
        if self.plan.labels == "soft":
            return [_prefix_label(min(1.0, float(chances[at + 1 :].sum())), origin) for at in steps]
        dead = self.found
        return [_prefix_label(float(dead is None or at < dead), origin) for at in steps]


def beliefs_for(problem: Problem, beliefs: Beliefs, options: int) -> Beliefs:
    """`beliefs`, with guessing at the chance level behind an error where `problem` offers answers to choose from."""
    if problem.answer_kind != "choice":
        return beliefs
    level = 1 / (options or option_count(problem))
    made = asdict(beliefs) | {"dead": (GUESSES * level, GUESSES * (1 - level))}
    made["alive"] = (beliefs.alive[0] + beliefs.alive[1] * level, beliefs.alive[1] * (1 - level))
    return Beliefs(**made)


def _prefix_label(value: float, origin: Origin) -> StepLabel:
    return StepLabel(target="prefix", value=value, source="rollout", origin=origin)


def _settings(plan: FirstErrorSearch) -> dict[str, Json]:
    """Every field of `plan` but the sampling, as plain JSON."""
    made = asdict(plan)
    beliefs = {name: list(value) if isinstance(value, tuple) else value for name, value in made["beliefs"].items()}
    return {name: value for name, value in made.items() if name != "sampling"} | {"beliefs": beliefs}
