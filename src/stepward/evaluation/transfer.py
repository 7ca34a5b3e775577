"""The cross-domain matrix: what taught where judges how well elsewhere, with intervals.

Rows are scorers, columns are domains. An *expert* was taught by one domain; *single* by all of them; *left out* by all
but the domain that it judges, which is what a domain without labels would get; a *router* sends each problem to an
expert; *own* is the expert of the true domain, a router that never errs. *Baselines* know a step's place and length
alone. A cell that cannot be measured holds the reason.

Comparisons are paired over problems, by domain and for the mean over domains. Of one question there are as many tests
as domains, so their p-values are Holm's; the test of the mean is one, and stays as it is.

Means over domains weigh each domain alike, over two sets: the domains whose labels are people's, and those of them that
teach. A scorer that lacks a domain of a set has no mean over it: means over different domains do not compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stepward.errors import ConfigError, LabelError
from stepward.evaluation.pricing import UnitCost
from stepward.evaluation.steps import Judged
from stepward.evaluation.transfer_figures import AVERAGED, CellDraws, Drawn, JudgedRows, cell_draws, mean_drawn
from stepward.metrics.bootstrap import Interval
from stepward.metrics.comparisons import holm
from stepward.types import Json, LabeledTrace, StepScores

Role = Literal["single", "left_out", "router", "own", "expert", "baseline", "further"]
Over = Literal["human", "taught"]
GAINED = "auroc"
"""What comparisons are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedDomain:
    """What one column is judged on."""

    name: str
    labeled: tuple[LabeledTrace, ...]
    problems: tuple[str, ...]
    """One a trace: equal for traces of one problem, which is what intervals resample."""
    human: bool = True
    """Labels by people, or checked by them."""
    teaches: bool = True
    """Other traces of this domain taught."""

    def __post_init__(self) -> None:
        if len(self.problems) != len(self.labeled):
            raise LabelError(f"domain {self.name!r} needs a problem for each trace", got=len(self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One row: a scorer, and what it said of each domain's traces."""

    name: str
    role: Role
    scores: Mapping[str, Sequence[StepScores | None]]
    """By domain, one record a trace in its order; None where this trace was not scored."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """By domain, why it has no scores there."""
    teacher: str = ""
    """The domain that taught an expert."""
    cost: UnitCost = UnitCost()
    """Of one trace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whether the first scorer is better than the second."""

    name: str
    first: str
    second: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainFacts:
    """What a column stands on."""

    name: str
    human: bool
    teaches: bool
    problems: int
    traces: int
    steps: int
    """With a label."""
    wrong: int
    """Of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A scorer without its numbers."""

    name: str
    role: Role
    teacher: str = ""
    cost: UnitCost = UnitCost()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One scorer on one domain; a measure that is None has its reason in `undefined`."""

    scorer: str
    domain: str
    traces: int
    """That it scored."""
    auroc: Interval | None = None
    within: Interval | None = None
    first_error: Interval | None = None
    average_precision: Interval | None = None
    ece: Interval | None = None
    undefined: Mapping[str, Json] = field(default_factory=dict)

    def read(self, measure: str) -> Interval | None:
        """The measure of this name."""
        found: Interval | None = getattr(self, measure)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Average:
    """The unweighted mean of a measure over `domains`."""

    scorer: str
    over: Over
    measure: str
    domains: tuple[str, ...]
    value: Interval | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """AUROC of `first` less that of `second` on a domain, paired over problems."""

    question: str
    first: str
    second: str
    domain: str
    """Empty for the mean over the domains where both are measured."""
    value: Interval | None = None
    p: float | None = None
    adjusted: float | None = None
    """Holm's, over the domains of the question; of the mean None, as it is one test."""
    domains: int = 1
    why: str = ""

    @property
    def sure(self) -> bool:
        """Whether the adjusted p, or that of the mean, is below 5 %."""
        p = self.p if self.adjusted is None else self.adjusted
        return p is not None and p < 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferMatrix:
    """Everything that was measured."""

    domains: tuple[DomainFacts, ...]
    rows: tuple[Row, ...]
    cells: tuple[Cell, ...]
    """Row by row, in the order of `domains`."""
    averages: tuple[Average, ...]
    gains: tuple[Gain, ...]
    seed: int
    draws: int

    def cell(self, scorer: str, domain: str) -> Cell:
        """The cell of a scorer and a domain that are there."""
        return next(cell for cell in self.cells if (cell.scorer, cell.domain) == (scorer, domain))

    def average(self, scorer: str, measure: str, over: Over) -> Average:
        """The mean of a measure of `AVERAGED`."""
        wanted = (scorer, measure, over)
        return next(each for each in self.averages if (each.scorer, each.measure, each.over) == wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """How intervals are made."""

    seed: int
    draws: int = 2000

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise ConfigError("a matrix needs at least one bootstrap draw", got=self.draws)


def transfer_matrix(
    domains: Sequence[JudgedDomain], contenders: Sequence[Contender], questions: Sequence[Question], how: Draws
) -> TransferMatrix:
    """Every cell, mean and comparison.

    `LabelError` for fewer than two domains, names that are used twice, scores that do not fit the traces, and domains
    that a contender neither scored nor gave a reason for; `ConfigError` for a question about nobody.
    """
    _check(domains, contenders, questions)
    drawn = {(one.name, domain.name): _draw(domain, one, how) for one in contenders for domain in domains}
    return TransferMatrix(
        domains=tuple(map(_facts, domains)),
        rows=tuple(Row(name=one.name, role=one.role, teacher=one.teacher, cost=one.cost) for one in contenders),
        cells=tuple(_cell(one, domain, drawn[one.name, domain.name]) for one in contenders for domain in domains),
        averages=tuple(_averages(domains, contenders, drawn)),
        gains=tuple(gain for question in questions for gain in _gains(question, domains, contenders, drawn)),
        seed=how.seed,
        draws=how.draws,
    )


Cells = Mapping[tuple[str, str], CellDraws]


def _check(domains: Sequence[JudgedDomain], contenders: Sequence[Contender], questions: Sequence[Question]) -> None:
    names, scorers = [each.name for each in domains], [each.name for each in contenders]
    if len(domains) < 2:
        raise LabelError("a cross-domain matrix needs at least two domains", got=names, mend="name another data set")
    for kind, given in (("domain", names), ("scorer", scorers)):
        if len(set(given)) < len(given):
            raise LabelError(f"every {kind} needs a name of its own", got=given)
    for one in contenders:
        for domain in domains:
            found = one.scores.get(domain.name)
            if found is None and domain.name not in one.missing:
                raise LabelError(f"{one.name!r} has neither scores of {domain.name!r} nor a reason")
            if found is not None and len(found) != len(domain.labeled):
                raise LabelError(
                    f"{one.name!r} needs a score or None for each trace of {domain.name!r}", got=len(found)
                )
    unknown = {name for each in questions for name in (each.first, each.second)} - set(scorers)
    if unknown:
        raise ConfigError("a question names scorers that are not there", got=sorted(unknown))


def _scored(one: Contender, domain: JudgedDomain) -> list[int]:
    """Places of the traces that `one` scored."""
    return [index for index, scores in enumerate(one.scores.get(domain.name, ())) if scores is not None]


def _draw(domain: JudgedDomain, one: Contender, how: Draws) -> CellDraws:
    found = one.scores.get(domain.name)
    if found is None:
        return CellDraws(
            undefined=dict.fromkeys(
                ("auroc", "within", "first_error", "average_precision", "ece"), one.missing[domain.name]
            )
        )
    kept = [(index, scores) for index, scores in enumerate(found) if scores is not None]
    rows = JudgedRows(
        judged=[Judged(labeled=domain.labeled[index], scores=scores) for index, scores in kept],
        problems=[domain.problems[index] for index, _ in kept],
    )
    return cell_draws(rows, domain.name, draws=how.draws, seed=how.seed)


def _facts(domain: JudgedDomain) -> DomainFacts:
    good = [label.good for labeled in domain.labeled for label in labeled.labels if label is not None]
    return DomainFacts(
        name=domain.name,
        human=domain.human,
        teaches=domain.teaches,
        problems=len(set(domain.problems)),
        traces=len(domain.labeled),
        steps=len(good),
        wrong=good.count(False),
    )


def _cell(one: Contender, domain: JudgedDomain, drawn: CellDraws) -> Cell:
    found = {name: each.bounded() for name, each in drawn.drawn.items()}
    return Cell(
        scorer=one.name,
        domain=domain.name,
        traces=len(_scored(one, domain)),
        ece=drawn.ece,
        undefined=dict(drawn.undefined),
        **found,
    )


def _averages(domains: Sequence[JudgedDomain], contenders: Sequence[Contender], drawn: Cells) -> list[Average]:
    sets: dict[Over, list[str]] = {
        "human": [domain.name for domain in domains if domain.human],
        "taught": [domain.name for domain in domains if domain.human and domain.teaches],
    }
    return [
        _average(one.name, over, measure, names, drawn)
        for one in contenders
        for over, names in sets.items()
        for measure in AVERAGED
    ]


def _average(scorer: str, over: Over, measure: str, names: Sequence[str], drawn: Cells) -> Average:
    there = Average(scorer=scorer, over=over, measure=measure, domains=tuple(names))
    lacking = [name for name in names if measure not in drawn[scorer, name].drawn]
    if lacking or not names:
        why = f"undefined on {', '.join(lacking)}" if names else "no such domain"
        return Average(scorer=scorer, over=over, measure=measure, domains=there.domains, why=why)
    found = mean_drawn([drawn[scorer, name].drawn[measure] for name in names])
    return Average(scorer=scorer, over=over, measure=measure, domains=there.domains, value=found.bounded())


def _gains(
    question: Question, domains: Sequence[JudgedDomain], contenders: Sequence[Contender], drawn: Cells
) -> list[Gain]:
    """By domain, Holm over them; then the mean over the domains of people's labels."""
    by_name = {one.name: one for one in contenders}
    first, second = by_name[question.first], by_name[question.second]
    parts: dict[str, Drawn] = {}
    why: dict[str, str] = {}
    for domain in domains:
        found = _difference(domain, first, second, drawn)
        if isinstance(found, str):
            why[domain.name] = found
        else:
            parts[domain.name] = found
    ps = {name: p for name, part in parts.items() if (p := part.p()) is not None}
    adjusted = dict(zip(ps, holm(list(ps.values())), strict=True)) if ps else {}
    gains = [
        _gain(question, domain.name, parts.get(domain.name), adjusted.get(domain.name), why.get(domain.name, ""))
        for domain in domains
    ]
    people = [parts[domain.name] for domain in domains if domain.human and domain.name in parts]
    return [*gains, _mean_gain(question, people)]


def _difference(domain: JudgedDomain, first: Contender, second: Contender, drawn: Cells) -> Drawn | str:
    """The paired difference, or why there is none."""
    pair = [drawn[one.name, domain.name] for one in (first, second)]
    reasons = [str(each.undefined[GAINED]) for each in pair if GAINED in each.undefined]
    if reasons:
        return reasons[0]
    if _scored(first, domain) != _scored(second, domain):
        return "they scored different traces"
    if list(first.scores[domain.name]) == list(second.scores[domain.name]):
        return "both say the same here"
    return pair[0].drawn[GAINED].less(pair[1].drawn[GAINED])


def _gain(question: Question, domain: str, part: Drawn | None, adjusted: float | None, why: str) -> Gain:
    return Gain(
        question=question.name,
        first=question.first,
        second=question.second,
        domain=domain,
        value=None if part is None else part.free(),
        p=None if part is None else part.p(),
        adjusted=adjusted,
        why=why,
    )


def _mean_gain(question: Question, parts: Sequence[Drawn]) -> Gain:
    found = mean_drawn(parts) if parts else None
    gain = _gain(question, "", found, None, "" if parts else "no domain where both are measured")
    return Gain(
        question=gain.question,
        first=gain.first,
        second=gain.second,
        domain="",
        value=gain.value,
        p=gain.p,
        domains=len(parts),
        why=gain.why,
    )
