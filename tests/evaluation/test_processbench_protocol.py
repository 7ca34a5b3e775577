import math

import numpy as np
import pytest
from benchmark_rows import row, valid_row

from stepward.codec import from_json, to_json
from stepward.errors import ConfigError, DataError
from stepward.evaluation.benchmarks.items import CLEAN, SILENT, Call, Item, majority, votes_of
from stepward.evaluation.benchmarks.processbench import MEAN, SPLITS, ProcessBenchProtocol
from stepward.evaluation.benchmarks.processbench_variants import WHERE, ProcessBenchVariants
from stepward.evaluation.benchmarks.result import BenchmarkResult, Headline
from stepward.evaluation.benchmarks.thresholds import Threshold, best_threshold, choose_threshold
from stepward.metrics.first_error import process_bench
from stepward.reward_models.generative.ballots import Ballot, Judgement
from stepward.types import Origin

PUBLISHED = {
    "gsm8k": (0.720, 0.964),
    "math": (0.680, 0.904),
    "olympiadbench": (0.557, 0.855),
    "omnimath": (0.552, 0.83),
}
F1S = {"gsm8k": 0.8243, "math": 0.7762, "olympiadbench": 0.6746, "omnimath": 0.6630}


def benchmark(rates: dict[str, tuple[float, float]], *, critic: bool = False) -> list[Item]:
    """The four splits at their published sizes, hit at these rates; errors at every place, the first included."""
    items = []

    def said(name: str, actual: int | None, call: int | None) -> Item:
        votes = [-1 if call is None else call] if critic else []
        return row(name, actual, call, votes=votes, id=f"{split}-0")

    for split, (errors, clean) in SPLITS.items():
        found, passed = (round(rate * n) for rate, n in zip(rates[split], (errors, clean), strict=True))
        items += [said(f"{split}{i}", i % 4, i % 4 if i < found else (i + 1) % 4) for i in range(errors)]
        items += [said(f"{split}-{i}", None, None if i < passed else 2) for i in range(clean)]
    return items


@pytest.fixture(scope="module")
def published() -> BenchmarkResult:
    return ProcessBenchProtocol().evaluate(benchmark(PUBLISHED))


def test_the_published_accuracies_give_the_published_f1s_and_their_unweighted_mean(published):
    for split, f1 in F1S.items():
        assert published.find(split, "F1").value == pytest.approx(f1, abs=1e-3)
    assert published.main.value == pytest.approx(0.7345, abs=1e-3)
    assert published.headline == Headline(MEAN, "F1")
    assert published.comparable and published.why_not == ()


def test_standard_errors_are_those_of_the_delta_method():
    result = ProcessBenchProtocol().evaluate(benchmark(dict.fromkeys(SPLITS, (0.7, 0.85)), critic=True))
    errors = [result.find(split, "F1").se for split in SPLITS]
    assert errors == pytest.approx([0.0218, 0.0134, 0.0133, 0.0137], abs=1e-3)
    assert result.main.se == pytest.approx(0.0080, abs=1e-3)
    assert any("gsm8k F1 0.0218" in line for line in result.told())
    half = (result.main.high - result.main.low) / 2
    assert half == pytest.approx(1.96 * 0.0080, rel=0.1)


def test_a_result_survives_json(published):
    assert from_json(BenchmarkResult, to_json(published)) == published


def test_the_classifier_names_the_first_step_below_tau():
    item = row("p", 1, scores=(0.6, 0.55, 0.2, 0.1))
    assert item.call(0.5) == Call(index=2)
    assert item.call(0.56) == Call(index=1)
    assert item.call(0.1) == CLEAN


def test_one_split_has_its_f1_but_not_the_benchmarks_average():
    items = [item for item in benchmark(PUBLISHED) if item.told("id").startswith("gsm8k")]
    result = ProcessBenchProtocol().evaluate(items)
    assert result.main.value is None and "splits missing: math" in result.main.reason
    assert result.find(MEAN, "F1, mean of 1 split(s) at hand").value == pytest.approx(0.8243, abs=1e-3)
    assert not result.comparable and "split math is missing" in result.why_not


def test_other_counts_than_published_are_not_comparable():
    result = ProcessBenchProtocol().evaluate([row("p", 0, 0, id="gsm8k-0"), row("q", None, id="gsm8k-1")])
    assert "split gsm8k holds (1, 1) items with and without an error, published are (207, 193)" in result.why_not


def test_a_split_of_one_kind_has_no_f1_and_says_why():
    result = ProcessBenchProtocol().evaluate([row(f"p{i}", i % 3, 0, id=f"math-{i}") for i in range(9)])
    assert result.find("math", "F1").value is None
    assert result.find("math", "F1").reason == "F1 needs both kinds: no item without an error"
    assert result.find("math", "correct accuracy").reason == "no item without an error"
    assert result.find("math", "error accuracy").value == pytest.approx(1 / 3)
    mean = result.find(MEAN, "F1, mean of 1 split(s) at hand")
    assert mean.reason == "a split has no F1" and mean.se is None


def test_constant_scores_rank_nothing_and_that_is_said():
    items = [row(f"p{i}", i % 4 if i % 2 else None, scores=(0.7,) * 4, id=f"math-{i}") for i in range(12)]
    measure = ProcessBenchProtocol().evaluate(items).find("math", "AUROC")
    assert measure.value == 0.5 and "0.5 by convention" in measure.reason
    assert (measure.low, measure.high) == (None, None), "a convention has no interval"


def test_auroc_stops_at_the_first_error_whatever_is_labelled_behind_it():
    whole = valid_row("p", [True, False, True], [0.9, 0.5, 0.1], id="math-0")
    assert ProcessBenchProtocol().evaluate([whole]).find("math", "AUROC").value == 1.0


def test_no_value_is_ever_nan():
    result = ProcessBenchProtocol().evaluate([row("p", None, id="math-0")])
    for group in result.groups:
        for measure in group.measures:
            assert measure.value is None or not math.isnan(measure.value)
            assert measure.value is not None or measure.reason
    assert any("needs both kinds" in line for line in result.told())


def test_the_majority_drops_silent_votes_and_the_first_cast_wins_a_tie():
    two, three = Call(index=2), Call(index=3)
    assert majority((three, two, two)) == two
    assert majority((three, two, SILENT, SILENT, SILENT)) == three
    assert majority((SILENT, CLEAN, two)) == CLEAN
    assert majority((SILENT, SILENT)) == SILENT


def test_a_silent_critic_misses_right_and_wrong_items_alike():
    items = [
        row("a", 1, votes=[1, 1, 2], id="math-0"),
        row("b", 1, votes=[None, None], id="math-1"),
        row("c", None, votes=[-1], id="math-2"),
        row("d", None, votes=[None], id="math-3"),
    ]
    result = ProcessBenchProtocol().evaluate(items)
    assert result.find("math", "error accuracy").value == 0.5
    assert result.find("math", "correct accuracy").value == 0.5
    assert result.silent == 2 and result.protocol == "critic, majority of votes"
    assert result.threshold is None


def test_a_vote_is_the_first_mark_below_a_half_and_an_abstention_before_it_is_silence():
    ballots = tuple(Ballot(marks=m) for m in [(1.0, 0.2, 0.0), (0.9, 0.5), (None, 0.0), (1.0, 0.0, None), (0.5, None)])
    judgement = Judgement(values=(1.0, 0.0), ballots=ballots, asked=(0, 1), judge=Origin(maker="judge"))
    assert votes_of(judgement) == (Call(index=1), CLEAN, SILENT, Call(index=1), SILENT)


def test_the_best_threshold_is_found_exactly_as_by_trying_all():
    rng = np.random.default_rng(3)
    items = []
    for index in range(60):
        actual = None if index % 3 else int(rng.integers(4))
        items.append(row(f"p{index}", actual, scores=tuple(np.round(rng.random(4), 2))))
    best = best_threshold(items)
    tried = {}
    for tau in np.arange(-0.005, 1.02, 0.01):
        score = process_bench([item.call(tau).index for item in items], [item.actual for item in items])
        tried[tau] = score.f1
    assert best.f1 == pytest.approx(max(tried.values()), abs=1e-12)
    at = process_bench([item.call(best.tau).index for item in items], [item.actual for item in items])
    assert at.f1 == pytest.approx(best.f1, abs=1e-12)


def test_a_threshold_tells_which_data_chose_it_and_is_refused_on_its_own_problems():
    dev = [row(f"dev{i}", 1 if i % 2 else None, scores=(0.9, 0.3 if i % 2 else 0.35, 0.8, 0.8)) for i in range(10)]
    chosen = choose_threshold(dev, "ten problems of ours")
    assert chosen.f1 == 1.0 and 0.3 < chosen.tau <= 0.35
    assert str(chosen).startswith("threshold 0.325, chosen on ten problems of ours (10 items")
    test = [row(f"t{i}", 1 if i % 2 else None, 1 if i % 2 else None, id=f"math-{i}") for i in range(4)]
    assert ProcessBenchProtocol(threshold=chosen).evaluate(test).threshold == chosen
    with pytest.raises(DataError, match=r"chosen on 1 problems of the benchmark itself \(ten problems of ours\)"):
        ProcessBenchProtocol(threshold=chosen).evaluate([*test, dev[0]])


def test_a_chosen_threshold_needs_a_name_and_both_kinds():
    with pytest.raises(ConfigError, match="needs a name"):
        choose_threshold([row("p", 1), row("q", None)], " ")
    with pytest.raises(DataError, match=r"traces with an error and traces without.*1 with, 0 without"):
        choose_threshold([row("p", 1)], "dev")
    with pytest.raises(ConfigError, match="names its data"):
        Threshold(tau=0.4, chosen_on="dev")


def test_labels_that_are_never_the_first_step_are_refused():
    shifted = [row(f"p{i}", 1 + i % 3 if i % 2 else None, id=f"math-{i}") for i in range(200)]
    with pytest.raises(DataError, match=r"none of 100 first errors is the first step.*counted from 1.*subtract 1"):
        ProcessBenchProtocol().evaluate(shifted)
    assert ProcessBenchProtocol(check_base=False).evaluate(shifted).items == 200
    few = [item for item in shifted if item.actual is not None][:99]
    assert ProcessBenchProtocol().evaluate(few).items == 99


def test_a_zero_that_means_no_error_is_refused():
    items = [row(f"p{i}", i % 3, id=f"math-{i}") for i in range(120)]
    with pytest.raises(DataError, match=r"every item has an error, and 40 of 120.*0 may stand for no error"):
        ProcessBenchProtocol().evaluate(items)


def test_items_without_an_answer_mixed_ones_and_none_are_refused():
    with pytest.raises(DataError, match="no item"):
        ProcessBenchProtocol().evaluate([])
    with pytest.raises(DataError, match="1 of 2 with votes"):
        ProcessBenchProtocol().evaluate([row("a", 1, votes=[1]), row("b", 1, 1)])
    with pytest.raises(DataError, match=r"names none of its 4 steps.*got 4"):
        row("a", 1, votes=[4])
    plain = row("a", 1, 1)
    with pytest.raises(DataError, match="neither scores nor votes"):
        Item(problem=plain.problem, labeled=plain.labeled)


def test_variants_have_names_of_their_own_and_are_never_comparable():
    rates = {"gsm8k": (0.9, 0.9), "math": (0.5, 0.9), "olympiadbench": (0.2, 0.5), "omnimath": (0.2, 0.9)}
    items = benchmark(rates, critic=True)
    exact, other = ProcessBenchProtocol().evaluate(items), ProcessBenchVariants().evaluate(items)
    f1s = [exact.find(split, "F1").value for split in SPLITS]
    sizes = [sum(counts) for counts in SPLITS.values()]
    assert not other.comparable
    assert other.find(WHERE, "sample-weighted F1").value == pytest.approx(np.average(f1s, weights=sizes))
    pooled = process_bench([item.call(0.5).index for item in items], [item.actual for item in items])
    assert other.find(WHERE, "pooled F1").value == pytest.approx(pooled.f1)
    assert other.find(WHERE, 'fork\'s "Precision"').value == pytest.approx(pooled.error_accuracy)
    assert other.find(WHERE, 'fork\'s "Recall"').value == pytest.approx(pooled.correct_accuracy)
    values = [other.find(WHERE, name).value for name in ("pooled F1", "sample-weighted F1")]
    assert len({exact.main.value, *values}) == 3


def test_the_best_threshold_on_the_test_is_an_oracle_by_name():
    items = [row(f"p{i}", 1 if i % 2 else None, scores=(0.4, 0.3 if i % 2 else 0.35, 0.4, 0.4)) for i in range(10)]
    exact, other = ProcessBenchProtocol().evaluate(items), ProcessBenchVariants().evaluate(items)
    assert exact.find("unnamed", "F1").value == 0.0
    oracle = exact.find("unnamed", "F1 at the best threshold (oracle)")
    assert oracle.value == other.find(WHERE, "oracle F1").value == 1.0
    assert oracle.low is None and "very data" in oracle.reason


def test_the_solution_level_f1_counts_any_error_called_and_silence_as_wrong():
    items = [
        row("a", 1, votes=[3], id="omnimath-0"),
        row("b", 1, votes=[None], id="omnimath-1"),
        row("c", None, votes=[None], id="omnimath-2"),
        row("d", None, votes=[-1], id="omnimath-3"),
    ]
    found = ProcessBenchVariants().evaluate(items).find(WHERE, "solution F1 (Olympiad + Omni)")
    assert found.value == pytest.approx(2 * 1 / (2 * 1 + 1 + 1))


def test_a_measure_that_is_not_there_is_named_with_those_that_are(published):
    with pytest.raises(ConfigError, match=r"no measure gsm8k/f1; there is gsm8k/error accuracy"):
        published.find("gsm8k", "f1")
