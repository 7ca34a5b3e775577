"""The page of a cross-domain matrix: heat map, tables by measure, what was asked, and what each column stands on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stepward.evaluation.pricing import Rates
from stepward.evaluation.transfer import Average, Cell, Gain, Over, Row, TransferMatrix
from stepward.evaluation.transfer_figures import MEASURES
from stepward.pipeline.contenders import Lineup, Routed
from stepward.pipeline.costs import beside_cost, cost_note
from stepward.pipeline.findings import estimate
from stepward.reports import model as page

TITLES: Mapping[str, str] = {
    "auroc": "AUROC of steps",
    "within": "Order within a solution",
    "first_error": "First error found",
    "average_precision": "Average precision of wrong steps",
    "ece": "Calibration error",
}
LEAST_P = 0.0001
HEADLINE: tuple[tuple[str, Over], ...] = (
    ("auroc", "human"),
    ("auroc", "taught"),
    ("within", "human"),
    ("first_error", "human"),
)
NOTES: Mapping[str, str] = {
    "auroc": "All labelled steps of a domain together; 0.5 is chance.",
    "within": "Share of pairs of a right and a wrong step of one solution that the scores put in order; 0.5 is chance. "
    "Where labels end at the first error, the wrong step is the last one: a score that only falls along a solution has "
    "1 here, so compare with position.",
    "first_error": "Share of traces whose likeliest first error, or none, is the labelled one.",
    "average_precision": "Chance is the share of wrong steps, which differs by domain.",
    "ece": "ECE of equal mass, 15 bins, after calibration on problems of the domains that taught.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainReading:
    """What reading a domain took."""

    tokens: int
    """Of all passes, what windows read twice included."""
    computed: int
    """Of them in this run; the rest lay in the folder of features."""
    windowed: int
    """Traces that were read in parts."""
    flops_a_token: float
    seconds: float
    """For what was computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainStory:
    """What a column stands on."""

    name: str
    problems: Mapping[str, int]
    """By side."""
    traces: Mapping[str, int]
    reading: DomainReading
    left_out: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class TransferPage:
    """What the page is made of."""

    matrix: TransferMatrix
    stories: Sequence[DomainStory]
    lineup: Lineup
    notes: Sequence[str]
    """What else is to be known, such as heads without calibration."""
    rates: Rates

    def report(self, title: str, made: page.Provenance) -> page.Report:
        """The whole page."""
        blocks: list[page.Block] = [heat_map(self.matrix)]
        blocks += [self._costed(measure_table(self.matrix, name)) for name in MEASURES]
        asked = (questions_table(self.matrix), gains_table(self.matrix), adjusted_table(self.matrix))
        undefined = undefined_table(self.matrix)
        router = router_table(self.lineup.routed)
        sections = [
            page.Section(title="The matrix", blocks=tuple(blocks)),
            page.Section(title="What was asked", blocks=asked),
            page.Section(
                title="The routers", blocks=(router,) if router.rows else (), note=" ".join(self.lineup.no_router)
            ),
            page.Section(
                title="The domains",
                blocks=(domain_table(self.matrix, self.stories), *((undefined,) if undefined.rows else ())),
                note=" ".join(self.notes),
            ),
        ]
        costs = [row.cost for row in self.matrix.rows]
        head = self._costed(headline_table(self.matrix))
        return page.Report(
            title=title,
            headline=page.Table(
                title=head.title,
                columns=head.columns,
                rows=head.rows,
                note=f"{head.note} {cost_note(costs, self.rates)}",
            ),
            summary=summary(self.matrix),
            sections=tuple(each for each in sections if each.blocks or each.note),
            cost=(reading_table(self.stories),),
            provenance=made,
        )

    def _costed(self, table: page.Table) -> page.Table:
        """Costs behind each row, which begins with a scorer's name."""
        costs = {row.name: row.cost for row in self.matrix.rows}
        return beside_cost(table, [costs[str(row[0])] for row in table.rows], self.rates)


def headline(matrix: TransferMatrix) -> str:
    """One line for the terminal and the run's log."""
    told = [
        f"{row.name} {found.value}" for row in matrix.rows if (found := _mean(matrix, row, "human")).value and _led(row)
    ]
    domains = sum(each.human for each in matrix.domains)
    return f"mean AUROC over {domains} domains: " + ", ".join(told)


def summary(matrix: TransferMatrix) -> tuple[str, ...]:
    """An answer to each question, in a sentence."""
    found = []
    for gain in matrix.gains:
        if gain.domain or gain.value is None:
            continue
        low, high = gain.value.low, gain.value.high
        answer = "Yes" if low > 0 else "No, it loses" if high < 0 else "It cannot be told"
        found.append(
            f"{gain.question} {answer}: {gain.value} of AUROC "
            f"({gain.first}, less {gain.second}; mean of {gain.domains} domains)."
        )
    return tuple(found)


def heat_map(matrix: TransferMatrix) -> page.HeatMap:
    """AUROC, scorers by domains; the frame marks what a domain taught itself."""
    columns = [each.name for each in matrix.domains]
    rows = matrix.rows
    values = tuple(tuple(_value(matrix.cell(row.name, name)) for name in columns) for row in rows)
    framed = [(at, columns.index(row.teacher)) for at, row in enumerate(rows) if row.teacher in columns]
    parted = [at for at in range(1, len(rows)) if _group(rows[at]) != _group(rows[at - 1])]
    return page.HeatMap(
        title="Taught where, judged where",
        x_label="judged on",
        y_label="scorer",
        row_names=tuple(row.name for row in rows),
        column_names=tuple(_column(matrix, name) for name in columns),
        values=values,
        outlined=tuple(framed),
        parted=tuple(parted),
        note="0.5 is chance. Framed: the expert of the domain. *: labels that no person gave or checked, left out of "
        "the single model, the router and the means.",
    )


def measure_table(matrix: TransferMatrix, measure: str) -> page.Table:
    """One measure, scorers by domains, with intervals."""
    names = [each.name for each in matrix.domains]
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (row.name, *(_cell(matrix.cell(row.name, name), measure) for name in names)) for row in matrix.rows
    )
    note = f"{NOTES[measure]} Intervals: 95%, bootstrap over problems, seed {matrix.seed}, {matrix.draws} draws."
    columns = ("scorer", *(_column(matrix, name) for name in names))
    return page.Table(title=TITLES[measure], columns=columns, rows=rows, note=note)


def headline_table(matrix: TransferMatrix) -> page.Table:
    """Means over domains of every row that is no expert."""
    human = [each for each in matrix.domains if each.human]
    taught = [each for each in human if each.teaches]
    rows: list[tuple[page.Cell, ...]] = []
    for row in matrix.rows:
        if row.role == "expert":
            continue
        means = [matrix.average(row.name, measure, over).value for measure, over in HEADLINE]
        rows.append((row.name, *(None if found is None else estimate(found) for found in means)))
    columns = (
        "scorer",
        f"AUROC, {len(human)} domains",
        f"AUROC, {len(taught)} that teach",
        f"order within, {len(human)} domains",
        f"first error, {len(human)} domains",
    )
    note = (
        "Unweighted means over domains with labels by people; a dash: undefined on one of them. Intervals: 95%, "
        f"bootstrap over problems, seed {matrix.seed}."
    )
    return page.Table(title="Means over domains", columns=columns, rows=tuple(rows), note=note)


def questions_table(matrix: TransferMatrix) -> page.Table:
    """What was asked, the mean gain, and on how many domains it is sure."""
    rows: list[tuple[page.Cell, ...]] = []
    for mean in (gain for gain in matrix.gains if not gain.domain):
        own = [gain for gain in matrix.gains if gain.domain and gain.question == mean.question and gain.value]
        up = sum(gain.sure and gain.value is not None and gain.value.value > 0 for gain in own)
        down = sum(gain.sure and gain.value is not None and gain.value.value < 0 for gain in own)
        gained = None if mean.value is None else estimate(mean.value)
        rows.append((mean.question, f"{mean.first} - {mean.second}", gained, _p(mean.p), len(own), up, down))
    columns = ("question", "AUROC", "mean gain", "p", "domains", "sure better", "sure worse")
    note = (
        "Paired over problems, on so many domains; the mean is over those with labels by people. Sure: Holm's p over "
        f"the domains of the question is below 0.05. A p of {LEAST_P} is that or less."
    )
    return page.Table(title="Questions", columns=columns, rows=tuple(rows), note=note)


def gains_table(matrix: TransferMatrix) -> page.Table:
    """Gains by domain, one column a question."""
    return _by_domain(matrix, "Gains by domain", lambda gain: None if gain.value is None else estimate(gain.value))


def adjusted_table(matrix: TransferMatrix) -> page.Table:
    """Holm's p over the domains of each question, one column a question."""
    return _by_domain(matrix, "Adjusted p by domain", lambda gain: _p(gain.adjusted))


def undefined_table(matrix: TransferMatrix) -> page.Table:
    """Every reason for an empty cell, and where it holds."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for cell in matrix.cells:
        for measure, why in cell.undefined.items():
            found.setdefault((cell.scorer, str(why), measure), []).append(cell.domain)
    joined: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for (scorer, why, measure), domains in found.items():
        joined.setdefault((scorer, why, tuple(domains)), []).append(TITLES[measure])
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (scorer, ", ".join(domains), "all" if len(measures) == len(MEASURES) else ", ".join(measures), why)
        for (scorer, why, domains), measures in joined.items()
    )
    return page.Table(title="Undefined", columns=("scorer", "on", "measure", "why"), rows=rows)


def router_table(routed: Sequence[Routed]) -> page.Table:
    """Where the traces of each domain were sent."""
    rows: list[tuple[page.Cell, ...]] = []
    for each in routed:
        others = sorted(((n, to) for to, n in each.to.items() if to not in ("", each.domain)), reverse=True)
        told = ", ".join(f"{to} {n}" for n, to in others[:3])
        own, unsure = each.to.get(each.domain, 0), each.to.get("", 0)
        rows.append((each.router, each.domain, each.traces, own, unsure, told or None))
    columns = ("router", "domain", "traces", "to its own expert", "unsure: single model", "most often elsewhere")
    return page.Table(title="Where traces were sent", columns=columns, rows=tuple(rows))


def domain_table(matrix: TransferMatrix, stories: Sequence[DomainStory]) -> page.Table:
    """What each column stands on."""
    facts = {each.name: each for each in matrix.domains}
    rows: list[tuple[page.Cell, ...]] = []
    for story in stories:
        one = facts[story.name]
        wrong = page.Estimate(value=one.wrong / one.steps, digits=3) if one.steps else None
        left = ", ".join(f"{count} {reason}" for reason, count in story.left_out.items())
        sides = [
            f"{story.problems.get(side, 0)} / {story.traces.get(side, 0)}" for side in ("teach", "calibrate", "judge")
        ]
        labels = "people" if one.human else "no person *"
        rows.append((one.name, labels, *sides, one.steps, wrong, story.reading.windowed, left or None))
    columns = (
        "domain",
        "labels",
        "teach",
        "calibrate",
        "judge",
        "judged steps",
        "of them wrong",
        "read in parts",
        "traces left out",
    )
    note = "Sides: problems / traces. No problem text is on two sides, in whatever domains it stands."
    return page.Table(title="Domains", columns=columns, rows=tuple(rows), note=note)


def reading_table(stories: Sequence[DomainStory]) -> page.Table:
    """What it took to read the features, which is all that heads, experts and routers cost beyond seconds."""
    rows: list[tuple[page.Cell, ...]] = []
    for story in stories:
        one = story.reading
        flops = page.Estimate(value=one.flops_a_token * one.computed / 1e12, digits=1)
        rows.append((story.name, one.tokens, one.computed, flops, page.Estimate(value=one.seconds, digits=1)))
    columns = ("domain", "tokens", "computed in this run", "TFLOP", "seconds")
    note = (
        "All sides together. What was not computed lay in the folder of features. TFLOP: an upper bound, because a "
        "beginning that traces share is computed once."
    )
    return page.Table(title="Reading", columns=columns, rows=tuple(rows), note=note)


def _by_domain(matrix: TransferMatrix, title: str, read: Callable[[Gain], page.Cell]) -> page.Table:
    """A row a domain and one for the mean, a column a question."""
    questions = list(dict.fromkeys(gain.question for gain in matrix.gains))
    found = {(gain.question, gain.domain): gain for gain in matrix.gains}
    names = [*(each.name for each in matrix.domains), ""]
    rows: tuple[tuple[page.Cell, ...], ...] = tuple(
        (name or "mean", *(read(found[question, name]) for question in questions)) for name in names
    )
    pairs = [found[question, ""] for question in questions]
    columns = ("domain", *(f"{each.first} - {each.second}" for each in pairs))
    reasons = list(dict.fromkeys(gain.why for gain in matrix.gains if gain.why))
    note = f"A dash: {'; '.join(reasons)}." if reasons else ""
    return page.Table(title=title, columns=columns, rows=rows, note=note)


def _mean(matrix: TransferMatrix, row: Row, over: Over) -> Average:
    return matrix.average(row.name, "auroc", over)


def _led(row: Row) -> bool:
    return row.role in ("single", "left_out", "router")


def _group(row: Row) -> str:
    return row.role if row.role in ("expert", "baseline", "further") else "model"


def _column(matrix: TransferMatrix, name: str) -> str:
    return name if next(each for each in matrix.domains if each.name == name).human else f"{name} *"


def _value(cell: Cell) -> float | None:
    return None if cell.auroc is None else cell.auroc.value


def _cell(cell: Cell, measure: str) -> page.Cell:
    found = cell.read(measure)
    return None if found is None else estimate(found)


def _p(value: float | None) -> page.Cell:
    """As a cell; no smaller than what is shown."""
    return None if value is None else page.Estimate(value=max(value, LEAST_P), digits=4)
