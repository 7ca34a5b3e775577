import pytest

from stepward.datasets.rated_rollouts import RatedRollouts
from stepward.datasets.reading import read
from stepward.errors import DataError


def path(step, *ratings, soft, hard):
    extension = [f"so {rating}" for rating in ratings]
    return {"step": step, "extension": extension, "ratings": list(ratings), "soft_label": soft, "hard_label": hard}


def row(**change):
    paths = [
        path("3+4 = 7", 9.0, 2.0, 8.0, soft=2 / 3, hard=1),
        path("3+4 = 7\nSo 7.", 7.0, 1.0, 9.0, soft=1 / 3, hard=0),
    ]
    whole = {
        "question": "3 and 4?",
        "solution": "The answer is: 12 ",
        "response": "3+4 = 7\n\nSo 7.",
        "generated_paths": paths,
    }
    return whole | change


def test_labels_count_ratings_of_at_least_eight(jsonl):
    example = read(RatedRollouts(), jsonl(row())).items[0]
    assert [(label.successes, label.trials, label.target) for label in example.labeled.labels] == [
        (2, 3, "value"),
        (1, 3, "value"),
    ]
    assert example.labeled.trace.step_texts == ("3+4 = 7\n", "So 7.")
    assert example.labeled.trace.meta["completions"][1] == ["so 7.0", "so 1.0", "so 9.0"]
    assert example.labeled.trace.meta["ratings"][0] == [9.0, 2.0, 8.0]


def test_the_reference_is_no_answer(jsonl):
    problem = read(RatedRollouts(), jsonl(row())).items[0].problem
    assert problem.answer is None and problem.meta["reference"] == "The answer is: 12 "


@pytest.mark.parametrize(
    ("paths", "field"),
    [
        ([path("a", 9.0, 1.0, soft=0.4, hard=0)], "soft_label"),
        ([path("a", 9.0, 1.0, soft=0.5, hard=0)], "hard_label"),
        ([path("a", soft=0.0, hard=0)], "extension"),
        ([path("a", 9.0, soft=1.0, hard=1), path("b", 9.0, soft=1.0, hard=1)], r"generated_paths\[1\].step"),
    ],
)
def test_labels_that_do_not_follow_and_steps_that_do_not_go_on_are_refused(jsonl, paths, field):
    with pytest.raises(DataError, match=field):
        read(RatedRollouts(), jsonl(row(generated_paths=paths)))
