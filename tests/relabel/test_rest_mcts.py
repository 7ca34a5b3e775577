import pytest

from stepward.errors import ConfigError, LabelError
from stepward.relabel.rest_mcts import RestMctsValues, quality_values
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import LabeledTrace, Outcome, Problem, StepLabel, Target, Verdict

PROBLEM = Problem(id="p", text="?", answer="1")


def ended(
    text: str,
    outcome: Outcome = "equal",
    labels: list[float | None] | None = None,
    target: Target = "prefix",
) -> LabeledTrace:
    trace = cut("p", text, Newline())
    made = [None if v is None else StepLabel(target=target, value=v, source="human") for v in labels or []]
    return LabeledTrace(trace=trace, labels=tuple(made) or (None,) * len(trace), verdict=Verdict(outcome=outcome))


def values(labeled: LabeledTrace) -> list[float | None]:
    return [label.value if label else None for label in labeled.labels]


def near(*expected: float | None) -> object:
    return pytest.approx(list(expected), abs=1e-9)


def test_the_published_example() -> None:
    assert quality_values([1, 1, -1, 1], [4, 3, 3, 2]) == pytest.approx([0.25, 0.5, 1 / 3, 2 / 3], abs=1e-3)


def test_the_value_never_leaves_zero_to_one_and_odd_input_is_refused() -> None:
    assert quality_values([-1, -1, 1], [1, 3, 1]) == [0, 0, 1]
    with pytest.raises(LabelError, match="distances"):
        quality_values([1], [0])
    with pytest.raises(LabelError, match="rewards"):
        quality_values([1.5], [1])


def test_a_straight_right_solution_rises_evenly() -> None:
    assert values(RestMctsValues().relabel(PROBLEM, [ended("a\nb\nc\nright")])[0]) == near(0.25, 0.5, 0.75, 1.0)


def test_a_branch_off_the_right_way_takes_the_distance_of_where_it_left() -> None:
    right, wrong = ended("a\nb\nc\nright"), ended("a\nb\nx\ny\nwrong", "different")
    _, off = RestMctsValues().relabel(PROBLEM, [right, wrong])
    after = [0.5 - 0.5 / 3]
    after.append(after[-1] - (1 - after[-1]) / 3)
    after.append(max(0.0, after[-1] - (1 - after[-1]) / 3))
    assert values(off) == near(0.25, 0.5, *after)


def test_a_branch_at_the_first_step_takes_the_distance_of_the_problem() -> None:
    soft = RestMctsValues(rewards="soft")
    right, wrong = ended("a\nright", labels=[1, 1]), ended("x\nwrong", "different", [0.75, 0.0])
    assert values(soft.relabel(PROBLEM, [right, wrong])[1]) == near(0.5 / 3, 0.0)


def test_the_shortest_right_way_counts() -> None:
    long, short = ended("a\nb\nc\nright"), ended("a\nright")
    assert values(RestMctsValues().relabel(PROBLEM, [long, short])[0]) == near(1 / 2, 2 / 3, 5 / 6, 1.0)


def test_labels_may_say_which_steps_are_good() -> None:
    right = ended("a\nb\nright", labels=[1, 0, 1])
    assert values(RestMctsValues(rewards="hard").relabel(PROBLEM, [right])[0]) == near(1 / 3, 0.0, 1.0)
    assert values(RestMctsValues().relabel(PROBLEM, [right])[0]) == near(1 / 3, 2 / 3, 1.0)


def test_behind_an_unlabelled_step_nothing_is_known() -> None:
    right = ended("a\nb\nright", labels=[1, None, 1])
    assert values(RestMctsValues(rewards="hard").relabel(PROBLEM, [right])[0]) == near(1 / 3, None, None)


def test_without_a_right_trace_nothing_is_labelled_and_the_record_says_so() -> None:
    done = RestMctsValues().relabel(PROBLEM, [ended("a\nwrong", "different"), ended("b?", "undecided")])
    assert [values(each) for each in done] == [[None, None], [None]]
    assert {each.meta["rest_mcts"] for each in done} == {"no right trace"}


def test_what_is_undecided_is_not_called_wrong() -> None:
    done = RestMctsValues().relabel(PROBLEM, [ended("a\nright"), ended("a\nb?", "undecided")])
    assert values(done[1]) == near(0.5, None)


def test_progress_labels_and_unknown_rewards_are_refused() -> None:
    progress = ended("a\nright", labels=[0.1, 0.2], target="progress")
    with pytest.raises(LabelError, match="gained"):
        RestMctsValues(rewards="hard").relabel(PROBLEM, [progress])
    with pytest.raises(ConfigError, match="rewards"):
        RestMctsValues(rewards="paper")  # type: ignore[arg-type]


def test_no_traces_and_traces_without_steps_are_fine() -> None:
    assert RestMctsValues().relabel(PROBLEM, []) == []
    assert RestMctsValues().relabel(PROBLEM, [ended("")])[0].labels == ()
