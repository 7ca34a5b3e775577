import json
from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score
from stored_scores import bare, labelled, material, scored

from stepward.calibrate import problem_key
from stepward.codec import from_json, to_json
from stepward.errors import DataError, LabelError
from stepward.evaluation.evaluate import evaluate
from stepward.evaluation.evaluated import Evaluated, data_facts, read_evaluated
from stepward.evaluation.material import Entrant, Material, Settings
from stepward.evaluation.ranking import rank_views
from stepward.evaluation.steps import auroc_gain, judge_steps
from stepward.types import Spend


def test_everything_that_the_data_allows_is_in_the_record() -> None:
    made = material()
    record = evaluate(made, Settings(seed=3)).record
    good, flat = record.scorers
    assert good.kind == "" and good.steps == judge_steps(list(made.judged("good").values()), seed=3)
    both = [list(made.judged(name).values()) for name in ("good", "flat")]
    assert good.gain is None and flat.gain == auroc_gain(both[0], both[1], seed=3)
    assert flat.gain is not None and flat.gain.value > 0
    assert record.pools == 12 and record.largest == 2 and record.chosen("first").value == 0.5  # type: ignore[union-attr]
    assert record.best("good") == ("min", record.chosen("best:good/min"))
    assert record.best("good")[1].value == pytest.approx(1.0)  # type: ignore[index]
    assert [(d.method, d.less) for d in record.differences] == [
        ("best:good/min", "majority"),
        ("best:good/min", "sum:good/min"),
        ("best:good/min", "best:flat/min"),
    ]
    assert good.cost.scored == 100 and not flat.cost.metered
    assert record.data.sources == {"human (prefix) by human:x": 72} and record.leaked is None
    assert from_json(Evaluated, json.loads(json.dumps(to_json(record)))) == record


def test_the_record_has_views_groups_and_decisions_of_scorers_alone() -> None:
    made = material()
    baseline = replace(made.entrants["flat"], role="baseline")
    record = evaluate(replace(made, entrants={**made.entrants, "flat": baseline}), Settings(seed=3)).record
    good, flat = record.scorers
    judged = list(made.judged("good").values())
    assert good.views == rank_views(judged, seed=3)
    assert {group.axis for group in good.groups} == {"all", "position", "length", "policy", "domain"}
    assert {group.name for group in good.groups if group.axis == "domain"} == {"even", "odd"}
    assert (flat.views, flat.groups, flat.decisions) == ((), (), None)
    assert good.decisions is not None
    # one right step of p0 is called wrong (0.4), one wrong step of p1 right (0.7)
    counts = good.decisions.confusion
    assert (counts.true_positive, counts.false_negative, counts.false_positive, counts.true_negative) == (23, 1, 1, 47)
    report = good.decisions.agreement
    assert report.steps.rate.value == pytest.approx(70 / 72)
    assert report.steps.kappa.value == pytest.approx(
        cohen_kappa_score([0] * 24 + [1] * 48, [0] * 23 + [1] + [0] + [1] * 47)
    )
    assert report.first_error.rate.value == pytest.approx(22 / 24) and report.prefix is not None


def test_habits_are_told_of_scorers_and_not_of_baselines() -> None:
    made = material()
    baseline = replace(made.entrants["flat"], role="baseline")
    good, flat = evaluate(replace(made, entrants={**made.entrants, "flat": baseline}), Settings(seed=3)).record.scorers
    assert flat.habits is None and good.habits is not None
    # the last step is the strict least of every wrong trace and of no right one
    assert good.habits.drift.traces == 24 and good.habits.drift.last_is_lowest.value == pytest.approx(0.5)
    assert good.habits.drift.chance.value == pytest.approx(1 / 3)
    assert {each.how for each in good.habits.biases} == {"min"}


def test_the_threshold_of_the_settings_decides() -> None:
    made = material()
    strict = evaluate(made, Settings(threshold=0.95)).record.scorers[0].decisions
    assert strict is not None
    assert (strict.confusion.true_positive, strict.confusion.true_negative) == (24, 0)


def test_many_comparisons_are_decided_together() -> None:
    made = material()
    entrants = {**made.entrants, "third": made.entrants["flat"]}
    record = evaluate(replace(made, entrants=entrants)).record
    gains = [each.gain_test for each in record.scorers]
    assert gains[0] is None and all(test is not None and test.family == 2 for test in gains[1:])
    assert {each.test.family for each in record.differences if each.test} == {4}
    for each in record.differences:
        assert each.test is not None and each.sure == (each.test.holm < 0.05)


def test_scores_before_calibration_stand_beside_those_after() -> None:
    made = material(30)
    after = made.entrants["good"].scores
    flatter = {key: replace(s, values=tuple(0.6 + 0.3 * (v - 0.5) for v in s.values)) for key, s in after.items()}
    free = {key: replace(s, spend=Spend()) for key, s in after.items()}
    good = replace(made.entrants["good"], scores=free, before=flatter)
    record = evaluate(replace(made, entrants={"good": good})).record
    figures = record.scorers[0]
    assert figures.before is not None and figures.steps is not None
    assert figures.before.ece.value > figures.steps.ece.value
    assert figures.before.auroc.value == pytest.approx(figures.steps.auroc.value), "a rising map keeps the order"
    change = {(each.axis, each.name): each for each in figures.changes}["domain", "odd"]
    assert change.brier_gain is not None and change.brier_gain.value > 0 and change.bins_before
    assert figures.cost.scored == 100, "what the raw scores cost, where the map was free"
    with pytest.raises(LabelError, match="before calibration must be of the same traces"):
        replace(made, entrants={"good": replace(good, before=dict(list(flatter.items())[1:]))})


def test_scores_that_are_no_probabilities_are_ranked_and_nothing_more() -> None:
    made = material()
    scores = {
        key: replace(s, convention="logit", values=tuple(8 * (v - 0.5) for v in s.values))
        for key, s in made.entrants["good"].scores.items()
    }
    record = evaluate(replace(made, entrants={"good": Entrant(role="stored", scores=scores)})).record
    figures = record.scorers[0]
    assert figures.steps is None and "no probabilities (logit)" in record.no_steps["good"]
    assert figures.views[0].auroc is not None and figures.views[0].auroc.value > 0.9
    assert figures.groups == () and figures.decisions is not None
    assert figures.decisions.confusion.true_positive == 23, "the logistic of a logit below 0 is below 1/2"


def test_constant_scores_and_one_class_have_defined_values_or_reasons() -> None:
    made = material()
    flat = {key: replace(s, values=(0.5,) * 3) for key, s in made.entrants["good"].scores.items()}
    figures = evaluate(replace(made, entrants={"good": Entrant(role="stored", scores=flat)})).record.scorers[0]
    assert figures.steps is not None and figures.steps.auroc.value == 0.5
    assert figures.decisions is not None and figures.decisions.agreement.steps.kappa.value == 0
    right = {key: each for key, each in made.labels.items() if key.endswith("/0")}
    scores = {key: made.entrants["good"].scores[key] for key in right}
    alone = evaluate(replace(made, labels=right, entrants={"good": Entrant(role="stored", scores=scores)})).record
    (whole,) = [group for group in alone.scorers[0].groups if group.axis == "all"]
    assert whole.auroc is None and "one class" in whole.reason and whole.ece is not None and whole.brier is not None


def test_an_older_record_is_read_and_a_newer_or_damaged_one_is_named(tmp_path: Path) -> None:
    record = evaluate(material()).record
    new = json.loads(json.dumps(to_json(record)))
    for each in new["scorers"]:
        for name in ("kind", "gain_test", "views", "groups", "decisions"):
            each.pop(name, None)
    for each in new["differences"]:
        del each["test"]
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps(new))
    old = read_evaluated(path)
    assert old.scorers[0].views == () and old.scorers[0].steps == record.scorers[0].steps
    assert [each.sure for each in old.differences] == [
        each.interval.low > 0 or each.interval.high < 0 for each in old.differences
    ]
    path.write_text(json.dumps(new | {"colour": 1}))
    with pytest.raises(DataError, match=r"no record that this version reads.*'colour'.*upgrade"):
        read_evaluated(path)
    path.write_text("{")
    with pytest.raises(DataError, match="is not JSON"):
        read_evaluated(path)


def test_the_key_of_the_data_is_its_content_and_not_its_order() -> None:
    made = material()
    rows = list(made.labels.values())
    key = data_facts("a", made.problems, rows).key
    assert key == data_facts("b", made.problems, rows[::-1]).key
    assert key != data_facts("a", made.problems, rows[1:]).key
    relabelled = [bare(rows[0]), *rows[1:]]
    assert key != data_facts("a", made.problems, relabelled).key


def test_what_cannot_be_measured_has_a_reason() -> None:
    made = material(3)
    right = {key: each for key, each in made.labels.items() if key.endswith("/0")}
    scores = {key: made.entrants["good"].scores[key] for key in right}
    one_class = replace(made, labels=right, entrants={"good": Entrant(role="stored", scores=scores)})
    record = evaluate(one_class).record
    assert record.scorers[0].steps is None and record.no_steps["good"]
    assert not record.curves and "single trace" in record.no_selection
    unjudged = {key: replace(each, verdict=None) for key, each in made.labels.items()}
    assert evaluate(replace(made, labels=unjudged)).record.no_selection == "no trace has a verdict"


def test_a_scorer_that_left_traces_out_is_judged_on_its_own_and_compared_with_nobody() -> None:
    made = material(4)
    fewer = {key: s for key, s in made.entrants["flat"].scores.items() if not key.startswith("p0")}
    record = evaluate(replace(made, entrants={**made.entrants, "flat": Entrant(role="stored", scores=fewer)})).record
    assert record.scorers[1].traces == 6 and record.scorers[1].steps is not None and record.scorers[1].gain is None


def test_scores_that_are_no_probabilities_are_not_multiplied() -> None:
    made = material(4)
    scores = {key: replace(s, convention="logit") for key, s in made.entrants["good"].scores.items()}
    logits = replace(made, entrants={"good": Entrant(role="stored", scores=scores, reduce=("product", "last"))})
    assert {p.method.score for p in evaluate(logits).record.curves if p.method.kind == "best"} == {"good/last"}


def test_problems_that_taught_the_scorer_are_counted() -> None:
    made = material(4)
    known = frozenset({problem_key(made.problems["p1"]), "another"})
    assert evaluate(replace(made, taught_by=known)).record.leaked == 1
    assert evaluate(replace(made, taught_by=frozenset())).record.leaked == 0


def test_nothing_to_judge_and_scores_of_unknown_traces_are_refused() -> None:
    made = material(2)
    with pytest.raises(LabelError, match="nothing to judge"):
        Material(name="x", problems={}, labels={}, entrants=made.entrants)
    stray = Entrant(role="stored", scores={"elsewhere": scored(0.5, 0.5, 0.5)})
    with pytest.raises(LabelError, match="'stray' must have scored"):
        replace(made, entrants={"stray": stray})
    assert labelled("p", None, None).verdict is None


def test_what_writing_the_traces_cost_is_the_mean_of_what_they_say() -> None:
    made = material(2)
    paid = {
        key: replace(each, trace=replace(each.trace, spend=Spend(policy_tokens=10 * at)))
        for at, (key, each) in enumerate(made.labels.items())
    }
    assert evaluate(replace(made, labels=paid)).record.writing.written == pytest.approx(15)
    assert not evaluate(made).record.writing.metered
