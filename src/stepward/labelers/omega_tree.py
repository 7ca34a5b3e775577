"""The tree that OmegaPRM grows for one problem: states that were asked, what they came to, what is searched next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from stepward.errors import ConfigError
from stepward.labelers.halving import Asking, Found, Halving
from stepward.labelers.omega_pool import Candidate, Pool, Selection
from stepward.labelers.rolling import Ending, Rollouts, Tally
from stepward.labelers.tallies import ends, root_counts
from stepward.protocols import Resources
from stepward.tree import StepTree
from stepward.types import Json, Origin, Spend, Trace, Verdict

Keep = Literal["searched", "pairs", "all"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """How far a tree grows, and what is brought home of it."""

    searches: int = 100
    """Most searches of one problem."""
    screen: int = 32
    """Completions of the problem itself; where they and the given traces are all right, or all wrong, it is dropped."""
    tokens: int | None = None
    """No search is begun once completions took so many tokens; None is no limit."""
    keep: Keep = "pairs"
    """searched: the rollouts that were searched; pairs: beside each a right completion of its last living state, where
    there is one; all: every completion of every state."""
    selection: Selection = Selection()

    def __post_init__(self) -> None:
        if self.searches < 1 or self.screen < 1 or (self.tokens is not None and self.tokens < 1):
            raise ConfigError(
                "searches, screen and tokens must be at least 1", got=(self.searches, self.screen, self.tokens)
            )
        if self.keep not in ("searched", "pairs", "all"):
            raise ConfigError("keep must be searched, pairs or all", got=self.keep)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A prefix that was asked: the first `kept` steps of `trace`."""

    trace: Trace
    kept: int
    tally: Tally
    endings: Sequence[Ending]

    @property
    def prefix(self) -> str:
        """Its text."""
        return self.trace.prefix(self.kept)

    def continued(self, ending: Ending, resources: Resources) -> Trace:
        """The state and `ending` as a trace that keeps the state's steps.

        The whole text is cut, so that a segmenter sees what stands before; where that moves the state's own cuts, the
        ending is cut by itself.
        """
        segmenter = resources.need_segmenter()
        text, own = self.prefix + ending.text, self.trace.steps[: self.kept]
        steps = segmenter.segment(text)
        if steps[: self.kept] != own:
            at = len(self.prefix)
            steps = (*own, *(replace(s, start=s.start + at, end=s.end + at) for s in segmenter.segment(ending.text)))
        return Trace(
            problem_id=self.trace.problem_id,
            text=text,
            steps=steps,
            answer=resources.answers.extract(text) if resources.answers else None,
            finish=ending.finish,
            segmenter=segmenter.tag,
            meta={"state": self.kept},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """A rollout that is brought home."""

    trace: Trace
    verdict: Verdict
    tokens: int
    """Written behind its state."""


@dataclass(eq=False, kw_only=True)
class OmegaTree:
    """Live state of one problem."""

    rollouts: Rollouts
    asking: Asking
    verify: int
    grow: Growing
    resources: Resources
    searches: list[tuple[Candidate, Found]] = field(default_factory=list, init=False)
    states: dict[int, State] = field(default_factory=dict, init=False)
    """By node, in the order of asking."""
    stopped: str = field(default="", init=False)
    """Why it grew no further."""
    tokens: int = field(default=0, init=False)
    """Written by all completions."""

    def __post_init__(self) -> None:
        self.tree = StepTree(self.rollouts.problem)
        self.pool = Pool(selection=self.grow.selection)

    async def run(self, given: Sequence[tuple[Trace, Verdict]]) -> None:
        """Screen the problem, then search until nothing is left or the budget is used up."""
        for trace, _ in given:
            self.tree.add(trace)
        empty = Trace(problem_id=self.rollouts.problem.id, text="", steps=())
        screened = await self.rollouts.count("", self.grow.screen)
        wrong = [trace for trace, verdict in given if verdict.correct is False and ends(trace) and len(trace)]
        self.stopped = self._dropped(screened, wrong)
        candidates = await self._register(empty, 0, screened)
        if not self.stopped:
            given_wrong = [Candidate(state=self.tree.root, trace=each, tokens=self._length(each)) for each in wrong]
            self.pool.extend([*given_wrong, *candidates])
            self.stopped = await self._search_all()

    def known(self, trace: Trace) -> dict[int, Tally]:
        """By steps kept, what is counted along `trace`, which the tree holds."""
        return {node.depth: self.states[node.id].tally for node in self.tree.find(trace) if node.id in self.states}

    def found(self, trace: Trace) -> Found | None:
        """What the first search of a trace with this text found; None where there was none."""
        return next((found for candidate, found in self.searches if candidate.trace.text == trace.text), None)

    def own(self, given: Sequence[Trace], origin: Origin) -> list[Own]:
        """Rollouts to bring home, each text once; of a problem that came without traces, at least one."""
        texts = {trace.text for trace in given}
        kept: dict[str, Own] = {}
        for state, ending in self._chosen(bare=not given):
            trace = state.continued(ending, self.resources)
            if trace.text not in texts and trace.text not in kept:
                verdict = Verdict(outcome="equal" if ending.correct else "different", answer=trace.answer)
                self.tree.add(trace)
                kept[trace.text] = Own(trace=replace(trace, origin=origin), verdict=verdict, tokens=ending.tokens)
        return list(kept.values())

    def bill(self, own: Sequence[Own]) -> Spend:
        """What all completions cost; those that were brought home are not discarded."""
        spend = self.rollouts.bill(state.prefix for state in self.states.values())
        return replace(spend, discarded_tokens=spend.discarded_tokens - sum(each.tokens for each in own))

    def told(self) -> dict[str, Json]:
        """What a record says of the tree that its labels come from."""
        tree: dict[str, Json] = {"stopped": self.stopped, "searches": len(self.searches), "states": len(self.states)}
        return {"tree": tree, **root_counts(self.states[self.tree.root.id].tally)}

    def _dropped(self, root: Tally, wrong: Sequence[Trace]) -> str:
        """Why the problem is not worth a tree; empty where it is."""
        if not self.asking.lives(root, self.rollouts.problem):
            return "dropped: all wrong"
        return "dropped: all right" if root.successes == root.trials and not wrong else ""

    async def _search_all(self) -> str:
        while len(self.searches) < self.grow.searches:
            if self.grow.tokens is not None and self.tokens >= self.grow.tokens:
                return "tokens used up"
            candidate = self.pool.pop()
            if candidate is None:
                return "nothing left to search"
            await self._search(candidate)
        return "searches used up"

    async def _search(self, candidate: Candidate) -> None:
        trace = candidate.trace
        halving = Halving(
            ask=lambda kept: self.asking.count(trace.prefix(kept), self.rollouts),
            alive=self.asking.alive,
            verify=self.verify,
        )
        found = await halving.between(candidate.state.depth, len(trace))
        self.searches.append((candidate, found))
        self.tree.add(trace)
        for kept, tally in found.counted.items():
            self.pool.extend(await self._register(trace, kept, tally))

    async def _register(self, trace: Trace, kept: int, tally: Tally) -> list[Candidate]:
        """Make the prefix a state, unless it is one; where it is new and lives, its wrong completions to search."""
        node = self.tree.find(trace)[kept - 1] if kept else self.tree.root
        if node.id in self.states:
            return []
        endings = await self.rollouts.first(trace.prefix(kept), tally.drawn)
        state = State(trace=trace, kept=kept, tally=tally, endings=endings)
        self.states[node.id] = state
        self.tokens += sum(ending.tokens for ending in endings)
        node.count(tally.successes, tally.trials)
        if not self.asking.alive(tally) or self.stopped:
            return []
        wrong = [each for each in endings if each.correct is False and each.finish == "stop" and each.text]
        return [
            Candidate(state=node, trace=state.continued(each, self.resources), tokens=each.tokens, ending=each)
            for each in wrong
        ]

    def _length(self, trace: Trace) -> float:
        """Tokens of a given trace, where it does not say at the rate of the problem's completions."""
        endings = self.states[self.tree.root.id].endings
        characters = sum(len(ending.text) for ending in endings)
        rate = sum(ending.tokens for ending in endings) / characters if characters else 0.0
        return trace.spend.policy_tokens or len(trace.text) * rate

    def _chosen(self, *, bare: bool) -> Iterator[tuple[State, Ending]]:
        """States and the completions of them that `keep` asks for, in the order of the searches."""
        if self.grow.keep == "all":
            yield from (
                (state, ending) for state in self.states.values() for ending in state.endings if _usable(ending)
            )
            return
        for candidate, found in self.searches:
            if candidate.ending is not None:
                yield self.states[candidate.state.id], candidate.ending
            if self.grow.keep == "pairs":
                yield from self._partner(candidate, found)
        if bare and not self.searches:
            yield from ((self.states[0], ending) for ending in self.states[0].endings[:1] if _usable(ending))

    def _partner(self, candidate: Candidate, found: Found) -> Iterator[tuple[State, Ending]]:
        """The first right completion of the last living state of a search."""
        path = (self.tree.root, *self.tree.find(candidate.trace))
        state = self.states[path[found.alive].id]
        yield from ((state, ending) for ending in list(filter(_right, state.endings))[:1])


def _right(ending: Ending) -> bool:
    return bool(ending.correct)


def _usable(ending: Ending) -> bool:
    return ending.correct is not None and bool(ending.text)
