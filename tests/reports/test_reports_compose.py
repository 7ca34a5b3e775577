import pytest
from hostile_report import label, view

from stepward.errors import ScoreError
from stepward.reports.compose import Disagreements, FailureGallery, ScoreByPosition, first_below, view_trace
from stepward.reports.model import NO_ERROR, Track
from stepward.types import LabeledTrace, Problem, Step, StepLabel, StepScores, Trace, Verdict

PROBLEM = Problem(id="p", text="What?", answer="4")
TRACE = Trace(problem_id="p", text="one\ntwo\n", steps=(Step(0, 4), Step(4, 8)))


def labelled(*labels: StepLabel | None) -> LabeledTrace:
    return LabeledTrace(trace=TRACE, labels=labels, verdict=Verdict(outcome="equal", answer="4"))


def test_a_view_takes_everything_from_the_records_of_the_loop() -> None:
    shown = view_trace(PROBLEM, labelled(label(1.0), label(0.0)), {"PRM": StepScores(values=(0.4, 0.6))})
    assert (shown.true_error, shown.predicted_error, shown.detection) == (1, 0, "early")
    assert (shown.steps, shown.answer, shown.reference, shown.verdict) == (("one\n", "two\n"), "4", "4", "equal")
    assert shown.id == TRACE.id


def test_an_unlabelled_step_hides_the_true_error_only_before_it() -> None:
    assert view_trace(PROBLEM, labelled(None, label(0.0)), {}).true_error is None
    assert view_trace(PROBLEM, labelled(label(0.0), None), {}).true_error == 0
    assert view_trace(PROBLEM, labelled(label(1.0), label(1.0)), {}).true_error == NO_ERROR


def test_too_few_scores_are_refused() -> None:
    with pytest.raises(ScoreError, match="2 steps"):
        view_trace(PROBLEM, labelled(None, None), {"PRM": StepScores(values=(0.5,))})


def test_first_below_reads_logits_as_probabilities() -> None:
    assert first_below(Track(scorer="s", values=(2.0, -0.1), convention="logit"), 0.5) == 1
    assert first_below(Track(scorer="s", values=(0.9,)), 0.5) == NO_ERROR
    assert first_below(Track(scorer="s", values=(None, 0.1)), 0.5) is None


def test_score_by_position_means_match_a_hand_count() -> None:
    traces = [
        view(str(i), problem_id=str(i), scores=(s, 0.1), labels=(label(1), label(0))) for i, s in enumerate((0.6, 1))
    ]
    right, wrong = ScoreByPosition(least=2).figure(traces).curves
    assert (right.xs, right.ys) == ((0.0,), (pytest.approx(0.8),))
    assert 0.6 <= right.lows[0] <= 0.8 <= right.highs[0] <= 1.0
    assert (wrong.xs, wrong.ys, wrong.lows) == ((1.0,), (pytest.approx(0.1),), (pytest.approx(0.1),))
    assert ScoreByPosition(least=3).figure(traces).curves == ()


def test_disagreements_count_all_and_link_some() -> None:
    cases = [("a", True, True), ("b", True, False), ("c", True, False), ("d", False, False)]
    cross = Disagreements(rows="ORM", columns="PRM", links=1).crosstab(cases)
    assert [[cell.count for cell in row] for row in cross.cells] == [[1, 2], [0, 1]]
    assert cross.cells[0][1].trace_ids == ("b",)
    assert cross.row_names == ("ORM right", "ORM wrong")


def test_a_gallery_is_worst_first_and_its_draw_depends_on_the_seed_alone() -> None:
    traces = [view(str(index), scores=(index / 100,)) for index in range(100)]

    def pick(seed: int) -> list[str]:
        picker = FailureGallery(title="g", badness_name="high score", size=4, seed=seed)
        gallery = picker.pick(
            traces, lambda t: t.lowest[1] if t.lowest else 0, lambda t: "odd" if int(t.id) % 2 else "even"
        )
        assert [t.id for t in gallery.worst] == ["99", "98", "97", "96"]
        return [t.id for t in gallery.sampled]

    assert pick(1) == pick(1) != pick(2)
    assert [int(i) % 2 for i in pick(1)] == [0, 1, 0, 1]


def test_a_gallery_of_nothing_is_empty() -> None:
    gallery = FailureGallery(title="g", badness_name="b").pick([], lambda t: 0, lambda t: "")
    assert gallery.worst == gallery.sampled == ()
