"""Public Monte-Carlo samples counted and judged again: hand-made rows, then the samples where the folder is there."""

import asyncio
import json

import pytest

from stepward.datasets.development import find_development_folder
from stepward.datasets.math_shepherd import MathShepherd, MathShepherdWriter
from stepward.datasets.omega_prm import Cut, OmegaPrm
from stepward.datasets.rated_rollouts import RatedRollouts
from stepward.datasets.reading import Tally, read
from stepward.evaluation.rejudging import differences, rejudge, stated_number
from stepward.evaluation.tree_counts import leaves, states


def right(text="so 7", copies=1):
    return Cut(text, 1.0, copies=copies)


def test_values_are_right_completions_over_sixteen_at_the_root_and_thirty_two_below():
    inner = Cut("step", 3 / 32, [right() for _ in range(3)])
    root = Cut("", 2 / 16, [right(), right(), inner, Cut("wrong", 0.0)])
    found = states(root)
    assert [(state.depth, state.right, state.trials, state.reproduced) for state in found] == [
        (0, 2, 16, True),
        (1, 3, 32, True),
        (1, 0, 32, True),
    ]
    assert len(list(leaves(root))) == 5


def test_a_value_that_does_not_follow_is_seen():
    assert not states(Cut("", 0.5, [right()]))[0].reproduced


def test_a_state_that_stands_twice_has_twice_the_completions():
    twice = Cut("step", 4 / 32, [right(copies=5), right(), right(), right()], copies=2)
    assert [state.reproduced for state in states(Cut("", 0.0, [twice]))] == [True, True]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("In all she has $60 + $18 = $78 for finishing 30 tasks.", "$78"),
        ("3 + 4 = 7\nSo it is 8 days.", "8"),
        ("it is = 5 * 4 = 20 x 2 and so on", "2"),
        ("The answer is 12. In 3 days.", "12"),
        ("nothing", None),
    ],
)
def test_the_number_that_prose_comes_to(text, number):
    assert stated_number(text) == number


def test_differences_between_ratings_and_verdicts_get_a_reason(tmp_path):
    texts = ["1 + 6 = 7", "So it is 7.", "3 * 4 = 12", "2 + 2 = 4"]
    path = {"step": "Add.", "extension": texts, "ratings": [2, 9, 9, 9], "soft_label": 0.75, "hard_label": 1}
    row = {"question": "3 and 4?", "solution": "The answer is: 12", "response": "Add.", "generated_paths": [path]}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row), encoding="utf-8")
    examples = read(RatedRollouts(), tmp_path / "rows.jsonl").items
    (found,) = asyncio.run(rejudge(examples, {examples[0].problem.id: "7"}))
    assert (found.reference_right, found.labels[0].successes, found.labels[0].trials) == (False, 2, 4)
    assert differences([found]) == {
        "right, rated against a wrong reference": 1,
        "rated right for agreeing with a wrong reference": 1,
        "rated right, the right number is not in it": 1,
    }


@pytest.fixture(scope="module")
def samples():
    folder = find_development_folder()
    if folder is None:
        pytest.skip("no folder of development data: set STEPWARD_DATA")
    return folder / "monte_carlo"


def test_every_value_of_the_omega_samples_follows_from_its_completions(samples):
    for form, count in (("math-aps-tree", 23), ("math-aps", 15)):
        trees = [root for _, root in OmegaPrm().trees(samples / f"samples_{form}.jsonl", Tally())]
        found = [state for root in trees for state in states(root)]
        assert (len(found), all(state.reproduced for state in found)) == (count, True)


def test_math_shepherd_rows_come_back_byte_for_byte(samples, tmp_path):
    path = samples / "samples_math-shepherd.jsonl"
    MathShepherdWriter().write(tmp_path / "again.jsonl", read(MathShepherd(), path).items)
    again = (tmp_path / "again.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.dumps(json.loads(line)) for line in again] == path.read_text(encoding="utf-8").splitlines()


def test_labels_of_the_97_questions_follow_from_their_ratings(samples):
    reading = read(RatedRollouts(), samples / "test_data100_tgi_math_critic_path_math_critic2.jsonl")
    labels = [label for example in reading.items for label in example.labeled.labels]
    assert (len(reading.items), len(labels), sum(label.successes for label in labels)) == (97, 545, 60)
