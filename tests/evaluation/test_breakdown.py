from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from stepward.codec import from_json, to_json
from stepward.errors import LabelError
from stepward.evaluation.breakdown import GroupQuality, average, break_down
from stepward.evaluation.calibration_change import calibration_change
from stepward.evaluation.groups import FEWEST_STEPS
from stepward.evaluation.ranking import rank_views
from stepward.evaluation.steps import Judged
from stepward.metrics.calibration import brier, ece
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import LabeledTrace, Origin, StepLabel, StepScores


def judged(problem: str, good: Sequence[float | None], scores: Sequence[float], maker: str = "policy:a") -> Judged:
    trace = replace(
        cut(problem, "".join(f"step {i}\n" for i in range(len(good))), Newline()), origin=Origin(maker=maker)
    )
    labels = tuple(None if v is None else StepLabel(target="prefix", value=v, source="human") for v in good)
    return Judged(labeled=LabeledTrace(trace=trace, labels=labels), scores=StepScores(values=tuple(scores)))


def world(problems: int = 30, seed: int = 0) -> list[Judged]:
    """Two policies; the scorer is good on the first and knows nothing of the second."""
    rng = np.random.default_rng(seed)
    rows = []
    for p in range(problems):
        for maker in ("policy:a", "policy:b"):
            good = (rng.random(2 + p % 5) < 0.6).astype(float)
            known = good if maker == "policy:a" else rng.random(len(good))
            rows.append(judged(f"p{p}", good.tolist(), (0.5 * known + 0.5 * rng.random(len(good))).tolist(), maker))
    return rows


DOMAINS = {f"p{p}": "algebra" if p < 27 else "logic" for p in range(30)}


def of(groups: Sequence[GroupQuality], axis: str) -> dict[str, GroupQuality]:
    return {group.name: group for group in groups if group.axis == axis}


def test_each_axis_holds_every_labelled_step_once() -> None:
    rows = world()
    groups = break_down(rows, DOMAINS, seed=0)
    steps = sum(len(j.scores) for j in rows)
    for axis in ("position", "length", "policy", "domain"):
        assert sum(group.steps for group in of(groups, axis).values()) == steps, axis
    assert list(of(groups, "position")) == [*(f"step {at}" for at in range(5)), "step 5 and later"]
    assert list(of(groups, "length")) == ["1 to 2 steps", "3 to 4 steps", "5 to 8 steps"]


def test_figures_are_those_of_the_groups_own_steps() -> None:
    rows = world()
    found = of(break_down(rows, DOMAINS, seed=0), "policy")
    for maker in ("policy:a", "policy:b"):
        own = [j for j in rows if j.labeled.trace.origin.maker == maker]
        scores = np.concatenate([j.scores.values for j in own])
        good = np.array([label is not None and label.good for j in own for label in j.labeled.labels])
        group = found[maker]
        assert group.auroc is not None and group.ece is not None and group.accuracy is not None
        assert group.auroc.value == pytest.approx(roc_auc_score(good, scores), abs=1e-9)
        assert group.ece.value == pytest.approx(ece(scores, good), abs=1e-9)
        assert group.accuracy.value == pytest.approx(np.mean((scores >= 0.5) == good), abs=1e-9)
        assert group.brier is not None and group.brier.value == pytest.approx(brier(scores, good), abs=1e-9)
        assert (group.traces, group.problems, group.wrong_share) == (30, 30, pytest.approx(1 - good.mean()))
    first, second = found["policy:a"], found["policy:b"]
    assert first.auroc is not None and second.auroc is not None
    assert first.auroc.low > second.auroc.high, "what the average of both would hide"


def test_first_errors_are_judged_where_groups_are_whole_traces_and_told() -> None:
    rows = [judged(f"p{p}", [1, 0, 0], [0.9, 0.8 if p < 4 else 0.1, 0.2]) for p in range(10)]
    hidden = judged("p0", [None, 1, 0], [0.9, 0.9, 0.9])
    groups = break_down([*rows, hidden], {}, seed=0, axes=("position", "policy"))
    (whole,) = of(groups, "policy").values()
    assert whole.traces == 11
    assert whole.first_error is not None and whole.first_error.value == pytest.approx(0.6), "hidden is left out"
    assert all(group.first_error is None for group in of(groups, "position").values())


def test_small_groups_and_single_classes_are_listed_with_their_reason() -> None:
    found = of(break_down(world(), DOMAINS, seed=0, axes=("domain",)), "domain")
    assert found["logic"].reason == "fewer than 5 problems"
    assert (found["logic"].auroc, found["logic"].ece) == (None, None) and found["logic"].steps >= FEWEST_STEPS
    right = [judged(f"p{p}", [1, 1, 1], [0.9, 0.8, 0.7]) for p in range(10)]
    (one_class,) = break_down(right, {}, seed=0, axes=("policy",))
    assert one_class.auroc is None and one_class.reason == "no AUROC: steps of one class"
    assert one_class.ece is not None and one_class.wrong_share == 0
    few = break_down(right[:6], {}, seed=0, axes=("policy",))[0]
    assert few.reason == f"fewer than {FEWEST_STEPS} steps" and few.accuracy is None


def test_a_group_is_stored_and_read_back() -> None:
    for group in break_down(world(), DOMAINS, seed=0):
        assert from_json(GroupQuality, to_json(group)) == group


def test_what_cannot_be_broken_down_is_refused() -> None:
    with pytest.raises(LabelError, match="without a domain"):
        break_down(world(), {}, seed=0)
    with pytest.raises(LabelError, match="no labelled step"):
        break_down([judged("p", [None, None], [0.5, 0.5])], {}, seed=0, axes=("position",))


def test_calibration_is_compared_before_and_after_group_by_group() -> None:
    before = world()
    after = [
        replace(j, scores=StepScores(values=tuple(0.6 + 0.2 * (v - 0.5) for v in j.scores.values))) for j in before
    ]
    found = {(row.axis, row.name): row for row in calibration_change(before, after, DOMAINS, seed=0)}
    useless = found["policy", "policy:b"]
    assert useless.brier_gain is not None and useless.brier_gain.low > 0, (
        "flatter scores suit a scorer that knows nothing"
    )
    assert useless.brier_before is not None and useless.brier_after is not None
    assert useless.brier_gain.value == pytest.approx(useless.brier_before.value - useless.brier_after.value)
    assert found["domain", "logic"].reason and found["domain", "logic"].ece_after is None
    with pytest.raises(LabelError, match="same labelled traces"):
        calibration_change(before, after[::-1], DOMAINS, seed=0)


def test_three_views_of_a_ranking() -> None:
    rows = world()
    pooled, inside, cut_off = rank_views(rows, seed=0)
    assert [view.name for view in (pooled, inside, cut_off)] == ["pooled", "per solution", "up to first error"]
    both = [j for j in rows if len({label.good for label in j.labeled.labels if label}) == 2]
    goods = [[label is not None and label.good for label in j.labeled.labels] for j in both]
    assert inside.solutions == len(both) < len(rows) and inside.steps == sum(map(len, goods))
    assert inside.auroc is not None and inside.average_precision is not None
    own = [roc_auc_score(g, j.scores.values) for j, g in zip(both, goods, strict=True)]
    assert inside.auroc.value == pytest.approx(np.mean(own), abs=1e-9)
    errors = [
        average_precision_score(~np.array(g), -np.array(j.scores.values)) for j, g in zip(both, goods, strict=True)
    ]
    assert inside.average_precision.value == pytest.approx(np.mean(errors), abs=1e-9)
    assert cut_off.steps < pooled.steps and cut_off.auroc is not None
    assert cut_off.auroc.low < cut_off.auroc.value < cut_off.auroc.high


def test_views_of_one_class_give_their_reason() -> None:
    right = [judged(f"p{p}", [1, 1], [0.9, 0.8]) for p in range(3)]
    views = rank_views([*right, judged("q", [0, 0], [0.1, 0.2])], seed=0)
    assert views[0].auroc is not None and views[1].auroc is None
    assert views[1].reason == "no solution holds right and wrong steps" and views[1].wrong_share is None
    assert rank_views(right, seed=0)[0].reason == "steps of one class"
    with pytest.raises(LabelError, match="no labelled step"):
        rank_views([judged("p", [None], [0.5])], seed=0)


def test_a_group_stands_out_by_a_test_over_all_groups() -> None:
    found = break_down(world(), DOMAINS, seed=0)
    policies = of(found, "policy")
    good, useless = policies["policy:a"], policies["policy:b"]
    assert good.gap is not None and useless.gap is not None and good.gap_test is not None
    assert good.gap.low > 0 > useless.gap.high and good.gap_test.sure
    assert good.auroc is not None and useless.auroc is not None
    pooled = rank_views(world(), seed=0)[0].auroc
    assert pooled is not None
    assert good.gap.value == pytest.approx(good.auroc.value - pooled.value)
    tests = [group.gap_test for group in found if group.gap_test is not None]
    assert {test.family for test in tests} == {len(tests)}
    assert all(test.holm >= test.p for test in tests)
    assert of(found, "domain")["logic"].gap is None, "too few problems"
    (whole,) = of(break_down(world(), {}, seed=0, axes=("all",)), "all").values()
    assert whole.gap is None and whole.steps == sum(len(j.scores) for j in world())


def test_groups_of_one_draw_of_problems_share_it() -> None:
    """The gap of two halves of each problem is paired: alike halves differ by nothing, however hard the problems."""
    rng = np.random.default_rng(0)
    rows = []
    for p in range(20):
        good, scores = (rng.random(4) < 0.5).astype(float).tolist(), rng.random(4).tolist()
        rows += [judged(f"p{p}", good, scores, maker) for maker in ("policy:a", "policy:b")]
    group = of(break_down(rows, {}, seed=0, axes=("policy",)), "policy")["policy:a"]
    assert group.gap is not None and (group.gap.low, group.gap.high) == (pytest.approx(0), pytest.approx(0))


def test_the_average_counts_each_group_alike() -> None:
    groups = break_down(world(), DOMAINS, seed=0)
    found = average(groups, "policy")
    own = list(of(groups, "policy").values())
    assert found.groups == 2 and found.ece is not None and found.auroc is not None
    assert found.ece.value == pytest.approx(np.mean([group.ece.value for group in own if group.ece]))
    assert found.auroc.low == pytest.approx(np.mean([group.auroc.low for group in own if group.auroc]))
    assert average(groups, "domain").groups == 1, "a group without figures is none"
    assert average([], "policy").ece is None


def test_policies_and_domains_keep_the_bins_of_their_diagrams() -> None:
    for group in break_down(world(), DOMAINS, seed=0):
        drawn = group.axis in ("policy", "domain") and group.name != "logic"
        assert bool(group.bins) == drawn
        assert sum(each.count for each in group.bins) == (group.steps if drawn else 0)


def test_calibration_is_tested_over_all_groups_and_an_axis_of_one_group_is_not_told_twice() -> None:
    before = world()
    after = [
        replace(j, scores=StepScores(values=tuple(0.6 + 0.2 * (v - 0.5) for v in j.scores.values))) for j in before
    ]
    found = calibration_change(before, after, dict.fromkeys(DOMAINS, "maths"), seed=0)
    assert [(row.axis, row.name) for row in found] == [
        ("all", "all steps"),
        ("policy", "policy:a"),
        ("policy", "policy:b"),
    ]
    assert all(row.gain_test is not None and row.gain_test.family == 3 for row in found)
    assert found[2].gain_test is not None and found[2].gain_test.sure
    assert found[0].bins_before == () and found[1].bins_before != found[1].bins_after
