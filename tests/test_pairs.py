"""Pairs of siblings: who is paired with whom, and a reason for everyone who is not."""

import pytest
from scipy.integrate import quad
from scipy.stats import beta

from stepward.errors import ConfigError
from stepward.pairs import SiblingPairs, surely_better
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Problem, StepLabel

Q = Problem(id="p", text="q")


def rolled(*steps: tuple[str, int | None], problem: Problem = Q, n: int = 8) -> tuple[Problem, LabeledTrace]:
    trace = from_steps(problem.id, [text for text, _ in steps], "\n")
    labels = [
        None if k is None else StepLabel(target="value", value=k / n, source="rollout", successes=k, trials=n)
        for _, k in steps
    ]
    return problem, LabeledTrace(trace=trace, labels=tuple(labels))


def judged(*steps: tuple[str, float]) -> tuple[Problem, LabeledTrace]:
    trace = from_steps("p", [text for text, _ in steps], "\n")
    labels = [StepLabel(target="prefix", value=value, source="human") for _, value in steps]
    return Q, LabeledTrace(trace=trace, labels=tuple(labels))


def pairs(rule: SiblingPairs, *items: tuple[Problem, LabeledTrace]) -> list[tuple[str, str]]:
    return [(pair.chosen.text, pair.rejected.text) for pair in rule.choose(items).pairs]


@pytest.mark.parametrize(("first", "second"), [((8, 8), (0, 8)), ((5, 8), (3, 8)), ((0, 4), (0, 32)), ((1, 1), (3, 9))])
def test_the_chance_of_being_better_is_the_integral_of_both_posteriors(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    one, two = (beta(0.5 + k, 0.5 + n - k) for k, n in (first, second))
    exact = quad(lambda x: one.pdf(x) * two.cdf(x), 0, 1, limit=500)[0]
    assert surely_better(first, second) == pytest.approx(exact, abs=1e-3)
    assert surely_better(first, second) + surely_better(second, first) == pytest.approx(1, abs=1e-3)


def test_only_siblings_of_sure_order_are_paired() -> None:
    items = [rolled(("a", 8), ("x", 8)), rolled(("b", 5), ("y", 0)), rolled(("c", 0))]
    found = SiblingPairs().choose(items)
    assert [(p.chosen.text, p.rejected.text, p.prefix, p.margin) for p in found.pairs] == [("a", "c", (), 1.0)]
    assert pairs(SiblingPairs(take="all"), *items) == [("a", "c"), ("b", "c"), ("a", "b")]
    assert found.left_out == {"labelled steps in no pair": 3, "pairs beside the ones taken of their place": 2}
    assert pairs(SiblingPairs(take="all", sure=0.99), *items) == [("a", "c"), ("b", "c")]


def test_ties_and_small_margins_are_left_out_and_counted() -> None:
    items = [rolled(("a", 8)), rolled(("b", 8)), rolled(("c", 6))]
    found = SiblingPairs(take="all", sure=0.0, margin=0.3).choose(items)
    assert (found.pairs, found.left_out["ties"], found.left_out["pairs within the margin"]) == ((), 1, 2)


def test_the_widest_pair_of_like_length_is_taken() -> None:
    items = [rolled(("a" * 10, 8)), rolled(("b" * 12, 1)), rolled(("c" * 30, 0))]
    assert pairs(SiblingPairs(length_ratio=1.5), *items) == [("a" * 10, "b" * 12)]
    assert SiblingPairs(length_ratio=1.5).choose(items).left_out["pairs of unlike length"] == 1


def test_a_problem_keeps_its_widest_pairs_up_to_the_cap() -> None:
    other = Problem(id="o", text="other")
    items = [
        *(rolled(("a", 8), ("x", 8)), rolled(("b", 0)), rolled(("a", 8), ("y", 2))),
        *(rolled(("a", 8), problem=other), rolled(("b", 1), problem=other)),
    ]
    found = SiblingPairs(most=1).choose(items)
    assert [(p.problem.id, p.chosen.text) for p in found.pairs] == [("p", "a"), ("o", "a")]
    assert found.left_out["pairs over the cap of their problem"] == 1


def test_two_best_against_two_worst() -> None:
    items = [rolled((name, k), n=64) for name, k in (("a", 60), ("b", 50), ("c", 32), ("d", 20), ("e", 5))]
    assert sorted(pairs(SiblingPairs(take="two"), *items)) == [("a", "d"), ("a", "e"), ("b", "d"), ("b", "e")]


def test_pairs_behind_a_wrong_step_are_left_out_where_asked() -> None:
    items = [judged(("a", 1.0), ("x", 1.0)), judged(("a", 1.0), ("y", 0.0)), judged(("b", 0.0), ("u", 1.0))]
    items.append(judged(("b", 0.0), ("v", 0.0)))
    assert pairs(SiblingPairs(right_prefix=True), *items) == [("a", "b"), ("x", "y")]
    found = SiblingPairs(right_prefix=True).choose(items)
    assert (found.left_out["pairs behind a wrong step"], found.uncounted) == (1, 2)
    assert len(SiblingPairs().choose(items).pairs) == 3


def test_equal_counts_on_a_shared_prefix_are_the_same_completions_and_count_once() -> None:
    items = [rolled(("a", 6)), rolled(("a", 6), ("x", None)), rolled(("b", 3))]
    (pair,) = SiblingPairs(sure=0.0).choose(items).pairs
    assert pair.chosen.counts == (6, 8)
    assert not SiblingPairs(sure=0.95).choose(items).pairs, "6 of 8 against 3 of 8 is 0.93; 12 of 16 would be sure"
    assert surely_better((12, 16), (3, 8)) > 0.95


@pytest.mark.parametrize(
    "bad",
    [{"take": "best"}, {"margin": -1.0}, {"sure": 1.0}, {"length_ratio": 0.5}, {"most": -1}],
)
def test_rules_out_of_range_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        SiblingPairs(**bad)  # type: ignore[arg-type]
