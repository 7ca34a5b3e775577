from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from labelled import PROBLEM, marked, rolled, values

from stepward.errors import ConfigError, LabelError
from stepward.protocols import Relabeler
from stepward.relabel.advantage import Advantage
from stepward.relabel.effective import Effective, effective_reward
from stepward.relabel.progress import Progress
from stepward.relabel.ratio import Ratio
from stepward.relabel.soft_value import SoftValue, soft_value
from stepward.relabel.values import Move
from stepward.types import LabeledTrace

RELATIVE = (Progress(), Ratio(), Advantage(), Effective())


def counted(root: tuple[int, int] | None, counts: Sequence[tuple[int, int] | None]) -> LabeledTrace:
    meta = {} if root is None else {"root": {"successes": root[0], "trials": root[1]}}
    return replace(rolled(counts), meta=meta)


def remade(relabeler: Relabeler, root: tuple[int, int], counts: Sequence[tuple[int, int] | None]) -> LabeledTrace:
    return relabeler.relabel(PROBLEM, [counted(root, counts)])[0]


SHEPHERD = [(5, 10), (5, 10), (3, 10), (3, 10), (0, 10), (0, 10)]


def test_relative_progress_estimation_agrees_with_the_golden_vector() -> None:
    made = remade(Ratio(), (6, 10), SHEPHERD)
    assert values(made) == [1, 1, 0, 1, 0, 0]
    assert made.target == "validity"


def test_a_step_behind_a_zero_is_bad_even_where_the_trace_recovers() -> None:
    assert values(remade(Ratio(), (4, 8), [(0, 8), (4, 8), None, (8, 8)])) == [0, 0, None, 0]
    assert values(remade(Ratio(), (0, 8), [(4, 8)])) == [0]


def test_a_step_behind_an_unlabelled_one_stays_unlabelled() -> None:
    assert values(remade(Ratio(), (4, 8), [None, (4, 8), (4, 8)])) == [None, None, 1]
    assert values(remade(Progress(), (4, 8), [None, (4, 8), (6, 8)])) == [None, None, 0.25]


def test_progress_is_what_a_step_gains_and_sums_to_the_whole_gain() -> None:
    made = remade(Progress(), (4, 8), [(6, 8), (2, 8), (8, 8)])
    assert values(made) == [0.25, -0.5, 0.75]
    assert sum(label.value for label in made.labels if label) == pytest.approx(8 / 8 - 4 / 8)
    assert made.target == "progress" and made.labels[0] is not None and made.labels[0].successes is None


@pytest.mark.parametrize(("before", "after"), [(0.1, 0.5), (0.5, 0.9), (0.9, 0.1)])
def test_advantage_under_the_best_of_four_agrees_with_the_golden_values(before: float, after: float) -> None:
    best = {0.1: 0.3439, 0.5: 0.9375, 0.9: 0.9999}
    made = remade(Advantage(best_of=4), (int(10 * before), 10), [(int(10 * after), 10)])
    assert values(made)[0] == pytest.approx(best[after] - best[before], abs=1e-3)


def test_the_best_of_one_is_plain_progress() -> None:
    assert values(remade(Advantage(best_of=1), (4, 8), SHEPHERD)) == values(remade(Progress(), (4, 8), SHEPHERD))


def test_a_step_that_throws_most_of_the_value_away_is_bad_only_for_the_effective_label() -> None:
    """From .8 to .1: Q_4 falls from .9984 to .3439, so e = .1 - .6545 alpha."""
    move = Move(before=0.8, after=0.1)
    assert effective_reward(move, alpha=1.0, best_of=4) == pytest.approx(0.1 - (0.9984 - 0.3439), abs=1e-4)
    assert values(remade(Effective(), (8, 10), [(1, 10), (1, 10), (0, 10)])) == [0, 1, 0]
    assert values(remade(Effective(alpha=0.0), (8, 10), [(1, 10), (0, 10)])) == [1, 0]


@pytest.mark.parametrize(("value", "soft"), [(0.0, 0.0), (0.25, 0.3574), (0.5, 0.6201), (1.0, 1.0)])
def test_soft_values_agree_with_the_golden_vector(value: float, soft: float) -> None:
    assert soft_value(value, 1.0) == pytest.approx(soft, abs=1e-3)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(-500, 500).filter(lambda eta: abs(eta) > 1e-3))
def test_soft_values_keep_the_order_and_lean_to_the_side_of_eta(one: float, other: float, eta: float) -> None:
    low, high = sorted((one, other))
    assert 0 <= soft_value(low, eta) <= soft_value(high, eta) + 1e-9 <= 1 + 1e-9
    lean = soft_value(one, eta) - one
    assert lean >= -1e-9 if eta > 0 else lean <= 1e-9


def test_a_small_eta_leaves_the_mean_and_a_large_one_calls_any_success_enough() -> None:
    assert soft_value(0.3, 1e-6) == pytest.approx(0.3, abs=1e-6)
    assert soft_value(0.125, 1000.0) > 0.99 and soft_value(0.875, -1000.0) < 0.01
    made = SoftValue(eta=1.0).relabel(PROBLEM, [rolled([(4, 8), None, (0, 8)])])[0]
    assert values(made) == [0.6201, None, 0] and made.target == "value"


@pytest.mark.parametrize("relabeler", RELATIVE, ids=lambda each: type(each).__name__)
def test_without_counts_of_the_empty_prefix_the_mend_is_named(relabeler: Relabeler) -> None:
    with pytest.raises(LabelError, match="root: true"):
        relabeler.relabel(PROBLEM, [counted(None, [(1, 8)])])
    with pytest.raises(LabelError, match="0 <= k <= n"):
        relabeler.relabel(PROBLEM, [counted((9, 8), [(1, 8)])])


@pytest.mark.parametrize("relabeler", (*RELATIVE, SoftValue()), ids=lambda each: type(each).__name__)
def test_labels_that_are_no_values_are_refused_and_empty_traces_pass(relabeler: Relabeler) -> None:
    with pytest.raises(LabelError, match="value labels"):
        relabeler.relabel(PROBLEM, [replace(marked("+-"), meta={"root": {"successes": 1, "trials": 2}})])
    assert relabeler.relabel(PROBLEM, [rolled([])])[0].labels == ()
    undecided = counted((0, 0), [(1, 2)])
    made = relabeler.relabel(PROBLEM, [undecided])[0]
    assert values(made)[0] is None or relabeler == SoftValue(), "a root of which nothing was decided has no value"


def test_the_maker_of_the_values_stays_on_record() -> None:
    label = remade(Advantage(best_of=2), (4, 8), [(6, 8)]).labels[0]
    assert label is not None
    assert label.origin.maker == "relabeler:advantage" and label.origin.settings["best_of"] == 2
    assert label.origin.settings["of"] == "unknown"


def test_settings_out_of_range_are_refused() -> None:
    for make in (lambda: Ratio(epsilon=0.0), lambda: Advantage(best_of=0), lambda: Effective(alpha=-1.0)):
        with pytest.raises(ConfigError):
            make()
    with pytest.raises(ConfigError, match="other than 0"):
        SoftValue(eta=0.0)
