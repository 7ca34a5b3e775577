"""Scorers of different runs compared in pairs: from the rows that an evaluation leaves behind."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from stored_scores import material

from stepward.errors import DataError
from stepward.evaluation.evaluate import evaluate
from stepward.evaluation.judged_rows import ROWS, read_rows, rows_text, steps_of
from stepward.evaluation.leaderboard import Entry
from stepward.evaluation.material import Material
from stepward.evaluation.paired import compare_pairs
from stepward.evaluation.steps import auroc_gain


def entries(folder: Path, made: Material, name: str) -> list[Entry]:
    (folder / name).mkdir()
    rows = folder / name / ROWS
    rows.write_text(rows_text(made))
    record = evaluate(made).record
    return [Entry(run=name, record=record, figures=figures, rows=rows) for figures in record.scorers]


def test_two_runs_on_the_same_traces_are_compared_as_one_run_would(tmp_path: Path) -> None:
    made = material()
    backwards = replace(made, labels=dict(list(made.labels.items())[::-1]), entrants={"flat": made.entrants["flat"]})
    good = entries(tmp_path, replace(made, entrants={"good": made.entrants["good"]}), "one")
    flat = entries(tmp_path, backwards, "two")
    found = compare_pairs([*good, *flat])
    assert [pair.measure for pair in found.pairs] == ["step AUROC", "best of 2"] and not found.left_out
    own = [list(made.judged(name).values()) for name in ("good", "flat")]
    assert found.pairs[0].difference.value == pytest.approx(auroc_gain(own[0], own[1], seed=0).value)
    assert found.pairs[0].test.family == 1 and found.pairs[0].test.holm == found.pairs[0].test.p < 0.1
    joint = evaluate(made).record.differences[-1]
    assert found.pairs[1].difference.value == pytest.approx(joint.interval.value)


def test_every_pair_is_of_one_family_for_its_measure(tmp_path: Path) -> None:
    made = material()
    three = {**made.entrants, "third": replace(made.entrants["flat"])}
    found = compare_pairs(entries(tmp_path, replace(made, entrants=three), "one"))
    assert [(p.first.figures.name, p.second.figures.name) for p in found.pairs[:3]] == [
        *(("good", "flat"), ("good", "third"), ("flat", "third"))
    ]
    assert {pair.test.family for pair in found.pairs} == {3}
    assert found.pairs[2].difference.value == 0 and found.pairs[2].test.p == 1


def test_what_cannot_be_paired_is_named_with_the_reason(tmp_path: Path) -> None:
    made = material()
    whole = entries(tmp_path, made, "one")
    fewer = {key: s for key, s in made.entrants["flat"].scores.items() if not key.startswith("p0")}
    part = replace(made, entrants={**made.entrants, "flat": replace(made.entrants["flat"], scores=fewer)})
    cut = entries(tmp_path, part, "two")
    old = replace(whole[0], run="old", rows=tmp_path / "nowhere")
    found = compare_pairs([whole[0], cut[1], old])
    assert not found.pairs
    assert found.left_out == {
        "two: flat": "it did not score every trace",
        "old: good": "the run holds no scores of single traces, evaluate again",
    }
    other = entries(tmp_path, material(6), "three")
    assert not compare_pairs([whole[0], other[0]]).pairs, "other data"


def test_rows_hold_labels_scores_and_verdicts_and_damage_is_named(tmp_path: Path) -> None:
    made = material(2)
    path = tmp_path / ROWS
    path.write_text(rows_text(made))
    rows = read_rows(path)
    assert len(rows) == 4 and {row.verdict for row in rows} == {True, False}
    steps = steps_of(rows, "good")
    assert steps is not None and sorted(np.asarray(steps.scores_S).tolist()) == sorted(
        value for scores in made.entrants["good"].scores.values() for value in scores.values
    )
    assert steps_of(rows, "nobody") is None
    path.write_text(
        rows_text(made) + '{"key": "k", "problem": "p", "labels": [1], "verdict": null, "scores": {"a": []}}\n'
    )
    with pytest.raises(DataError, match="line 5 is no row"):
        read_rows(path)
