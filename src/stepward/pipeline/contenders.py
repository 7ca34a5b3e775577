"""The rows of a cross-domain matrix: what every head, router and trivial baseline says of the judged traces.

Two routers: one by the words of the problem (`combine.routing`), one by the backbone's features of the first step. Each
sends a trace to an expert, or to the single model where it is not sure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stepward.combine.routing import fit_by_words
from stepward.errors import LabelError
from stepward.evaluation.baselines import baseline_scores
from stepward.evaluation.pricing import UnitCost
from stepward.evaluation.transfer import Contender, Question, Role
from stepward.training.domain_features import DomainPart
from stepward.training.domain_heads import CalibratedHead, DomainHeads
from stepward.training.first_step_router import fit_first_step
from stepward.types import LabeledTrace, StepScores

Parts = Mapping[str, DomainPart]
Routes = Mapping[str, list[str]]
"""By domain, for each judged trace the domain of its expert, or the empty name."""
SINGLE, LEFT_OUT = "single", "left out"
OWN_CORRECTED, OWN_ALONE = "own expert, corrected", "own expert, alone"
BY_WORDS, BY_STEP = "router by words", "router by first step"
NO_TEACHER = "no trace of this domain teaches"
ALWAYS_RIGHT = "always right"
BEST_CUE, OWN_CUES = "position and length", "position and length, own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Routed:
    """Where a router sent the judged traces of one domain."""

    router: str
    domain: str
    traces: int
    to: Mapping[str, int] = field(default_factory=dict)
    """By expert; the empty name is the single model, where the router is not sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineup:
    """All rows, what is asked of them, and how the router did."""

    contenders: tuple[Contender, ...]
    questions: tuple[Question, ...]
    routed: tuple[Routed, ...] = ()
    no_router: tuple[str, ...] = ()
    """Why there is none of a kind."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Lines:
    """Makes the rows."""

    heads: DomainHeads
    teach: Parts
    judge: Parts
    cost: UnitCost
    """Of one trace, which is the same for every head: the features are read once."""

    def lineup(self) -> Lineup:
        """Single model, left-out models, routers, experts, baselines."""
        single = {name: self.heads.single.scores(part, SINGLE) for name, part in self.judge.items()}
        alone = self._each("expert", self.heads.alone)
        corrected = self._each("corrected expert", self.heads.corrected)
        rows = [
            self._row(SINGLE, "single", single),
            self._left_out(single),
            self._own(OWN_CORRECTED, corrected),
            self._own(OWN_ALONE, alone),
        ]
        sent, lacking = self._sent()
        for router, routes in sent.items():
            rows += [
                self._routed(f"{router}, corrected", routes, corrected, single),
                self._routed(f"{router}, alone", routes, alone, single),
            ]
        rows += [replace(self._row(f"expert: {name}", "expert", own), teacher=name) for name, own in alone.items()]
        rows += self._baselines()
        return Lineup(
            contenders=tuple(rows),
            questions=questions([row.name for row in rows]),
            routed=tuple(
                Routed(router=router, domain=name, traces=len(to), to=Counter(to))
                for router, routes in sent.items()
                for name, to in routes.items()
            ),
            no_router=lacking,
        )

    def _each(self, maker: str, heads: Mapping[str, CalibratedHead]) -> dict[str, dict[str, list[StepScores]]]:
        return {
            taught: {name: head.scores(part, f"{maker}/{taught}") for name, part in self.judge.items()}
            for taught, head in heads.items()
        }

    def _row(
        self,
        name: str,
        role: Role,
        scores: Mapping[str, Sequence[StepScores]],
        missing: Mapping[str, str] | None = None,
    ) -> Contender:
        return Contender(name=name, role=role, scores=scores, missing=missing or {}, cost=self.cost)

    def _left_out(self, single: Mapping[str, list[StepScores]]) -> Contender:
        """What did not teach the single model is left out by it already."""
        scores = {name: found for name, found in single.items() if name not in self.heads.together}
        for name, head in self.heads.left_out.items():
            if name in self.judge:
                scores[name] = head.scores(self.judge[name], f"{LEFT_OUT}/{name}")
        why = "the other domains have no right and wrong steps to teach"
        return self._row(LEFT_OUT, "left_out", scores, {n: why for n in self.judge if n not in scores})

    def _own(self, name: str, experts: Mapping[str, Mapping[str, list[StepScores]]]) -> Contender:
        scores = {domain: experts[domain][domain] for domain in self.judge if domain in experts}
        missing = {domain: self._no_expert(domain) for domain in self.judge if domain not in scores}
        return self._row(name, "own", scores, missing)

    def _no_expert(self, domain: str) -> str:
        if domain not in self.teach:
            return NO_TEACHER
        return self.heads.refused.get(domain, "this domain does not teach the single model")

    def _sent(self) -> tuple[dict[str, Routes], tuple[str, ...]]:
        """By router, where it sends each trace; and why a router is lacking."""
        known = [name for name in self.heads.corrected if name in self.heads.alone]
        found: dict[str, Routes] = {}
        lacking: list[str] = []
        for router, fit in ((BY_WORDS, self._by_words), (BY_STEP, self._by_step)):
            try:
                found[router] = fit(known)
            except LabelError as error:
                lacking.append(f"No {router}: {error.what}.")
        return found, tuple(lacking)

    def _by_words(self, known: Sequence[str]) -> Routes:
        problems = [replace(problem, domain=name) for name in known for problem, _ in self.teach[name].pairs]
        router = fit_by_words(list({(each.domain, each.text): each for each in problems}.values()))
        return {name: [router.route(problem).domain for problem, _ in part.pairs] for name, part in self.judge.items()}

    def _by_step(self, known: Sequence[str]) -> Routes:
        router = fit_first_step(self.teach, known)
        return {name: router.routes(part) for name, part in self.judge.items()}

    def _routed(
        self,
        name: str,
        routes: Routes,
        experts: Mapping[str, Mapping[str, list[StepScores]]],
        single: Mapping[str, list[StepScores]],
    ) -> Contender:
        scores = {
            domain: [experts.get(to, single)[domain][at] for at, to in enumerate(sent)]
            for domain, sent in routes.items()
        }
        return self._row(name, "router", scores)

    def _baselines(self) -> list[Contender]:
        everything = [labeled for name in self.heads.together for _, labeled in self.teach[name].pairs]
        shared = _cues(everything, self.judge)
        own: dict[str, list[StepScores]] = {}
        missing: dict[str, str] = {}
        for name, part in self.judge.items():
            try:
                taught = [labeled for _, labeled in self.teach[name].pairs] if name in self.teach else []
                own[name] = _cues(taught, {name: part})[BEST_CUE][name]
            except LabelError as error:
                missing[name] = error.what if name in self.teach else NO_TEACHER
        rows = [Contender(name=name, role="baseline", scores=found) for name, found in shared.items()]
        return [*rows, Contender(name=OWN_CUES, role="baseline", scores=own, missing=missing)]


def questions(names: Sequence[str]) -> tuple[Question, ...]:
    """What is compared, of the rows that there are."""
    asked = (
        Question(
            name="Do experts, routed by the problem's words, beat one model?",
            first=f"{BY_WORDS}, corrected",
            second=SINGLE,
        ),
        Question(
            name="Do experts, routed by the first step, beat one model?", first=f"{BY_STEP}, corrected", second=SINGLE
        ),
        Question(name="Do they, if each is taught alone?", first=f"{BY_STEP}, alone", second=SINGLE),
        Question(name="Would a router that never errs?", first=OWN_CORRECTED, second=SINGLE),
        Question(name="Do a domain's own labels help one model?", first=SINGLE, second=LEFT_OUT),
        Question(name="Do own labels alone beat all others' labels?", first=OWN_ALONE, second=LEFT_OUT),
        Question(name="Does one model beat position and length?", first=SINGLE, second=OWN_CUES),
        Question(name="Does an expert beat position and length?", first=OWN_ALONE, second=OWN_CUES),
        Question(name="Does a model without own labels beat position and length?", first=LEFT_OUT, second=BEST_CUE),
    )
    return tuple(each for each in asked if {each.first, each.second} <= set(names))


def _cues(taught: Sequence[LabeledTrace], judge: Parts) -> dict[str, dict[str, list[StepScores]]]:
    """By baseline and domain, its scores. Always right is a chance of 1: its likeliest first error is none."""
    traces = [labeled.trace for part in judge.values() for _, labeled in part.pairs]
    found: dict[str, dict[str, list[StepScores]]] = {}
    for name, scores in baseline_scores(taught, traces).items():
        sure = [replace(each, values=(1.0,) * len(each)) for each in scores]
        rest = iter(sure if name == ALWAYS_RIGHT else scores)
        found[name] = {domain: [next(rest) for _ in part.pairs] for domain, part in judge.items()}
    return found
