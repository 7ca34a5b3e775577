"""OmegaPRM: find first errors by binary search, and grow a tree of prefixes with Monte-Carlo values on the way.

`label` searches each wrong trace that it is given: is the problem alive, then `halving` between the problem and the
wrong end. That costs O(k log M) completions for M steps where rollouts from every prefix cost O(k M). Each prefix that
was asked gets a value label k / n, the last step of an ended trace its own verdict, the steps between None; with `fill`
"monotone" every step gets a prefix label instead: 1 up to the last one found alive, 0 from the first one found dead.

`harvest` does what the paper does: the wrong given traces and the wrong completions of the problem seed a pool, the
best pair of state and rollout is searched (`omega_pool`), each prefix asked becomes a state whose wrong completions
join the pool, until nothing is left, or searches or tokens are used up. Given traces come back labelled, and behind
them rollouts of its own (`grow.keep`). A given trace whose turn never came is `not searched`. Defaults are the paper's
constants.

What it cannot see: an error in a trace that ends right; a right step behind an error. It assumes that a dead prefix
stays dead (`verify` checks). Cut points are the segmenter's steps; the paper halves by tokens, so that its steps may
straddle sentences. A finer segmenter gives finer cuts.

Degenerate cases: a problem that is never solved is `unsolvable`, in `meta["search"]`, and its steps get no values. In
`harvest` a problem whose completions (`grow.screen`) and given traces are all right, or all wrong, is dropped, and
says so. Completions cut short count as the verifier says, but are not searched. A problem without answer, or of which
no completion could be decided, is a `LabelError`; so is multiple choice without `stop`.

Source: Luo et al., arXiv 2406.06592.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from stepward.errors import ConfigError
from stepward.labelers.adaptive import Stop
from stepward.labelers.halving import Asking, Found, Halving
from stepward.labelers.omega_tree import Growing, OmegaTree
from stepward.labelers.rolling import Rollouts, Tally
from stepward.labelers.tallies import ends, made_by, need_answer, own_tally, told, value_label
from stepward.protocols import Resources
from stepward.types import Json, LabeledTrace, Origin, Problem, Sampling, Spend, StepLabel, Trace, Verdict

Search = Literal["found", "right", "unsolvable", "undecided", "open end", "no steps", "not searched"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A trace, its verdict, and what a search found out."""

    trace: Trace
    verdict: Verdict
    found: Found
    search: Search


@dataclass(frozen=True, kw_only=True)
class OmegaLabeler:
    """Labels from binary searches. Needs a policy (the completer) and a verifier; to harvest, a segmenter too."""

    k: int = 8
    """Completions of a prefix."""
    stop: Stop | None = None
    """Draw until a posterior is decisive, instead of `k`."""
    verify: int = 0
    """Prefixes behind a found error that are asked too."""
    options: int = 0
    """Answers to choose from in a multiple-choice problem; 0 reads `problem.meta["options"]`."""
    root: bool = True
    """Whether `label` asks first if the problem can be solved at all; False takes that for granted."""
    fill: Literal["none", "monotone"] = "none"
    grow: Growing = Growing()
    sampling: Sampling = Sampling()

    def __post_init__(self) -> None:
        Asking(k=self.k, stop=self.stop)
        if self.verify < 0 or self.options < 0 or self.options == 1:
            raise ConfigError("verify is at least 0, options 0 or at least 2", got=(self.verify, self.options))
        if self.fill not in ("none", "monotone"):
            raise ConfigError("fill must be none or monotone", got=self.fill)

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        """`trace` labelled by one search."""
        return (await self.label_all(problem, [trace], resources))[0]

    async def label_all(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        """Each of `traces` labelled by a search of its own; the first that needs a prefix bears its cost."""
        rollouts = self._rollouts(problem, resources)
        asking = self._asking(problem)
        judged = await asyncio.gather(*(self._judge(trace, rollouts, asking) for trace in traces))
        return [self._labelled(each, rollouts, asking) for each in judged]

    async def harvest(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        """`traces` labelled with what a tree grown from them knows, then its own rollouts; the first bears all cost."""
        rollouts = self._rollouts(problem, resources)
        asking = self._asking(problem)
        verdicts = await asyncio.gather(*(rollouts.verifier.verify(problem, trace.text) for trace in traces))
        tree = OmegaTree(rollouts=rollouts, asking=asking, verify=self.verify, grow=self.grow, resources=resources)
        given = list(zip(traces, verdicts, strict=True))
        await tree.run(given)
        origin = self._origin(rollouts, asking, {"screen": self.grow.screen})
        own = tree.own(traces, origin)
        judged = [
            self._known(trace, verdict, tree) for trace, verdict in (*given, *((o.trace, o.verdict) for o in own))
        ]
        spend = tree.bill(own) + Spend(verifier_calls=len(traces))
        labelled = [self._record(each, tree.known(each.trace), origin) for each in judged]
        return [
            replace(each, spend=Spend() if at else spend, meta={**each.meta, **tree.told()})
            for at, each in enumerate(labelled)
        ]

    def _rollouts(self, problem: Problem, resources: Resources) -> Rollouts:
        need_answer(problem)
        return Rollouts.of(problem, resources, self.sampling)

    def _asking(self, problem: Problem) -> Asking:
        return Asking(k=self.k, stop=self.stop).of(problem, self.options)

    def _origin(self, rollouts: Rollouts, asking: Asking, more: Mapping[str, Json]) -> Origin:
        return made_by(
            "omega",
            rollouts,
            {**asking.settings(), "verify": self.verify, "root": self.root, "fill": self.fill, **more},
        )

    async def _judge(self, trace: Trace, rollouts: Rollouts, asking: Asking) -> Judged:
        verdict = await rollouts.verifier.verify(rollouts.problem, trace.text)
        found, search = known_by_verdict(trace, verdict)
        if search == "not searched":
            found, search = await self._search(trace, rollouts, asking)
        return Judged(trace=trace, verdict=verdict, found=found, search=search)

    async def _search(self, trace: Trace, rollouts: Rollouts, asking: Asking) -> tuple[Found, Search]:
        whole = len(trace)
        if self.root and not asking.lives(await asking.count("", rollouts), rollouts.problem):
            return Found(dead=whole if ends(trace) else None), "unsolvable"
        halving = Halving(
            ask=lambda kept: asking.count(trace.prefix(kept), rollouts), alive=asking.alive, verify=self.verify
        )
        counted = {} if ends(trace) else {whole: await halving.ask(whole)}
        lives = asking.alive(counted[whole]) if counted else False
        if lives is not False:
            return Found(alive=whole if lives else 0, counted=counted), "open end" if lives else "undecided"
        found = await halving.between(0, whole)
        found.counted = {**found.counted, **counted}
        return found, "undecided" if found.first_error is None else "found"

    def _labelled(self, judged: Judged, rollouts: Rollouts, asking: Asking) -> LabeledTrace:
        labelled = self._record(judged, judged.found.counted, self._origin(rollouts, asking, {}))
        asked = [judged.trace.prefix(kept) for kept in judged.found.counted]
        needed = judged.search not in ("right", "no steps")
        spend = rollouts.bill(["", *asked] if needed else []) + Spend(verifier_calls=1)
        return replace(labelled, spend=spend)

    def _known(self, trace: Trace, verdict: Verdict, tree: OmegaTree) -> Judged:
        found, search = known_by_verdict(trace, verdict)
        searched = tree.found(trace) if search == "not searched" else None
        if searched is not None:
            found, search = searched, "undecided" if searched.first_error is None else "found"
        return Judged(trace=trace, verdict=verdict, found=found, search=search)

    def _record(self, judged: Judged, counted: Mapping[int, Tally], origin: Origin) -> LabeledTrace:
        found = judged.found
        labels = _prefix_labels(judged, origin) if self.fill == "monotone" else _value_labels(judged, counted, origin)
        meta: dict[str, Json] = {
            "search": judged.search,
            "first_error": found.first_error if judged.search == "found" else None,
            "alive": found.alive,
            "dead": found.dead,
            "rose": found.rose,
            **told(counted.values()),
        }
        return LabeledTrace(trace=judged.trace, labels=labels, verdict=judged.verdict, meta=meta)


def known_by_verdict(trace: Trace, verdict: Verdict) -> tuple[Found, Search]:
    """What is known of a trace before anything is asked."""
    if not len(trace):
        return Found(), "no steps"
    if verdict.correct:
        return Found(alive=len(trace)), "right"
    if not ends(trace):
        return Found(), "not searched"
    return (Found(), "undecided") if verdict.correct is None else (Found(dead=len(trace)), "not searched")


def _value_labels(judged: Judged, counted: Mapping[int, Tally], origin: Origin) -> tuple[StepLabel | None, ...]:
    tallies = [counted.get(kept, Tally()) for kept in range(1, len(judged.trace) + 1)]
    if tallies and ends(judged.trace):
        tallies[-1] = own_tally(judged.verdict)
    labels = [value_label(tally, origin) for tally in tallies]
    return tuple(label and replace(label, source="tree") for label in labels)


def _prefix_labels(judged: Judged, origin: Origin) -> tuple[StepLabel | None, ...]:
    alive, dead = judged.found.alive, judged.found.dead
    states = [
        1.0 if kept <= alive else 0.0 if dead and kept >= dead else None for kept in range(1, len(judged.trace) + 1)
    ]
    return tuple(
        None if state is None else StepLabel(target="prefix", value=state, source="tree", origin=origin)
        for state in states
    )
