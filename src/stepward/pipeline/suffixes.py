"""Runs a searched attack inside a stage, and the tables of what it found.

RUN/STAGE/universal-NAME.jsonl    the suffix of the fitting side
RUN/STAGE/suffixes-NAME.jsonl     each judged solution under every kind of suffix

One record a search: a stopped run goes on behind the last one that is finished.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stepward.evaluation.robustness.contract import Attempt, Inapplicable
from stepward.evaluation.robustness.figures import TOLERANCE
from stepward.evaluation.robustness.suffix.asking import Ask
from stepward.evaluation.robustness.suffix.attack import Attacked, Campaign, Kind, SuffixAttack, Universal
from stepward.evaluation.robustness.suffix.figures import (
    AttackOutcome,
    KindFigures,
    SuffixReport,
    suffix_report,
)
from stepward.evaluation.robustness.suffix.victims import Victim, sides
from stepward.pipeline.costs import without_empty
from stepward.pipeline.habit_tables import INTERVALS
from stepward.pipeline.robustness import estimate
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.reports import model as page
from stepward.reports.tables import cell_text
from stepward.types import Spend

NO_VICTIMS = Inapplicable(reason="fewer than two problems have a wrong solution that was scored")
KEY = "universal"
SHOWN = 160
"""Characters of a suffix in a table."""
MEANINGS: Mapping[Kind, str] = {
    "inert": "inert: its own last words again",
    "blind": "blind: drawn words",
    "universal": "universal: found on other problems",
    "searched": "searched on this solution",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class AttackRun:
    """One attack of a stage."""

    shop: Workshop
    name: str
    attack: SuffixAttack
    ask: Ask

    def run(self, attempts: Mapping[str, Attempt], values: Mapping[str, float]) -> SuffixReport | Inapplicable:
        """Search what is not searched yet, and judge. `values` are the attempts' numbers, absent where refused."""
        found = sides(attempts, values, self.attack.draft)
        if not (found.fit and found.judged):
            return NO_VICTIMS
        campaign = Campaign(attack=self.attack, ask=self.ask, sides=found)
        universal = self._universal(campaign)
        what = f"suffixes-{self.name}"

        def attack(part: Sequence[tuple[str, Victim]]) -> list[tuple[str, Attacked, Spend]]:
            made = [(key, campaign.attacked(victim, universal)) for key, victim in part]
            return [(key, one, one.spend) for key, one in made]

        victims = {victim.key: victim for victim in found.judged}
        self.shop.work(victims, Chunks(what=what, size=1, unit="solutions attacked"), attack)
        attacked = self.shop.load(what, Attacked, self.shop.stage)
        outcome = AttackOutcome(
            attack=self.attack, sides=found, universal=universal, attacked=tuple(attacked[key] for key in victims)
        )
        return suffix_report(self.name, outcome, seed=self.shop.seed)

    def _universal(self, campaign: Campaign) -> Universal:
        what = f"universal-{self.name}"

        def search(part: Sequence[tuple[str, Campaign]]) -> list[tuple[str, Universal, Spend]]:
            made = [(key, each.universal()) for key, each in part]
            return [(key, one, one.spend) for key, one in made]

        self.shop.work({KEY: campaign}, Chunks(what=what, size=1, unit="searches"), search)
        return self.shop.load(what, Universal, self.shop.stage)[KEY]


def attack_blocks(found: SuffixReport) -> tuple[page.Block, ...]:
    """Tables and the figure of one attack."""
    blocks: tuple[page.Block, ...] = (_kinds(found), _contrasts(found), *_course(found), _most(found))
    return tuple(block for block in blocks if not isinstance(block, page.Table) or block.rows)


def attack_line(found: SuffixReport) -> str:
    """The attack in one sentence."""
    by = {each.kind: each for each in found.kinds}
    told = ", ".join(
        f"{kind} {cell_text(estimate(by[kind].gain))}" for kind in ("blind", "universal", "searched") if by[kind].traces
    )
    return f"Suffixes of {found.length} words ({found.name}) move wrong solutions' {found.how} by: {told or 'nothing'}."


def _kinds(found: SuffixReport) -> page.Table:
    limit = "threshold" if found.threshold is None else f"{found.threshold:g}"
    columns = (
        "suffix",
        "solutions",
        "gain",
        f"lifted by over {TOLERANCE}",
        f"passes {limit}",
        "below it",
        "beats the right",
        "behind it",
    )
    rows: list[tuple[page.Cell, ...]] = [
        (
            MEANINGS[each.kind],
            each.traces,
            estimate(each.gain),
            estimate(each.lifted),
            estimate(each.passes),
            each.below or None,
            estimate(each.beats),
            each.behind or None,
            each.refused or None,
            round(each.calls, 1),
        )
        for each in found.kinds
        if each.traces or each.refused
    ]
    table = page.Table(
        title=f"Suffixes of {found.length} words {_WHERE[found.place]}: {found.how} ({found.name})",
        columns=(*columns, "refused", "calls"),
        rows=tuple(rows),
        note=_told(found),
    )
    return without_empty(table)


def _told(found: SuffixReport) -> str:
    parts = [
        "Gain: mean of new less old number. Passes: of solutions below the threshold. Beats: of those behind the best "
        "right solution of their problem. Calls: of the scorer, for one solution, after the words were tried alone. "
        + INTERVALS,
        f"Stock of {found.words} words, {found.refused_words} more refused by the scorer.",
    ]
    if found.threshold is not None and not any(each.below for each in found.kinds):
        parts.append(f"No solution stands below {found.threshold:g} as it is.")
    if found.universal:
        parts.append(
            f"Universal suffix: {_short(found.universal)}; {found.universal_calls:,} calls on {found.fit} solutions, "
            f"lifted by {_number(found.fitted)} on average; judged on {found.judged} solutions of other problems."
        )
    parts.append(f"In all {found.calls:,} calls, {found.spend.scorer_tokens:,} tokens scored.")
    return " ".join(parts)


def _contrasts(found: SuffixReport) -> page.Table:
    rows: list[tuple[page.Cell, ...]] = [
        (f"{each.first} less {each.second}", estimate(each.gain))
        for each in found.contrasts
        if not math.isnan(each.gain.value)
    ]
    note = f"Paired over the same solutions. {INTERVALS}"
    return page.Table(
        title=f"What searching adds ({found.name})", columns=("gain", "difference"), rows=tuple(rows), note=note
    )


def _course(found: SuffixReport) -> list[page.Figure]:
    """Gain against calls, beside what costs the solution no search."""
    if len(found.course) < 2:
        return []
    xs = tuple(float(point.calls) for point in found.course)
    searched = page.Curve(
        name="searched",
        xs=xs,
        ys=tuple(point.gain.value for point in found.course),
        lows=tuple(point.gain.low for point in found.course),
        highs=tuple(point.gain.high for point in found.course),
    )
    flat = [_flat(each, xs) for each in found.kinds if each.kind != "searched" and each.traces]
    return [
        page.Figure(
            title=f"Gain against calls ({found.name})",
            x_label="calls of the scorer a solution",
            y_label=f"gain in {found.how}",
            curves=(searched, *flat),
            log_x=True,
            note=f"The best suffix found so far, mean over {found.judged} solutions. Band: 95% over problems. "
            "The others cost a solution one call.",
        )
    ]


def _flat(each: KindFigures, xs: Sequence[float]) -> page.Curve:
    style: page.LineStyle = "dashed" if each.kind == "universal" else "reference"
    return page.Curve(name=each.kind, xs=tuple(xs), ys=(each.gain.value,) * len(xs), style=style)


def _most(found: SuffixReport) -> page.Table:
    rows: list[tuple[page.Cell, ...]] = [
        (
            lift.problem_id,
            page.Estimate(value=lift.before),
            page.Estimate(value=lift.after),
            None if lift.bar is None else page.Estimate(value=lift.bar),
            _short(lift.text),
        )
        for lift in found.most
    ]
    columns = ("problem", "before", "after", "best right one", "suffix")
    return page.Table(title=f"Lifted most ({found.name})", columns=columns, rows=tuple(rows))


def _number(value: float) -> str:
    return cell_text(page.Estimate(value=value))


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}... ({len(text)} characters)"


_WHERE = {"end": "behind the last step", "every": "behind every step", "step": "as a last step"}
