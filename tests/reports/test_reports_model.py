import pytest
from hostile_report import label, view

from stepward.errors import DataError, LabelError, ScoreError
from stepward.reports.model import NO_ERROR, Crosstab, Curve, Estimate, Figure, Point, Scatter, Table, Track


def test_a_short_row_is_refused_and_named() -> None:
    with pytest.raises(DataError, match="row 1 of table 'T' needs 2 cells"):
        Table(title="T", columns=("a", "b"), rows=(("x", 1), ("y",)))


def test_half_an_interval_is_refused() -> None:
    with pytest.raises(DataError, match="both ends"):
        Estimate(value=0.5, low=0.4)


def test_uneven_curves_crosstabs_and_log_axes_are_refused() -> None:
    with pytest.raises(DataError, match="as many numbers"):
        Curve(name="c", xs=(1, 2), ys=(1,))
    with pytest.raises(DataError, match="band"):
        Curve(name="c", xs=(1, 2), ys=(1, 2), lows=(0,), highs=(1,))
    with pytest.raises(DataError, match="finite"):
        Curve(name="c", xs=(float("inf"),), ys=(1,))
    with pytest.raises(DataError, match="1 rows of 2 cells"):
        Crosstab(title="x", row_names=("r",), column_names=("a", "b"), cells=((),))
    with pytest.raises(DataError, match="log axis"):
        Figure(title="f", x_label="", y_label="", log_x=True, curves=(Curve(name="c", xs=(0,), ys=(1,)),))
    with pytest.raises(DataError, match="log axis"):
        Scatter(title="f", x_label="", y_label="", points=(Point(name="p", x=0, y=1),))


def test_scores_and_labels_must_match_the_steps() -> None:
    with pytest.raises(ScoreError, match="2 steps and needs one score by ORM"):
        view(tracks=(Track(scorer="ORM", values=(0.1,)),))
    with pytest.raises(LabelError, match="one label or None"):
        view(labels=(label(1.0),))
    with pytest.raises(LabelError, match="none of its 2 steps"):
        view(true_error=2)
    with pytest.raises(ScoreError, match="step 1 by PRM is not a finite number"):
        Track(scorer="PRM", values=(0.1, float("nan")))


@pytest.mark.parametrize(
    ("true", "predicted", "said"),
    [
        (1, 1, "found"),
        (1, 0, "early"),
        (0, 1, "late"),
        (0, NO_ERROR, "missed"),
        (NO_ERROR, 0, "false alarm"),
        (NO_ERROR, NO_ERROR, "clean"),
        (None, 0, "unknown"),
        (0, None, "unknown"),
    ],
)
def test_detection_says_how_prediction_and_truth_stand(true: int | None, predicted: int | None, said: str) -> None:
    assert view(true_error=true, predicted_error=predicted).detection == said


def test_lowest_is_the_first_of_the_lowest_scored_steps() -> None:
    assert view(scores=(0.5, None, 0.2, 0.2)).lowest == (2, 0.2)
    assert view(scores=(None,)).lowest is None
    assert view(scores=()).lowest is None


def test_logits_are_shaded_by_their_logistic_however_large() -> None:
    shades = Track(scorer="PRM", values=(0.0, 1e6, -1e6, None, 1.0), convention="logit").shades()
    assert shades[:4] == (0.5, 1.0, 0.0, None)
    assert shades[4] == pytest.approx(0.7310585786)


def test_a_point_is_dominated_only_by_another_place() -> None:
    a, twin, worse = (Point(name=n, x=x, y=y) for n, x, y in (("a", 1, 0.5), ("twin", 1, 0.5), ("worse", 2, 0.5)))
    scatter = Scatter(title="", x_label="", y_label="", points=(a, twin, worse))
    assert [scatter.dominated(p) for p in scatter.points] == [False, False, True]
