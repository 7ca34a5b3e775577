import json
from dataclasses import replace

import pytest
from stored_scores import bare, labelled, material, scored

from stepward.calibrate import problem_key
from stepward.codec import from_json, to_json
from stepward.errors import LabelError
from stepward.evaluation.evaluate import Entrant, Material, Settings, evaluate
from stepward.evaluation.evaluated import Evaluated, data_facts
from stepward.evaluation.steps import auroc_gain, judge_steps
from stepward.types import Spend


def test_everything_that_the_data_allows_is_in_the_record() -> None:
    made = material()
    record = evaluate(made, Settings(seed=3)).record
    good, flat = record.scorers
    assert good.steps == judge_steps(list(made.judged("good").values()), seed=3)
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
