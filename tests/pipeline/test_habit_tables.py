import math

from stepward.evaluation.robustness.habits import Bias, OutcomeDrift
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.habit_tables import Habits, habit_tables

HALF = Interval(value=0.5, low=0.4, high=0.6)
NONE = Interval(value=math.nan, low=math.nan, high=math.nan)


def bias(trait: str, right: bool, found: Interval) -> Bias:
    return Bias(how="min", right=right, trait=trait, traces=7, correlation=found, within=NONE)  # type: ignore[arg-type]


def test_traits_that_do_not_vary_and_columns_without_a_number_are_left_out() -> None:
    drift = OutcomeDrift(traces=9, last_is_lowest=HALF, chance=HALF)
    biases = (bias("steps", True, NONE), bias("characters", True, HALF), bias("characters", False, HALF))
    drifted, liked = habit_tables([Habits("prm", drift, biases)])
    assert (drifted.title, drifted.rows[0][:2]) == ("Outcome drift", ("prm", 9))
    assert liked.columns == ("scorer", "aggregate, trait", "right", "wrong")
    assert [row[:2] for row in liked.rows] == [("prm", "min, characters")] and "7 right and 7 wrong" in liked.note


def test_one_scorer_without_a_name_has_no_column_and_no_trace_no_table() -> None:
    drift = OutcomeDrift(traces=9, last_is_lowest=HALF, chance=HALF)
    (table,) = habit_tables([Habits(None, drift, ())])
    assert table.columns == ("traces", "lowest at the last step", "by chance")
    assert habit_tables([Habits("prm", OutcomeDrift(traces=0, last_is_lowest=NONE, chance=NONE), ())]) == ()
