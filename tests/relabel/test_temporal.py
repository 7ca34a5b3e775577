import pytest

from stepward.errors import ConfigError, LabelError
from stepward.relabel.temporal import TemporalDifference, advantages
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import Json, LabeledTrace, Outcome, Problem, StepLabel, Target, Verdict

PROBLEM = Problem(id="p", text="?", answer="1")


def valued(
    labels: list[float | None],
    outcome: Outcome = "equal",
    *,
    finish: str = "stop",
    target: Target = "value",
    root: Json = None,
) -> LabeledTrace:
    text = "\n".join("abcdefgh"[: len(labels)])
    trace = cut("p", text, Newline(), finish=finish)  # type: ignore[arg-type]
    made = [None if v is None else StepLabel(target=target, value=v, source="rollout") for v in labels]
    meta: dict[str, Json] = {"root": root} if root else {}
    return LabeledTrace(trace=trace, labels=tuple(made), verdict=Verdict(outcome=outcome), meta=meta)


def values(labeled: LabeledTrace) -> list[float | None]:
    return [label.value if label else None for label in labeled.labels]


def relabel(labeled: LabeledTrace, **settings: object) -> list[float | None]:
    return values(TemporalDifference(**settings).relabel(PROBLEM, [labeled])[0])  # type: ignore[arg-type]


def test_the_worked_example_of_generalised_advantages() -> None:
    found = advantages([0, 0, 1], [0.5, 0.6, 0.8], gamma=1.0, decay=0.95)
    assert found == pytest.approx([0.4705, 0.39, 0.2], abs=1e-9)


def test_progress_labels_are_the_advantages_from_the_empty_prefix_on() -> None:
    labeled = valued([0.6, 0.8, 0.3])
    assert relabel(labeled, target="progress", start=0.5) == pytest.approx([0.4705, 0.39, 0.2])
    made = TemporalDifference(target="progress", start=0.5).relabel(PROBLEM, [labeled])[0]
    assert made.target == "progress"
    assert made.labels[0] is not None and made.labels[0].origin.settings["of"] == "unknown"


def test_value_labels_are_lambda_returns_and_the_last_is_the_outcome() -> None:
    assert relabel(valued([0.6, 0.8, 0.3])) == pytest.approx([0.6 + 0.39, 0.8 + 0.2, 1.0])


def test_lambda_one_is_the_outcome_and_lambda_zero_the_next_value() -> None:
    assert relabel(valued([0.6, 0.8, 0.3], "different"), decay=1.0) == pytest.approx([0, 0, 0], abs=1e-12)
    assert relabel(valued([0.6, 0.8, 0.3]), decay=0.0) == pytest.approx([0.8, 1.0, 1.0])


def test_a_discount_shrinks_what_is_far() -> None:
    assert relabel(valued([0.6, 0.8, 0.3]), decay=1.0, gamma=0.5) == pytest.approx([0.5, 1.0, 1.0])


def test_a_trace_cut_short_or_undecided_ends_in_its_last_value() -> None:
    short = valued([0.6, 0.8, 0.3], "unparsable", finish="length")
    assert relabel(short, decay=1.0) == pytest.approx([0.3, 0.3, 0.3])
    assert relabel(valued([0.6, 0.8, 0.3], "undecided"), decay=1.0) == pytest.approx([0.3, 0.3, 0.3])


def test_the_outcome_stands_in_for_an_unlabelled_last_step_but_for_no_other() -> None:
    assert relabel(valued([0.6, None]), decay=0.0) == [1.0, 1.0]
    gap = TemporalDifference().relabel(PROBLEM, [valued([None, 0.5])])[0]
    assert values(gap) == [None, None]
    assert gap.meta["temporal"] == "unlabelled steps"
    assert relabel(valued([0.6, None], "undecided")) == [None, None]


def test_the_empty_prefix_is_worth_its_counts_or_else_the_share_of_right_traces() -> None:
    counted = valued([0.5], root={"successes": 1, "trials": 4})
    assert relabel(counted, target="progress") == [0.75]
    group = [valued([0.5]), valued([0.5], "different")]
    done = TemporalDifference(target="progress").relabel(PROBLEM, group)
    assert [values(each) for each in done] == [[0.5], [-0.5]]
    with pytest.raises(LabelError, match="empty prefix"):
        relabel(valued([0.5], "undecided"), target="progress")


def test_other_labels_and_settings_are_refused() -> None:
    with pytest.raises(LabelError, match="value labels"):
        relabel(valued([1.0], target="prefix"))
    with pytest.raises(ConfigError, match="decay"):
        TemporalDifference(decay=1.5)
    with pytest.raises(ConfigError, match="target"):
        TemporalDifference(target="prefix")  # type: ignore[arg-type]


def test_an_empty_trace_stays_empty() -> None:
    assert relabel(valued([])) == []
