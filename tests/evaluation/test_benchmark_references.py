"""Protocols against loops over the rows as the published descriptions tell them, on random calls and at their ends."""

import random
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest
from benchmark_rows import BAD, GOOD, rated, row, valid_row
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from stepward.errors import DataError
from stepward.evaluation.benchmarks.agent_process_bench import AgentProcessBenchProtocol
from stepward.evaluation.benchmarks.big_bench_mistake import BigBenchMistakeProtocol
from stepward.evaluation.benchmarks.counting import Counted, Tally, Verdicts, verdict_counts
from stepward.evaluation.benchmarks.items import Item
from stepward.evaluation.benchmarks.mr_ben import MrBenProtocol
from stepward.evaluation.benchmarks.mr_gsm8k import MrGsm8kProtocol
from stepward.evaluation.benchmarks.prmbench import CODES, PrmBenchProtocol
from stepward.evaluation.benchmarks.processbench import SPLITS, ProcessBenchProtocol
from stepward.evaluation.benchmarks.thresholds import Threshold
from stepward.evaluation.benchmarks.verify_then_generate import VerifyThenGenerateProtocol
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Problem, StepScores

NEAR = 1e-9


def calls(seed: int, count: int = 120) -> list[tuple[int | None, int | None]]:
    """Actual and called first errors of traces of four steps; calls are right more often than not."""
    rng = random.Random(seed)
    places: list[int | None] = [None, 0, 1, 2, 3]
    actual = [rng.choice(places) for _ in range(count)]
    return [(a, a if rng.random() < 0.6 else rng.choice(places)) for a in actual]


def told(index: int | None) -> int:
    return -1 if index is None else index


def test_processbench_is_the_published_loop() -> None:
    items, f1s = [], []
    rng = random.Random(0)
    for seed, split in enumerate(SPLITS):
        hits: dict[bool, list[bool]] = {True: [], False: []}
        for at, (actual, said) in enumerate(calls(seed, 60)):
            votes = [None, told(said), told(said), told(said), rng.choice([-1, 0, 1, 2, 3])]
            items.append(row(f"{split}{at}", actual, votes=votes, id=f"{split}-{at}"))
            kept = [str(vote) for vote in votes if vote is not None]
            hits[actual is None].append(int(Counter(kept).most_common(1)[0][0]) == told(actual))
        a, b = (sum(hits[clean]) / len(hits[clean]) for clean in (False, True))
        f1s.append(2 * a * b / (a + b))
    result = ProcessBenchProtocol().evaluate(items)
    assert [result.find(split, "F1").value for split in SPLITS] == pytest.approx(f1s, abs=NEAR)
    assert result.main.value == pytest.approx(sum(f1s) / 4, abs=NEAR)


def test_a_delta_error_of_0_is_no_certainty_and_is_left_out() -> None:
    rows = [row(f"{i}", i % 2 or None, 1 if i % 2 else None, id=f"math-{i}") for i in range(8)]
    perfect = ProcessBenchProtocol().evaluate(rows).find("math", "F1")
    assert perfect.value == 1.0 and perfect.se is None
    assert perfect.low is not None and perfect.low < 0.7


def test_prmbench_is_the_published_confusion() -> None:
    rng, items = random.Random(1), []
    for kind in CODES:
        for at in range(12):
            good = [kind == "multi_solutions" or rng.random() < 0.7 for _ in range(5)]
            scores = [rng.choice([0.2, 0.5, 0.6, 0.9]) for _ in good]
            items.append(valid_row(f"{kind}{at}", good, scores, error_class=kind, idx=str(at)))
    result = PrmBenchProtocol().evaluate(items)

    def both(kinds: Sequence[str]) -> tuple[float, float]:
        own = [item for item in items if item.told("error_class") in kinds]
        true = [label.good for item in own for label in item.labeled.labels if label is not None]
        said = [value > 0.5 for item in own for value in item.values]
        return f1_score(true, said), f1_score(true, said, pos_label=False, zero_division=0.0)

    for kind, code in CODES.items():
        expected = both([kind])[0] if code == "MS" else sum(both([kind])) / 2
        assert result.find(code, "PRMScore").value == pytest.approx(expected, abs=NEAR)
    assert result.main.value == pytest.approx(sum(both(list(CODES))) / 2, abs=NEAR)
    simple = (sum(both(["redundency"])) + sum(both(["circular"]))) / 4
    assert result.find("Simplicity", "PRMScore").value == pytest.approx(simple, abs=NEAR)


@pytest.mark.parametrize("seed", range(3))
def test_the_mr_score_is_its_formula_with_scikit_learns_mcc(seed: int) -> None:
    rng, pairs = random.Random(seed), calls(seed)
    reasons = [rng.random() < 0.5 for _ in pairs]
    items = [row(f"{i}", a, c, reason=r) for i, ((a, c), r) in enumerate(zip(pairs, reasons, strict=True))]
    result = MrGsm8kProtocol().evaluate(items)
    mcc = matthews_corrcoef([a is None for a, _ in pairs], [c is None for _, c in pairs])
    wrong = [(a == c, r) for (a, c), r in zip(pairs, reasons, strict=True) if a is not None]
    step, reason = sum(hit for hit, _ in wrong) / len(wrong), sum(hit and r for hit, r in wrong) / len(wrong)
    assert result.find("all", "MCC").value == pytest.approx(mcc, abs=NEAR)
    assert result.main.value == pytest.approx(0.2 * max(0, mcc) + 0.3 * step + 0.5 * reason, abs=NEAR)


def unplaced(name: str, said: int | None, *, domain: str, reason: bool | None = None) -> Item:
    """A wrong solution whose error has no place."""
    kept = row(name, None, said, domain=domain, reason=reason, unplaced="error number is beyond the last step")
    return Item(
        problem=kept.problem,
        labeled=LabeledTrace(trace=kept.labeled.trace, labels=(None,) * 4),
        scores=kept.scores,
        reason_right=reason,
    )


def test_a_wrong_solution_without_a_place_counts_with_its_verdict_and_its_step_is_named_by_nobody() -> None:
    math = [row("a", None, None, domain="math"), row("b", 1, 1, domain="math", reason=True)]
    math += [unplaced("c", 1, domain="math", reason=True), unplaced("d", None, domain="math")]
    code = [row("e", None, None, domain="coding"), unplaced("f", 2, domain="coding", reason=True)]
    result = MrBenProtocol().evaluate([*math, *code])
    assert result.find("math", "ACC_step").value == pytest.approx(1 / 3)
    assert result.find("math", "MCC").value == pytest.approx(matthews_corrcoef([1, 0, 0, 0], [1, 0, 0, 1]))
    assert result.find("coding", "ACC_step").value == result.find("coding", "ACC_reason").value == 1.0
    assert "3 wrong solutions have an error step without a place: nobody names it" in result.notes
    only = MrGsm8kProtocol().evaluate([unplaced("c", 1, domain=""), row("a", None, None)])
    assert only.why_not == ("(1, 1) right and wrong solutions, published are (1427, 1573)",)


def test_pupils_and_corrected_solutions_together_are_the_scripts_classification() -> None:
    pairs = calls(5)
    result = VerifyThenGenerateProtocol().evaluate([row(f"{i}", a, c) for i, (a, c) in enumerate(pairs)])
    true, said = [a is not None for a, _ in pairs], [c is not None for _, c in pairs]
    exact = accuracy_score([told(a) for a, _ in pairs], [told(c) for _, c in pairs])
    both = "with corrected solutions"
    assert result.find(both, "step or none").value == pytest.approx(exact, abs=NEAR)
    assert result.find(both, "F1 of wrong").value == pytest.approx(f1_score(true, said), abs=NEAR)
    assert result.find(both, "macro F1").value == pytest.approx(f1_score(true, said, average="macro"), abs=NEAR)
    wrong = [(a, c) for a, c in pairs if a is not None]
    assert result.main.value == pytest.approx(sum(a == c for a, c in wrong) / len(wrong), abs=NEAR)
    assert result.main.items == len(wrong)
    alone = VerifyThenGenerateProtocol().evaluate([row(f"{i}", a, c) for i, (a, c) in enumerate(wrong)])
    assert all(group.name != both for group in alone.groups)


def test_big_bench_mistake_is_exact_matches_by_task() -> None:
    tasks = ("dyck_languages", "word_sorting")
    pairs = {task: calls(seed) for seed, task in enumerate(tasks)}
    items = [row(f"{task}{i}", a, c, domain=task) for task in tasks for i, (a, c) in enumerate(pairs[task])]
    result = BigBenchMistakeProtocol().evaluate(items)
    accuracy = [sum(a == c for a, c in pairs[task]) / len(pairs[task]) for task in tasks]
    assert result.main.value == pytest.approx(sum(accuracy) / 2, abs=NEAR)


def test_agent_ratings_and_first_minus_ones_are_the_published_loop() -> None:
    rng, items, steps, firsts = random.Random(2), [], [], []
    worth = {-1: 0.1, 0: 0.5, 1: 0.9}
    for at in range(60):
        ratings = [rng.choice([None, -1, 0, 1, 1]) for _ in range(5)] + [1]
        said = [r if r is not None and rng.random() < 0.6 else rng.choice([-1, 0, 1]) for r in ratings]
        items.append(rated(f"{at}", ratings, [worth[s] for s in said], source=f"set{at % 2}"))
        steps += [s == r for s, r in zip(said, ratings, strict=True) if r is not None]
        mine, theirs = ([i for i, r in enumerate(ratings) if r is not None and row[i] == -1] for row in (said, ratings))
        firsts.append(mine[:1] == theirs[:1])
    result = AgentProcessBenchProtocol(threshold=Threshold(tau=0.3), good_from=0.7).evaluate(items)
    assert result.main.value == pytest.approx(sum(steps) / len(steps), abs=NEAR)
    assert result.find("all, pooled", "first error").value == pytest.approx(sum(firsts) / len(firsts), abs=NEAR)


@pytest.mark.parametrize(
    "pairs",
    [
        [(True, True), (False, False)],
        [(True, False), (False, True)],
        [(True, True), (True, False)],
        [(False, True), (False, False), (False, True)],
        [(bool(i % 3), bool(i % 2)) for i in range(31)],
    ],
)
def test_mcc_is_scikit_learns_and_0_where_every_call_is_alike(
    pairs: list[tuple[bool, bool]],
) -> None:
    counted = Counted.of([Tally(problem=str(i), counts=verdict_counts("v", [p])) for i, p in enumerate(pairs)], seed=0)
    verdicts = Verdicts.of(counted, "v")
    said, true = zip(*pairs, strict=True)
    assert verdicts.mcc[0] == pytest.approx(matthews_corrcoef(true, said), abs=NEAR)
    assert verdicts.f1[0] == pytest.approx(f1_score(true, said), abs=NEAR)
    assert verdicts.alike == (len(set(said)) == 1)
    assert np.isnan(Verdicts.of(counted, "nothing").mcc[0])


def test_a_trace_without_labels_has_no_first_error_in_other_benchmarks() -> None:
    trace = from_steps("p", ["a", "b"], meta={"id": "math-0"})
    bare = Item(
        problem=Problem(id="p", text="p"),
        labeled=LabeledTrace(trace=trace, labels=(None, None)),
        scores=StepScores(values=(0.9, 0.1)),
    )
    with pytest.raises(DataError, match="first error is unknown"):
        ProcessBenchProtocol().evaluate([bare])
    half = Item(problem=bare.problem, labeled=LabeledTrace(trace=trace, labels=(GOOD, BAD)), scores=bare.scores)
    assert ProcessBenchProtocol().evaluate([half]).find("math", "error accuracy").value == 1.0
