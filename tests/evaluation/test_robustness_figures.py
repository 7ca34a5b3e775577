import math

import pytest
from robust_attempts import apply, oracle, shop, world_attempts, wrong

from stepward.codec import from_json, to_json
from stepward.errors import ScoreError
from stepward.evaluation.robustness.contract import Attempt
from stepward.evaluation.robustness.dependence import Dependence
from stepward.evaluation.robustness.figures import figures, settled, share_difference
from stepward.evaluation.robustness.frozen import StoredTrace, frozen_deletions, stored_trace
from stepward.evaluation.robustness.habits import assurance_share, biases, markup_share, outcome_drift
from stepward.evaluation.robustness.measured import Measured, rises
from stepward.evaluation.robustness.probing import Probe, lenders, probe
from stepward.evaluation.robustness.report import (
    RobustnessReport,
    Scoring,
    Sitting,
    base_key,
    original_key,
    perturbed_key,
    robustness_report,
)
from stepward.evaluation.robustness.suite import perturbations
from stepward.types import LabeledTrace, Problem, StepScores

WORLD = world_attempts(6)
WRONG = wrong(WORLD)
DROPS = ["numeric_corruption", "fluent_wrong", "necessary_deletion", "leap_to_answer", "answer_only", "shuffled"]
READ = [*DROPS, "inert_deletion", "redundant_step", "truncated"]


def constant(problem, trace):
    return StepScores(values=(0.6,) * len(trace))


def sitting(score, suite, attempts=(*WORLD, *WRONG), refused=()):
    keyed = {f"{attempt.problem.id}/{index}": attempt for index, attempt in enumerate(attempts)}
    probes = probe(keyed, perturbations(suite))
    found = {original_key(key): Scoring(scores=score(a.problem, a.trace)) for key, a in keyed.items()}
    for each in probes:
        for one in each.made:
            problem = one.attempt.problem
            found[base_key(each.name, one)] = Scoring(scores=score(problem, one.base))
            found[perturbed_key(each.name, one.key)] = Scoring(scores=score(problem, one.perturbed.trace))
    for key in refused:
        found[key] = Scoring(refused="trace 0123456789abcdef01234567 has 900 tokens of 512")
    return Sitting(attempts=keyed, probes=probes, scorings=found)


def by_name(report):
    return {each.name: each for each in report.perturbations}


def test_a_scorer_that_knows_the_truth_sees_every_fault_and_no_style():
    report = robustness_report(sitting(oracle, READ), ["min"], seed=0)
    found = by_name(report)
    for name in DROPS:
        assert (found[name].fell.value, found[name].auroc.value, found[name].rose.value) == (1.0, 1.0, 0.0), name
        assert found[name].applied + sum(found[name].inapplicable.values()) == len(WORLD) + len(WRONG)
        assert found[name].inapplicable["the attempt is not known to be right"] == len(WRONG)
    for name in ("inert_deletion", "redundant_step", "truncated"):
        assert (found[name].distance.value, found[name].steady.value, found[name].fell.value) == (0.0, 1.0, 0.0), name
    assert found["redundant_step"].rank_correlation.value == pytest.approx(1.0)
    assert found["redundant_step"].applied == len(WORLD) + len(WRONG)


def test_a_scorer_that_sees_nothing_is_at_chance():
    report = robustness_report(sitting(constant, READ), ["product"], seed=0)
    for each in report.perturbations:
        assert (each.auroc.value, each.fell.value, each.move.value) == (0.5, 0.0, 0.0)
        assert math.isnan(each.rank_correlation.value)
    gaps = {gap.how: gap for gap in report.deletion}
    assert (gaps["product"].rescored.value, gaps["product"].frozen.value) == (0.0, 0.0)
    assert gaps["product"].rescored.low < 0 < gaps["product"].rescored.high


def test_the_deletion_gap_is_below_zero_where_the_argument_is_followed():
    """Product: 0.9 ... 0.1 against 0.9 ...: never a rise without the needed step, always one without the inert one."""
    report = robustness_report(sitting(oracle, ["necessary_deletion", "inert_deletion"]), seed=0)
    gaps = {gap.how: gap for gap in report.deletion}
    assert gaps["product"].rescored.value == -1.0
    assert gaps["product"].frozen.value == 0.0
    assert gaps["min"].rescored.value == gaps["geometric_mean"].rescored.value == 0.0


def test_aggregates_rise_by_mechanism_where_scores_are_frozen():
    found = by_name(
        robustness_report(sitting(oracle, ["necessary_deletion", "truncated", "verbose"]), ["product"], seed=0)
    )
    product = found["necessary_deletion"].aggregates[0]
    assert (product.how, product.rises.value, product.rises_frozen.value) == ("product", 0.0, 1.0)
    assert found["truncated"].aggregates[0].rises.value == 1.0
    assert math.isnan(found["verbose"].aggregates[0].rises_frozen.value)


def test_a_flip_needs_a_pool_and_a_strict_gain():
    """Two traces of one problem: cut short, the right one beats both by the product, and ties by the minimum."""
    right = WORLD[0]
    other = next(each for each in WRONG if each.problem.id == right.problem.id)
    found = by_name(robustness_report(sitting(oracle, ["truncated"], [right, other]), seed=0))["truncated"]
    flips = {each.how: each.flips.value for each in found.aggregates}
    assert flips["product"] >= 0.5
    assert flips["min"] == flips["last"] == 0.0
    alone = by_name(robustness_report(sitting(oracle, ["truncated"], [right]), seed=0))["truncated"]
    assert all(math.isnan(each.flips.value) for each in alone.aggregates)


def measured(spec, attempt, base, new):
    return Measured(
        probe=Probe(key="k", attempt=attempt, perturbed=apply(spec, attempt)),
        base=StepScores(values=base),
        perturbed=StepScores(values=new),
    )


def test_moves_and_lowest_scores_are_of_the_same_steps():
    attempt = shop()
    row = measured({"use": "self_check", "seed": 1}, attempt, (0.9, 0.8, 0.7, 0.6), (0.5,) * 5)
    assert len(row.moves) == 4
    assert row.before == 0.6
    fault = measured({"use": "numeric_corruption", "seed": 1}, attempt, (0.1, 0.8, 0.7, 0.6), (0.1, 0.8, 0.3, 0.2))
    first = fault.probe.perturbed.expected.step
    assert fault.moves == pytest.approx([0.0, -0.4, -0.4][first - 1 :])
    assert (fault.before, fault.after) == (0.6, 0.2)


def test_rounding_is_no_move_however_small_the_numbers():
    assert not rises(0.5, 0.5 + 1e-7)
    assert rises(1e-9, 2e-9)
    assert not rises(0.3, 0.2)
    assert settled([0.5, 0.5 + 1e-7, 0.0, 1e-9, 2e-9]).tolist() == pytest.approx([0.5, 0.5, 0.0, 1e-9, 2e-9])
    assert len(set(settled([0.5, 0.5 + 1e-7]).tolist())) == 1


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(ScoreError, match="needs one score for each"):
        measured("truncated", shop(), (0.5,) * 3, (0.5,) * 2)
    with pytest.raises(ScoreError, match="one convention"):
        Measured(
            probe=Probe(key="k", attempt=shop(), perturbed=apply("truncated", shop())),
            base=StepScores(values=(0.5,) * 4),
            perturbed=StepScores(values=(0.5,) * 2, convention="logit"),
        )


def test_refused_traces_are_counted_by_a_reason_without_particulars():
    plain = sitting(oracle, ["truncated"])
    keys = [perturbed_key("truncated", key) for key in list(plain.attempts)[:3]]
    found = by_name(robustness_report(sitting(oracle, ["truncated"], refused=keys), ["min"], seed=0))["truncated"]
    assert found.refused == {"trace ... has ... tokens of ...": 3}
    assert found.applied == len(WORLD) + len(WRONG) - 3
    gone = robustness_report(
        sitting(oracle, ["truncated"], refused=[original_key(next(iter(plain.attempts)))]), ["min"], seed=0
    )
    assert (gone.refused, by_name(gone)["truncated"].refused) == (1, {"trace ... has ... tokens of ...": 1})


def test_the_interval_of_a_mean_of_few_moves_stays_where_moves_can_be():
    def moody(problem, trace):
        return StepScores(values=tuple(0.9 if len(text) % 2 else 0.1 for text in trace.step_texts))

    two = robustness_report(sitting(moody, ["verbose"], WORLD[:2]), ["min"], seed=0).perturbations[0]
    assert 0.0 <= two.distance.low <= two.distance.value <= two.distance.high <= 1.0
    assert -1.0 <= two.move.low <= two.move.high <= 1.0


def test_what_applies_to_nothing_has_no_figures_and_no_expectation():
    report = robustness_report(sitting(oracle, [{"use": "format_change", "style": "plain"}]), seed=0)
    (found,) = report.perturbations
    assert (found.applied, found.expected, found.steps) == (0, None, 0)
    assert math.isnan(found.auroc.value)
    assert math.isnan(found.distance.value)


def test_scores_that_are_no_probabilities_have_no_product():
    def logits(problem, trace):
        return StepScores(values=(1.5,) * len(trace), convention="logit")

    report = robustness_report(sitting(logits, ["truncated"]), seed=0)
    assert [each.how for each in report.perturbations[0].aggregates] == ["min", "last"]


def test_a_report_survives_its_file():
    report = robustness_report(sitting(oracle, ["truncated", "fluent_wrong"]), ["min"], seed=3)
    assert to_json(from_json(RobustnessReport, to_json(report))) == to_json(report)
    assert to_json(report) == to_json(
        robustness_report(sitting(oracle, ["truncated", "fluent_wrong"]), ["min"], seed=3)
    )


def scored(values, problem="p", right=True):
    attempt = shop(
        [f"Step {index}." for index in range(len(values))], right=right, problem=Problem(id=problem, text="q")
    )
    return attempt, StepScores(values=tuple(values))


def test_outcome_drift_counts_strict_lows_at_the_end_beside_chance():
    rows = [scored([0.9, 0.1], "a"), scored([0.2, 0.9, 0.2], "b"), scored([0.5, 0.9], "c"), scored([0.1], "d")]
    drift = outcome_drift(rows, seed=0)
    assert drift.traces == 3
    assert drift.last_is_lowest.value == pytest.approx(1 / 3)
    assert drift.chance.value == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 3)
    assert math.isnan(outcome_drift([], seed=0).last_is_lowest.value)


def test_length_bias_is_read_at_fixed_correctness():
    right = [scored([0.9] * steps, f"p{steps}") for steps in (2, 3, 4, 5)]
    odd = [scored([0.5 + steps / 100] * steps, f"p{steps}", right=False) for steps in (2, 3, 4, 5)]
    found = {(each.how, each.right, each.trait): each for each in biases([*right, *odd], ["product", "min"], seed=0)}
    assert found["product", True, "steps"].correlation.value == pytest.approx(-1.0)
    assert found["min", False, "characters"].correlation.value == pytest.approx(1.0)
    assert math.isnan(found["min", True, "steps"].correlation.value)
    assert math.isnan(found["min", False, "steps"].within.value)


def test_length_bias_within_problems_takes_difficulty_out():
    """Over all the longer traces score higher, because the second problem is easy; within each they score lower."""
    rows = [scored([0.2], "a"), scored([0.1] * 2, "a"), scored([0.9] * 5, "b"), scored([0.8] * 6, "b")]
    steps = next(each for each in biases(rows, ["min"], seed=0) if each.trait == "steps")
    assert steps.correlation.value > 0
    assert steps.within.value == pytest.approx(-1.0)


def test_style_bias_sees_markup_and_assurance_and_nothing_where_neither_varies():
    plain, dressed, sure = "So 3 + 4 is 7.", r"So \\(3 + 4\\) is **7**.", "Clearly, 3 + 4 is certainly 7."
    assert markup_share(shop([plain]).trace) == assurance_share(shop([plain]).trace) == 0.0
    assert assurance_share(shop([sure]).trace) == pytest.approx(2 / 7)
    assert markup_share(shop(["$x$ **"]).trace) == pytest.approx(4 / 7)

    def liking(mark):
        texts = [plain, dressed, sure, plain + " " + dressed]
        return [(shop([text]), StepScores(values=(0.9 if mark in text else 0.1,))) for text in texts]

    found = {each.trait: each.correlation.value for each in biases(liking("**"), ["last"], seed=0)}
    assert found["markup"] > 0.8
    assert found["assurance"] < 0
    same = {each.trait: each for each in biases(liking("7"), ["last"], seed=0)}
    assert all(math.isnan(each.correlation.value) for each in same.values())


def test_frozen_deletions_are_arithmetic():
    """0.9, 0.5, 0.8: a product always rises, the geometric mean and the minimum only without the 0.5."""
    roles = (Dependence("inert"), Dependence("necessary", 2))
    pool = [StoredTrace(problem_id="p", scores=(0.9, 0.5, 0.8), roles=roles)]
    found = {each.how: each for each in frozen_deletions(pool, ["product", "geometric_mean", "min", "last"], seed=0)}
    assert [found[how].rises.value for how in found] == [1.0, 0.5, 0.5, 0.0]
    assert [found[how].gap.value for how in found] == [0.0, 1.0, 1.0, 0.0]
    assert found["product"].deletions == 2


def test_flips_are_of_the_highest_traces_alone():
    roles = (Dependence("unknown"),)
    pool = [
        StoredTrace(problem_id="p", scores=(0.9, 0.8), roles=roles),
        StoredTrace(problem_id="p", scores=(0.1, 0.5), roles=roles),
        StoredTrace(problem_id="q", scores=(0.3, 0.8), roles=roles),
        StoredTrace(problem_id="q", scores=(0.3,), roles=()),
    ]
    (found,) = frozen_deletions(pool, ["min"], seed=0)
    assert found.rises.value == pytest.approx(2 / 3)
    assert found.flips.value == pytest.approx(1 / 2)
    assert math.isnan(found.gap.value)
    assert found.traces == 3


def test_stored_scores_must_fit_their_trace():
    attempt = shop()
    kept = stored_trace(attempt.problem, attempt.trace, StepScores(values=(0.5,) * 4))
    assert [each.role for each in kept.roles] == ["inert", "necessary", "necessary"]
    with pytest.raises(ScoreError, match="needs one score"):
        stored_trace(attempt.problem, attempt.trace, StepScores(values=(0.5,) * 3))


def test_a_difference_of_shares_is_paired_over_problems():
    first = [(str(i), i % 2 == 0) for i in range(20)]
    same = share_difference(first, first, seed=0)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    mixed = share_difference(first, [(str(i), i % 3 == 0) for i in range(20)], seed=0)
    assert mixed.value == pytest.approx(10 / 20 - 7 / 20)
    assert mixed.low < mixed.value < mixed.high
    always = share_difference([(str(i), True) for i in range(20)], [(str(i), False) for i in range(20)], seed=0)
    assert (always.value, always.high) == (1.0, 1.0)
    assert 0.6 < always.low < 0.9
    assert math.isnan(share_difference(first, [], seed=0).value)


def test_what_is_known_of_an_attempt_makes_it_right_wrong_or_neither():
    assert WORLD[0].sound is True
    assert WRONG[0].sound is False
    assert [shop(right=right).sound for right in (True, False, None)] == [True, False, None]
    labels = WORLD[0].labeled.labels
    some = LabeledTrace(trace=WORLD[0].trace, labels=(None, *labels[1:]))
    assert Attempt(problem=WORLD[0].problem, labeled=some).sound is None


def test_each_problem_lends_its_first_right_attempt_and_many_problems_are_thinned(monkeypatch):
    twice = [*WRONG, *WORLD, *reversed(WORLD)]
    assert lenders(twice) == WORLD
    monkeypatch.setattr("stepward.evaluation.robustness.probing.LENDERS", 3)
    assert lenders(twice) == WORLD[::2]
    assert lenders(WRONG) == []


def test_empty_figures_are_defined():
    found = figures("none", [], ["min"], seed=0)
    assert (found.applied, found.problems) == (0, 0)
    assert all(math.isnan(each.rises.value) for each in found.aggregates)
