"""What an evaluation's page shows beyond its headline: groups, calls, comparisons, calibration before and after."""

from dataclasses import replace
from functools import cache

import numpy as np

from stepward.evaluation.evaluate import evaluate
from stepward.evaluation.evaluated import Evaluated
from stepward.evaluation.material import Entrant, Material
from stepward.pipeline.evaluation_tables import (
    calibration_groups_table,
    changes_table,
    confusion_crosstab,
    decisions_table,
    differences_table,
    gains_table,
    group_diagrams,
    group_tables,
    views_table,
)
from stepward.reports.model import Estimate, Table
from stepward.reports.tables import csv_text
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, StepLabel, StepScores


@cache
def record() -> Evaluated:
    """Sixteen problems of two domains by two policies; before calibration every score was too high."""
    rng = np.random.default_rng(0)
    problems, labels, raw, mapped = {}, {}, {}, {}
    for at in range(16):
        name = f"p{at}"
        problems[name] = Problem(id=name, text=name, domain="<b>odd" if at % 2 else "")
        for maker in ("policy:a", "unknown"):
            good = rng.random(4) < 0.6
            trace = from_steps(name, [f"{maker} {at} {k}" for k in range(4)], "\n", origin=Origin(maker=maker))
            made = (StepLabel(target="prefix", value=float(g), source="human") for g in good)
            key = f"{name}/{maker}"
            labels[key] = LabeledTrace(trace=trace, labels=tuple(made))
            sure = np.clip(0.2 + 0.6 * good + rng.normal(0, 0.15, 4), 0.02, 0.98)
            mapped[key] = StepScores(values=tuple(sure.tolist()))
            raw[key] = StepScores(values=tuple((0.5 + sure / 2).tolist()))
    entrants = {
        "prm": Entrant(role="scorer", scores=mapped, before=raw),
        "raw": Entrant(role="stored", scores=raw),
    }
    return evaluate(Material(name="x", problems=problems, labels=labels, entrants=entrants)).record


def column(table: Table, name: str) -> list[object]:
    return [row[table.columns.index(name)] for row in table.rows]


def test_groups_are_named_and_an_axis_of_one_group_has_no_table() -> None:
    tables = {table.title: table for table in group_tables(record().scorers)}
    assert list(tables) == ["By step position", "By policy", "By domain"], "every trace has four steps"
    assert column(tables["By domain"], "group") == ["none given", "<b>odd", "mean of 2"] * 2
    assert column(tables["By policy"], "group")[:2] == ["policy:a", "not recorded"]
    assert column(tables["By policy"], "scorer") == ["prm"] * 3 + ["raw"] * 3
    assert "by Holm over the" in tables["By domain"].note
    alone = group_tables(record().scorers[:1])
    assert all("scorer" not in table.columns for table in alone)


def test_small_groups_stand_with_their_reason_in_the_note() -> None:
    first = record().scorers[0]
    few = replace(first.groups[-1], name="rare", reason="fewer than 20 steps", auroc=None, ece=None, accuracy=None)
    table = group_tables([replace(first, groups=(*first.groups, few))])[-1]
    assert "Fewer than 20 steps: rare." in table.note and "mean of 2" in column(table, "group")


def test_calibration_is_shown_before_and_after_by_group() -> None:
    table = changes_table(record().scorers)
    assert table is not None
    assert column(table, "group") == [
        *("all steps", "policy: policy:a", "policy: not recorded", "domain: none given", "domain: <b>odd")
    ]
    before, after = column(table, "ECE before"), column(table, "ECE after")
    for a, b in zip(before, after, strict=True):
        assert isinstance(a, Estimate) and isinstance(b, Estimate) and a.value > b.value
    diagrams = group_diagrams(record().scorers[0])
    assert [d.title.rpartition("? ")[2] for d in diagrams] == [
        *("Policy policy:a", "Policy not recorded", "Domain none given", "Domain <b>odd")
    ]
    assert all(d.before and d.after and d.ece[0] > d.ece[1] for d in diagrams if d.ece[0] and d.ece[1])
    alone = group_diagrams(record().scorers[1])
    assert alone and all(d.before and not d.after and d.ece[1] is None for d in alone)
    assert changes_table(record().scorers[1:]) is None
    groups = calibration_groups_table(record().scorers)
    assert groups is not None and column(groups, "group")[0] == "all steps"
    assert column(groups, "group").count("domain: mean of 2") == 2


def test_calls_are_counted_and_compared_with_the_labels() -> None:
    table = decisions_table(record().scorers, 0.5)
    assert column(table, "on") == ["steps", "first error", "share before it"] * 2
    crosstab = confusion_crosstab(record().scorers[0], 0.5)
    assert crosstab is not None and sum(cell.count for row in crosstab.cells for cell in row) == 128
    assert crosstab.cells[0][0].count > 60
    assert confusion_crosstab(replace(record().scorers[0], decisions=None), 0.5) is None


def test_comparisons_say_how_many_there_were_and_what_holds() -> None:
    table = gains_table(record())
    assert table is not None and table.rows[0][:2] == ("prm", "raw")
    assert table.rows[0][-1] == "no" and "number of comparisons in this table, 1" in table.note
    assert differences_table(record()) is None, "no verdicts: nothing was chosen"
    views = views_table(record().scorers)
    assert column(views, "view")[:3] == ["pooled", "per solution", "up to first error"]
    assert (
        csv_text(table).splitlines()[0] == "this,less that,difference,difference low,difference high,p,p (Holm),differs"
    )
