import math
import pickle

import pytest

from stepward.combine.gates import Evidence, GatedOut, Gates, gate_pool, gate_report
from stepward.errors import ConfigError, ScoreError
from stepward.types import Spend, Step, StepScores, Trace

FINE = Evidence(steps=(0.9, 0.8), characters=20)


@pytest.mark.parametrize(
    ("gates", "evidence", "reason"),
    [
        (Gates(), Evidence(steps=()), "no steps"),
        (Gates(min_step=0.5), Evidence(steps=(0.9, 0.2)), "step 1 scores 0.2, below 0.5"),
        (Gates(max_steps=1), FINE, "2 steps, over 1"),
        (Gates(max_characters=19), FINE, "20 characters, over 19"),
        (Gates(ended=True), Evidence(steps=(0.9,), ended=False), "did not end"),
        (Gates(answered=True), Evidence(steps=(0.9,), answered=False), "no answer"),
        (Gates(), Evidence(steps=(0.9,), flagged=True), "flagged as unsafe"),
        (Gates(), Evidence(steps=(0.9,), check=False), "executable check failed"),
        (Gates(demand_check=True), FINE, "executable check not decided"),
    ],
)
def test_each_gate_gives_its_reason(gates: Gates, evidence: Evidence, reason: str) -> None:
    assert gates.reasons(evidence) == (reason,)
    assert Gates(safe=False, checked=False).reasons(FINE) == ()


def test_what_was_not_checked_has_not_failed() -> None:
    assert Gates(answered=True, ended=True, min_step=0.8).reasons(FINE) == ()
    assert Gates(safe=False).reasons(Evidence(steps=(0.1,), flagged=True)) == ()
    assert Gates().reasons(Evidence(steps=(0.1,), ended=False, answered=False)) == (), "asked for by name alone"


def test_a_limit_is_itself_allowed() -> None:
    assert Gates(max_steps=2, max_characters=20, min_step=0.8).reasons(FINE) == ()


def test_every_reason_is_kept() -> None:
    bad = Evidence(steps=(0.1,), characters=99, ended=False, answered=False, check=False)
    assert len(Gates(min_step=0.5, max_characters=9, ended=True, answered=True).reasons(bad)) == 5


def test_no_score_buys_a_gate_back() -> None:
    evidence = [Evidence(steps=(0.01,)), Evidence(steps=(0.6,)), Evidence(steps=(0.7,))]
    pool = gate_pool(Gates(min_step=0.5), evidence, [1e9, 0.2, 0.1])
    assert pool.order == (1, 2, 0) and pool.chosen == 1
    assert [bool(own) for own in pool.reasons] == [True, False, False]


def test_lexicographic_order_holds_whatever_the_scores() -> None:
    evidence = [Evidence(steps=(k / 10,), ended=k % 3 > 0) for k in range(10)]
    for seed in range(20):
        scores = [math.sin(seed * 7 + k) * 100 for k in range(10)]
        pool = gate_pool(Gates(min_step=0.45, ended=True), evidence, scores)
        counts = [len(pool.reasons[index]) for index in pool.order]
        assert counts == sorted(counts)
        passed = [index for index in pool.order if not pool.reasons[index]]
        assert [scores[k] for k in passed] == sorted((scores[k] for k in passed), reverse=True)


def test_where_all_are_refused_nothing_is_chosen() -> None:
    shut = gate_pool(Gates(min_step=0.9), [Evidence(steps=(0.1,)), Evidence(steps=(0.2, 0.3))], [5.0, 4.0])
    open_ = gate_pool(Gates(), [FINE], [0.0])
    assert shut.chosen is None and shut.order == (0, 1) and open_.chosen == 0
    report = gate_report([shut, open_])
    assert (report.problems, report.abstained, report.traces, report.abstention_rate) == (2, 1, 3, 0.5)
    assert report.refused == {"step below the threshold": 2}
    assert gate_report([]).abstention_rate == 0.0


def test_ties_go_to_the_earlier_trace() -> None:
    assert gate_pool(Gates(), [FINE, FINE], [0.5, 0.5]).order == (0, 1)


def test_evidence_reads_the_trace() -> None:
    trace = Trace(problem_id="p", text="ab", steps=(Step(0, 2),), finish="length")
    found = Evidence.of(trace, StepScores(values=(0.3,)), flagged=False, check=True)
    assert found == Evidence(steps=(0.3,), characters=2, ended=False, answered=False, flagged=False, check=True)
    with pytest.raises(ScoreError, match="one score for each"):
        Evidence.of(trace, StepScores(values=(0.3, 0.4)))


def test_wrong_settings_and_scores_are_refused() -> None:
    with pytest.raises(ConfigError, match="finite"):
        Gates(min_step=math.nan)
    with pytest.raises(ConfigError, match="limits"):
        Gates(max_steps=0)
    for scores in ([math.nan, 0.5], [0.5, math.inf]):
        with pytest.raises(ScoreError, match="finite score"):
            gate_pool(Gates(), [FINE, FINE], scores)
    with pytest.raises(ScoreError, match="finite score"):
        gate_pool(Gates(), [FINE], [0.5, 0.6])


def test_a_refusal_travels_between_processes_with_its_price() -> None:
    refusal = GatedOut("gated out: no answer", spend=Spend(scorer_tokens=7))
    again = pickle.loads(pickle.dumps(refusal))
    assert str(again) == "gated out: no answer" and again.spend.scorer_tokens == 7
