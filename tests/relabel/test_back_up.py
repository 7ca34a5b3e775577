import math

import pytest

from stepward.errors import ConfigError
from stepward.relabel.back_up import BackUp, soft_max
from stepward.relabel.discounted import DiscountedOutcome
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import LabeledTrace, Outcome, Problem, StepLabel, Verdict

PROBLEM = Problem(id="p", text="?", answer="1")


def ended(text: str, outcome: Outcome | None = "equal", finish: str = "stop") -> LabeledTrace:
    trace = cut("p", text, Newline(), finish=finish)  # type: ignore[arg-type]
    verdict = Verdict(outcome=outcome) if outcome else None
    return LabeledTrace(trace=trace, labels=(None,) * len(trace), verdict=verdict)


GROUP = [ended("a\nb\nright"), ended("a\nb\nwrong", "different"), ended("a\nc", "different"), ended("d\nright")]


def values(labeled: LabeledTrace) -> list[float | None]:
    return [label.value if label else None for label in labeled.labels]


def counts(labeled: LabeledTrace) -> list[tuple[int | None, int | None] | None]:
    return [(label.successes, label.trials) if label else None for label in labeled.labels]


def test_the_mean_is_the_share_of_right_traces_through_a_step() -> None:
    done = BackUp().relabel(PROBLEM, GROUP)
    assert [counts(each) for each in done] == [
        [(1, 3), (1, 2), (1, 1)],
        [(1, 3), (1, 2), (0, 1)],
        [(1, 3), (0, 1)],
        [(1, 1), (1, 1)],
    ]
    assert {label.source for each in done for label in each.labels if label} == {"tree"}
    assert [each.trace for each in done] == [each.trace for each in GROUP]
    assert all(each.target == "value" and each.verdict is not None for each in done)


def test_the_maximum_says_whether_any_trace_through_a_step_is_right() -> None:
    done = BackUp(how="max").relabel(PROBLEM, GROUP)
    assert [values(each) for each in done] == [[1, 1, 1], [1, 1, 0], [1, 0], [1, 1]]
    assert counts(done[0])[0] == (None, None)


@pytest.mark.parametrize(("share", "expected"), [(0.0, 0.0), (0.25, 0.3574), (0.5, 0.6201), (1.0, 1.0)])
def test_the_soft_maximum_of_shares_is_the_published_one(share: float, expected: float) -> None:
    endings = [1.0] * round(4 * share) + [0.0] * round(4 * (1 - share))
    assert BackUp(how="soft_max").value(endings) == pytest.approx(expected, abs=1e-4)
    assert soft_max(endings, 1.0) == pytest.approx(math.log(1 - share + share * math.e), abs=1e-12)


def test_the_soft_maximum_goes_from_the_mean_to_the_maximum_without_overflow() -> None:
    endings = [1.0, 0.0, 0.0, 0.5]
    assert soft_max(endings, 1e-6) == pytest.approx(0.375, abs=1e-5)
    assert soft_max(endings, 1e6) == pytest.approx(1.0, abs=1e-5)


def test_backing_up_children_first_gives_the_same_as_all_endings_at_once() -> None:
    left, right = [1.0, 0.0, 0.0], [1.0, 1.0]
    both = [*[soft_max(left, 2.0)] * 3, *[soft_max(right, 2.0)] * 2]
    assert soft_max(both, 2.0) == pytest.approx(soft_max([*left, *right], 2.0), abs=1e-12)


def test_undecided_traces_count_nowhere_and_a_step_only_they_have_is_unlabelled() -> None:
    done = BackUp().relabel(PROBLEM, [ended("a\nright"), ended("a\nb?", "undecided"), ended("c", None)])
    assert [counts(each) for each in done] == [[(1, 1), (1, 1)], [(1, 1), None], [None]]
    assert done[0].meta == {"traces": 3, "without_outcome": 2}


def test_a_trace_that_was_cut_short_is_worth_the_label_of_its_last_step() -> None:
    short = ended("a\nb", "unparsable", finish="length")
    rolled = StepLabel(target="value", value=0.75, source="rollout", successes=3, trials=4)
    known = LabeledTrace(trace=short.trace, labels=(None, rolled), verdict=short.verdict)
    assert values(BackUp().relabel(PROBLEM, [known, ended("a\nwrong", "different")])[0]) == [0.375, 0.75]
    assert values(BackUp().relabel(PROBLEM, [short])[0]) == [0.0, 0.0]


def test_steps_with_too_few_endings_are_left_unlabelled() -> None:
    assert [counts(each) for each in BackUp(fewest=2).relabel(PROBLEM, GROUP)] == [
        [(1, 3), (1, 2), None],
        [(1, 3), (1, 2), None],
        [(1, 3), None],
        [None, None],
    ]


def test_no_traces_and_traces_without_steps_are_fine() -> None:
    assert BackUp().relabel(PROBLEM, []) == []
    assert BackUp().relabel(PROBLEM, [ended("")])[0].labels == ()


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ConfigError, match="eta"):
        BackUp(eta=0.0)
    with pytest.raises(ConfigError, match="fewest"):
        BackUp(fewest=0)
    with pytest.raises(ConfigError, match="mean, max or soft_max"):
        BackUp(how="median")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="gamma"):
        DiscountedOutcome(gamma=0.0)


def test_discounted_outcomes_count_the_steps_that_still_follow() -> None:
    right, wrong = ended("a\nb\nright"), ended("a\nwrong", "different")
    done = DiscountedOutcome(gamma=0.5).relabel(PROBLEM, [right, wrong])
    first = ((0.25 - 0.5) / 2 + 1) / 2
    assert values(done[0]) == [first, 0.75, 1.0]
    assert values(done[1]) == [first, 0.0]


def test_counted_from_the_start_late_steps_of_a_winning_run_count_for_less() -> None:
    done = DiscountedOutcome(gamma=0.5, count_from="start").relabel(PROBLEM, [ended("a\nb\nright")])
    assert values(done[0]) == [1.0, 0.75, 0.625]


def test_discounted_outcomes_leave_out_what_is_undecided() -> None:
    done = DiscountedOutcome().relabel(PROBLEM, [ended("a\nright"), ended("a\nb?", "undecided")])
    assert values(done[1]) == [0.975, None]
