from dataclasses import replace

import numpy as np
import pytest
from benchmark_rows import log, rated, row, valid_row

from stepward.errors import ConfigError, DataError, LabelError
from stepward.evaluation.benchmarks.agent_process_bench import ALL, AgentProcessBenchProtocol
from stepward.evaluation.benchmarks.big_bench_mistake import BigBenchMistakeProtocol
from stepward.evaluation.benchmarks.counting import Counted, Tally, Verdicts, share, verdict_counts
from stepward.evaluation.benchmarks.items import SILENT, Call
from stepward.evaluation.benchmarks.mr_ben import MrBenProtocol
from stepward.evaluation.benchmarks.mr_gsm8k import MrGsm8kProtocol
from stepward.evaluation.benchmarks.mr_score import mr_score
from stepward.evaluation.benchmarks.parc import ParcProtocol
from stepward.evaluation.benchmarks.prm800k import Prm800kProtocol
from stepward.evaluation.benchmarks.prmbench import PrmBenchProtocol
from stepward.evaluation.benchmarks.verify_then_generate import VerifyThenGenerateProtocol
from stepward.evaluation.benchmarks.who_and_when import WhoAndWhenProtocol
from stepward.evaluation.steps import Judged, flatten
from stepward.metrics.bootstrap import bootstrap_auroc, bootstrap_share
from stepward.metrics.ranking import auroc

RIGHT = (True, 0.9)


def prm_item(idx: str, kind: str, cells: list[tuple[bool, float]]):
    return valid_row(f"{kind}{idx}", [good for good, _ in cells], [s for _, s in cells], idx=idx, error_class=kind)


def test_prm_score_of_the_known_confusion():
    """TP 60, TN 12, FP 18, FN 10."""
    cells = [(True, 0.9)] * 60 + [(False, 0.1)] * 12 + [(False, 0.9)] * 18 + [(True, 0.1)] * 10
    items = [prm_item(str(i), "circular", cells[i::10]) for i in range(10)]
    result = PrmBenchProtocol().evaluate(items)
    assert result.find("NCL", "F1").value == pytest.approx(0.8108, abs=1e-3)
    assert result.find("NCL", "F1 of errors").value == pytest.approx(0.4615, abs=1e-3)
    assert result.main.value == pytest.approx(0.6362, abs=1e-3)


def test_a_step_is_right_strictly_above_the_threshold():
    result = PrmBenchProtocol().evaluate([prm_item("0", "circular", [(True, 0.5), (True, 0.51), (False, 0.5)])])
    assert result.find("NCL", "right steps").value == 0.5
    assert result.find("NCL", "wrong steps").value == 1.0


def test_multi_solutions_count_by_f1_alone_and_overall_pools_steps_not_categories():
    many = prm_item("0", "multi_solutions", [(True, 0.9)] * 3 + [(True, 0.1)])
    few = prm_item("1", "deception", [(True, 0.9), (False, 0.1)])
    condition = prm_item("2", "missing_condition", [(True, 0.9), (False, 0.1)])
    result = PrmBenchProtocol().evaluate([many, few, condition])
    assert result.find("MS", "PRMScore").value == pytest.approx(6 / 7)
    assert result.find("MS", "F1 of errors").value is None
    assert result.find("Sensitivity", "PRMScore").value == pytest.approx((6 / 7 + 1 + 1) / 3)
    assert result.main.value == pytest.approx((10 / 11 + 4 / 5) / 2)
    assert result.find("Simplicity", "PRMScore").reason == "without NR, NCL"
    assert "category NR is missing" in result.why_not and "3 items, published are 6,211" in result.why_not


def test_the_gap_compares_an_item_with_its_unmodified_twin_which_is_not_counted_itself():
    twin = prm_item("7", "correct", [(True, 0.9), (True, 0.9)])
    item = prm_item("7", "redundency", [(True, 0.9), (False, 0.2)])
    alone = prm_item("8", "redundency", [(True, 0.9), (False, 0.2)])
    result = PrmBenchProtocol().evaluate([twin, item, alone])
    assert result.find("NR", "gap to twin").value == 0.5
    assert result.items == 2 and result.find("overall", "PRMScore").items == 4
    assert PrmBenchProtocol().evaluate([alone]).find("NR", "gap to twin").reason == "no unmodified twin was read"


def test_a_category_that_prmbench_does_not_have_is_refused():
    with pytest.raises(DataError, match=r"no such category.*'slips'"):
        PrmBenchProtocol().evaluate([prm_item("0", "slips", [RIGHT])])


def test_a_category_without_a_wrong_step_has_a_value_or_a_reason():
    result = PrmBenchProtocol().evaluate([prm_item("0", "confidence", [RIGHT, RIGHT])])
    assert result.find("CI", "PRMScore").reason == "a class of steps is missing"
    assert result.find("CI", "F1").value == 1.0


def test_an_item_on_which_the_judge_stayed_silent_is_left_out_of_the_confusion_and_told():
    heard = replace(prm_item("0", "circular", [(True, 0.9), (False, 0.1)]), votes=(Call(index=1),))
    silent = replace(prm_item("1", "circular", [(True, 0.9), (False, 0.1)]), scores=None, votes=(SILENT,))
    result = PrmBenchProtocol().evaluate([heard, silent])
    assert result.find("NCL", "judged").value == 0.5 and result.silent == 1
    assert result.main.items == 2


def mr_rows():
    """TP 40, TN 30, FP 10, FN 20; of 40 wrong solutions 20 at the right step, 12 of these with a right reason."""
    rows = [row(f"r{i}", None, None if i < 40 else 2) for i in range(60)]
    for i in range(40):
        said = None if i >= 30 else i % 4 if i < 20 else (i + 1) % 4
        rows.append(row(f"w{i}", i % 4, said, reason=i < 12 if i < 20 else None))
    return rows


def test_mr_score_of_known_parts():
    assert mr_score(0.4, 0.5, 0.3) == pytest.approx(0.38)
    assert mr_score(-0.9, 0.5, 0.3) == pytest.approx(0.30)
    with pytest.raises(LabelError, match="ACC_reason <= ACC_step"):
        mr_score(0.4, 0.3, 0.5)


def test_mr_gsm8k_by_hand():
    result = MrGsm8kProtocol().evaluate(mr_rows())
    assert result.find("all", "MCC").value == pytest.approx(0.4082, abs=1e-3)
    assert result.find("all", "ACC_step").value == 0.5
    assert result.find("all", "ACC_reason").value == pytest.approx(0.3)
    assert result.main.value == pytest.approx(0.2 * 0.4082 + 0.3 * 0.5 + 0.5 * 0.3, abs=1e-3)
    assert result.why_not == ("(60, 40) right and wrong solutions, published are (1427, 1573)",)


def test_without_a_judge_of_reasons_the_mr_score_is_bounded_and_undefined():
    rows = [row(f"w{i}", 1, 1) for i in range(4)] + [row(f"r{i}", None, None) for i in range(4)]
    result = MrGsm8kProtocol().evaluate(rows)
    assert result.main.value is None and "needs a judge of reasons, and 4 named steps" in result.main.reason
    assert result.find("all", "ACC_reason").value is None
    assert result.find("all", "at least").value == pytest.approx(0.5)
    assert result.find("all", "at most").value == pytest.approx(1.0)


def test_one_call_for_all_has_mcc_0_by_convention_and_one_truth_none():
    always = MrGsm8kProtocol().evaluate([row("a", 1, None), row("b", None, None)])
    alike = always.find("all", "MCC")
    assert (alike.value, alike.low, alike.high) == (0.0, None, None) and "by convention" in alike.reason
    one_truth = MrGsm8kProtocol().evaluate([row("a", None, None), row("b", None, 1)])
    assert one_truth.find("all", "MCC").value is None and one_truth.main.value is None


def test_a_silent_critic_is_wrong_about_every_solution():
    rows = [row("a", None, votes=[None]), row("b", 1, votes=[None]), row("c", None, votes=[-1]), row("d", 1, votes=[1])]
    result = MrGsm8kProtocol().evaluate(rows)
    assert result.find("all", "MCC").value == 0.0 and result.silent == 2
    assert result.find("all", "ACC_reason").value is None
    assert result.find("all", "ACC_step").value == 0.5


def test_mr_ben_averages_subjects_and_lets_reasons_decide_in_coding():
    subject = [
        row(f"m{i}", 1 if i % 2 else None, 1 if i % 2 else None, reason=True, domain="college_math") for i in range(6)
    ]
    code = [row(f"c{i}", 1 if i % 2 else None, 3 if i % 2 else None, reason=i < 4, domain="coding") for i in range(8)]
    result = MrBenProtocol().evaluate([*subject, *code])
    assert result.find("math", "MR-Score").value == pytest.approx(1.0)
    assert result.find("coding", "ACC_step").value == 0.5
    assert result.main.value == pytest.approx((1.0 + (0.2 + 0.3 * 0.5 + 0.5 * 0.5)) / 2)
    assert "subject logic is missing" in result.why_not


def test_big_bench_mistake_gives_both_accuracies_and_a_plain_mean_over_tasks():
    rows = [row(f"a{i}", 1, 1 if i < 3 else 2, domain="word_sorting") for i in range(4)]
    rows += [row("b", None, None, domain="word_sorting"), row("c", 2, 2, domain="dyck_languages")]
    result = BigBenchMistakeProtocol().evaluate(rows)
    assert result.find("word_sorting", "error accuracy").value == 0.75
    assert result.find("word_sorting", "accuracy").value == pytest.approx(0.8)
    assert result.find("dyck_languages", "correct accuracy").reason == "no item without an error"
    assert result.main.value == pytest.approx(0.9)


def test_tasks_that_never_err_at_the_first_step_are_no_wrong_base_here():
    rows = [row(f"a{i}", 1 + i % 2, 1, domain="word_sorting") for i in range(150)]
    assert BigBenchMistakeProtocol().evaluate(rows).items == 150


def test_pupils_solutions_all_hold_an_error():
    rows = [row("a", 1, 1), row("b", 2, 1, error_category="units"), row("c", 3, 0), row("d", 0, None)]
    result = VerifyThenGenerateProtocol().evaluate(rows)
    found = {name: result.find("all", name).value for name in ("within one step", "called early", "called clean")}
    assert result.main.value == 0.25
    assert found == {"within one step": 0.5, "called early": 0.5, "called clean": 0.25}
    assert result.find("units", "within one step").value == 1.0
    with pytest.raises(DataError, match="no solution holds an error"):
        VerifyThenGenerateProtocol().evaluate([row("a", None)])


def test_parc_tells_kinds_of_errors_apart_and_leaves_rare_ones_out_of_the_mean():
    many = valid_row("a", [True] * 20 + [False] * 20, [0.9] * 10 + [0.1] * 30, note="Mathematical_Error")
    rare = valid_row("b", [False], [0.9], note="Other, Mathematical_Error")
    result = ParcProtocol().evaluate([many, rare])
    assert result.find("right", "accuracy").value == 0.5
    assert result.find("Mathematical_Error", "accuracy").value == 1.0
    assert result.main.value == pytest.approx(0.75)
    assert result.notes == ("too rare for the mean of kinds: Other (1 steps)",)


def ratings_row(name: str, ratings: list[int], labels: list[bool], scores: list[float]):
    return valid_row(name, labels, scores, ratings=ratings)


def test_prm800k_step_metrics_match_the_metrics_room_and_tell_what_neutral_counts_as():
    rng = np.random.default_rng(0)
    items, scores, good = [], [], []
    for i in range(30):
        labels = [bool(x) for x in rng.random(5) < 0.7]
        values = [float(x) for x in np.round(rng.random(5), 2)]
        ratings = [(0 if j == 0 else 1) if right else -1 for j, right in enumerate(labels)]
        items.append(ratings_row(f"p{i}", ratings, labels, values))
        scores += values
        good += labels
    result = Prm800kProtocol().evaluate(items)
    assert result.main.value == pytest.approx(auroc(scores, good), abs=1e-12)
    wrong = [s < 0.5 for s in scores]
    hits = sum(w and not g for w, g in zip(wrong, good, strict=True))
    assert result.find("steps", "F1 of errors").value == pytest.approx(2 * hits / (sum(wrong) + good.count(False)))
    assert result.find("steps", "share of errors").value == pytest.approx(good.count(False) / 150)
    neutral = sum(item.labeled.trace.meta["ratings"][0] == 0 for item in items)
    assert len(result.why_not) == 1 and result.notes == (f"{neutral} neutral steps count as good",)
    strict = Prm800kProtocol().evaluate([ratings_row("a", [1, 0, -1], [True, False, False], [0.9, 0.8, 0.1])])
    assert strict.why_not[1:] == ("1 neutral steps are bad",)


def test_prm800k_with_one_class_says_why_there_is_no_auroc():
    result = Prm800kProtocol().evaluate([ratings_row("a", [1, 1], [True, True], [0.9, 0.8])])
    assert result.main.value is None and "one class" in result.main.reason
    assert "no solution holds right and wrong" in result.find("steps", "AUROC per solution").reason


def test_votes_alone_cannot_give_step_metrics():
    for protocol in (Prm800kProtocol(), ParcProtocol()):
        with pytest.raises(DataError, match="votes and no scores"):
            protocol.evaluate([row("a", 1, votes=[1])])


def test_agent_ratings_are_three_way_and_pooled_over_messages():
    items = [
        rated("a", [1, None, -1], [0.9, 0.1, 0.2]),
        rated("b", [1, None, 0, None, 1, 1], [0.9, 0.9, 0.6, 0.9, 0.4, 0.9], source="gaia"),
    ]
    plain = AgentProcessBenchProtocol().evaluate(items)
    assert plain.main.value == pytest.approx(4 / 6)
    assert plain.find(ALL, "step accuracy, neutral as right (two-way)").value == pytest.approx(5 / 6)
    assert plain.find(ALL, "first error").value == 0.5
    assert plain.find("tau2", "first error").value == 1.0
    banded = AgentProcessBenchProtocol(good_from=0.7).evaluate(items)
    assert banded.main.value == pytest.approx(5 / 6)
    assert "never called" in plain.protocol and "neutral" in banded.protocol


def test_an_observations_score_is_never_an_agents_error():
    result = AgentProcessBenchProtocol().evaluate([rated("a", [1, None, 1], [0.9, 0.0, 0.9])])
    assert result.find(ALL, "first error").value == 1.0


def test_a_critic_names_first_errors_of_agents_only():
    item = replace(rated("a", [1, None, -1], [0.9, 0.1, 0.9]), votes=(Call(index=2),))
    result = AgentProcessBenchProtocol().evaluate([replace(item, scores=None)])
    assert result.main.value == 1.0 and result.headline.measure == "first error"
    assert result.find(ALL, "step accuracy").reason == "a critic names first errors only"


def test_agent_rows_without_ratings_and_an_upturned_band_are_refused():
    with pytest.raises(DataError, match="has no ratings of its messages"):
        AgentProcessBenchProtocol().evaluate([row("a", 1, 1)])
    with pytest.raises(ConfigError, match="good_from lies at the threshold or above"):
        AgentProcessBenchProtocol(good_from=0.3)


def test_who_and_when_names_the_lowest_step_that_an_agent_wrote():
    items = [
        log("a", ["Planner", "Terminal", "Coder", "Planner"], 2, [0.9, 0.0, 0.3, 0.8]),
        log("b", ["Planner", "Terminal", "Coder", "Planner"], 0, [0.5, 0.9, 0.9, 0.4]),
    ]
    result = WhoAndWhenProtocol().evaluate(items)
    assert result.main.value == 0.5
    assert result.find("all", "agent accuracy").value == 1.0
    assert [result.find("near", f"within {k}").value for k in (1, 2, 3)] == [0.5, 0.5, 1.0]
    assert result.find("chance", "step accuracy").value == pytest.approx(1 / 3)
    assert result.find("chance", "agent accuracy").value == pytest.approx((1 / 3 + 2 / 3) / 2)
    at_tau = WhoAndWhenProtocol(pick="threshold").evaluate(items)
    assert at_tau.main.value == 0.5 and at_tau.threshold is not None


def test_agents_who_wrote_the_step_before_the_named_one_betray_a_wrong_base():
    logs = [log(f"l{i}", ["A", "B", "C", "D"], 2, [0.9] * 4, who="B") for i in range(3)]
    with pytest.raises(DataError, match=r"in 0 of 3 logs, and the step before it in 3.*counted from 1"):
        WhoAndWhenProtocol().evaluate(logs)
    assert WhoAndWhenProtocol(check_base=False).evaluate(logs).items == 3


def test_a_column_of_counts_is_drawn_as_the_metrics_room_draws_it():
    rng = np.random.default_rng(1)
    sums, sizes = rng.integers(0, 3, 40), rng.integers(2, 5, 40)
    tallies = [
        Tally(problem=str(i), counts={"a": float(s), "n": float(n)})
        for i, (s, n) in enumerate(zip(sums, sizes, strict=True))
    ]
    counted = Counted.of(tallies, seed=5)
    expected = bootstrap_share(sums, sizes, seed=5)
    found = counted.measure("share", share(counted["a"], counted["n"]), ("n",))
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert found.items == sizes.sum()


def test_strata_keep_their_sizes_in_every_draw():
    tallies = [Tally(problem=f"{s}{i}", counts={f"{s}/n": 1.0}, stratum=s) for s in "xy" for i in range(7)]
    counted = Counted.of(tallies, seed=0)
    assert set(counted["x/n"].tolist()) == {7.0} and set(counted["y/n"].tolist()) == {7.0}


def test_mcc_of_the_known_confusion():
    pairs = [(True, True)] * 40 + [(False, False)] * 30 + [(True, False)] * 10 + [(False, True)] * 20
    counted = Counted.of([Tally(problem=str(i), counts=verdict_counts("v", [p])) for i, p in enumerate(pairs)], seed=0)
    assert Verdicts.of(counted, "v").mcc[0] == pytest.approx(0.4082, abs=1e-3)


def test_auroc_of_a_benchmark_is_the_clustered_one():
    items = [row(f"p{i}", i % 4, scores=(0.9, 0.8, 0.3 + 0.01 * i, 0.2)) for i in range(12)]
    judged = [Judged(labeled=i.labeled, scores=i.scores) for i in items]
    expected = bootstrap_auroc(flatten(judged, to_first_error=True), seed=0)
    found = VerifyThenGenerateProtocol().evaluate(items).find("steps", "AUROC")
    assert (found.value, found.low) == pytest.approx((expected.value, expected.low))
