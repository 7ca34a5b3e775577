import json

import pytest

from stepward.datasets.math_shepherd import MathShepherd, MathShepherdWriter
from stepward.datasets.parc import Parc
from stepward.datasets.prmbench import PrmBench
from stepward.datasets.reading import Example, read
from stepward.datasets.trl import Trl, TrlWriter
from stepward.errors import ConfigError, DataError, LabelError
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Problem, StepLabel

INJECTED = {
    "original_question": "q",
    "modified_question": "q?",
    "modified_process": ["a", "b", "c"],
    "error_steps": [3, 2],
    "modified_steps": [2, 3, 4],
    "idx": "i0",
    "classification": "circular",
    "reason": "r",
}
SHEPHERD = {
    "input": "Two and three? Step 1: 2+3 = 5. ки\nStep 2: So 5. The answer is: 5 ки",
    "label": "Two and three? Step 1: 2+3 = 5. +\nStep 2: So 5. The answer is: 5 -",
    "task": "GSM8K",
}
KINDS = [[], ["Logical_Inconsistency"], ["Accumulation_Error"], ["Accumulation_Error", "Mathematical_Error"], []]


def values(example: Example) -> list[float | None]:
    return [None if label is None else label.value for label in example.labeled.labels]


def premised(**change: object) -> dict[str, object]:
    steps = ["s1", "s2", "s3", "s4", "s5"]
    level = [
        {
            "step_number": n,
            "has_error": bool(kinds),
            "errors": [{"error_type": k, "error_description": ""} for k in kinds],
        }
        for n, kinds in enumerate(KINDS, start=1)
    ]
    pairs = [[], [[0, "q"]], [[1, "x"], [0, "q"], [1, "y"]], [[2, "x"]], [[3, "x"]], [[4, "x"]]]
    premises = {"steps": [{"step_number": n, "premises": p} for n, p in enumerate(pairs)]}
    row: dict[str, object] = {
        "question": "q",
        "steps": steps,
        "error_annotation": {"error_annotations": {"step_level": level}},
        "premise_annotation": premises,
        "model_answer": 16.0,
        "is_correct": False,
    }
    return row | change


def test_injected_errors_are_1_based_and_the_other_steps_are_valid(jsonl):
    (example,) = read(PrmBench(), jsonl(INJECTED)).items
    assert values(example) == [1.0, 0.0, 0.0]
    assert example.labeled.target == "validity"
    assert [label and label.note for label in example.labeled.labels] == ["", "circular", "circular"]
    assert example.problem.text == "q?"


def test_rows_whose_error_cannot_be_placed_are_dropped_and_counted(jsonl):
    rows = [
        INJECTED | {"error_steps": [4]},
        INJECTED | {"idx": "i1", "error_steps": [0]},
        INJECTED | {"idx": "i2", "modified_process": ["a", "", "c"]},
    ]
    reading = read(PrmBench(), jsonl(*rows))
    assert len(reading.items) == 0
    assert reading.report.dropped == {
        "an error step lies outside the solution": 2,
        "blank steps make the error number ambiguous": 1,
    }


def test_one_index_in_two_classes_is_two_rows(jsonl):
    paths = [jsonl(INJECTED | {"classification": kind}, name=f"{kind}.jsonl") for kind in ("circular", "deception")]
    assert len(read(PrmBench(), *paths).items) == 2


def test_an_accumulated_error_is_valid_in_itself_and_wrong_as_a_prefix(jsonl):
    path = jsonl(premised())
    assert values(read(Parc(), path).items[0]) == [1.0, 0.0, 1.0, 0.0, 1.0]
    assert values(read(Parc(target="prefix"), path).items[0]) == [1.0, 0.0, 0.0, 0.0, 0.0]
    with pytest.raises(ConfigError):
        Parc(target="value")  # type: ignore[arg-type]


def test_premises_become_0_based_and_the_question_is_minus_one(jsonl):
    (example,) = read(Parc(), jsonl(premised())).items
    assert example.labeled.trace.meta["premises"] == [[-1], [-1, 0], [1], [2], [3]]
    assert example.labeled.trace.answer == "16.0"


def test_premises_numbered_otherwise_are_left_out_and_counted(jsonl):
    reading = read(Parc(), jsonl(premised(premise_annotation={"steps": [{"step_number": 7, "premises": []}]})))
    assert "premises" not in reading.items[0].labeled.trace.meta
    assert sum(reading.report.notes.values()) == 1


def test_an_annotation_that_does_not_number_the_steps_is_refused(jsonl):
    with pytest.raises(DataError, match="field 'error_annotation': must number the 2 steps"):
        read(Parc(), jsonl(premised(steps=["a", "b"])))


def test_the_string_form_is_cut_at_its_markers(jsonl):
    (example,) = read(MathShepherd(), jsonl(SHEPHERD)).items
    assert example.problem.text == "Two and three?"
    assert example.labeled.trace.step_texts == ("Step 1: 2+3 = 5.\n", "Step 2: So 5. The answer is: 5")
    assert example.labeled.trace.answer == "5"
    assert values(example) == [1.0, 0.0]
    assert example.labeled.target == "value"


def test_soft_values_stand_where_the_signs_do(jsonl):
    soft = SHEPHERD["label"].replace(" +", " 0.75").replace(" -", " 0.25")
    assert values(read(MathShepherd(), jsonl(SHEPHERD | {"label": soft})).items[0]) == [0.75, 0.25]


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"label": SHEPHERD["label"].replace("2+3", "2+4")}, "field 'label': must repeat the text of step 0"),
        ({"label": SHEPHERD["label"].replace(" +\n", "\n")}, "field 'label'"),
        ({"label": SHEPHERD["label"] + "\nStep 3: more +"}, "field 'label': goes on after the last of 2"),
        ({"label": SHEPHERD["label"].replace(" +", " ?")}, "step 0 must end with"),
        ({"label": SHEPHERD["label"].replace(" +", " 1.5")}, r"field 'label': .*\[0, 1\]"),
        ({"input": "Two and three? Step 1: 5."}, "field 'input': must end with the marker"),
        (
            {
                "input": SHEPHERD["input"].replace("Step 1:", "First:"),
                "label": SHEPHERD["label"].replace("Step 1:", "First:"),
            },
            "Step 1:",
        ),
    ],
)
def test_a_string_form_that_does_not_fit_is_refused(jsonl, change, pattern):
    with pytest.raises(DataError, match=pattern):
        read(MathShepherd(), jsonl(SHEPHERD | change))


def test_the_string_form_survives_writing_and_reading(jsonl, tmp_path):
    examples = read(MathShepherd(), jsonl(SHEPHERD)).items
    MathShepherdWriter().write(tmp_path / "out.jsonl", examples)
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8")) == SHEPHERD


def test_a_step_that_holds_the_marker_is_not_written(tmp_path):
    labels = (StepLabel(target="value", value=1.0, source="rollout"),)
    labeled = LabeledTrace(trace=from_steps("p", ["Step 1: ки"]), labels=labels)
    with pytest.raises(LabelError, match="holds the marker"):
        MathShepherdWriter().write(
            tmp_path / "out.jsonl", [Example(problem=Problem(id="p", text="q"), labeled=labeled)]
        )


def test_trl_labels_may_be_booleans_or_numbers_and_numbers_stay(jsonl):
    row = {"prompt": "q", "completions": ["a", "b", "c"], "labels": [True, False, 0.7]}
    (example,) = read(Trl(target="value", source="rollout"), jsonl(row)).items
    assert values(example) == [1.0, 0.0, 0.7]
    assert example.labeled.target == "value"
    assert example.labeled.trace.step_texts == ("a\n", "b\n", "c")


@pytest.mark.parametrize(
    ("labels", "pattern"),
    [
        ([True, "no"], r"field 'labels\[1\]'"),
        ([True], "2 steps.*got 1"),
        ([True, 1.5], r"\[0, 1\]"),
        ([True, None], r"labels\[1\]"),
    ],
)
def test_trl_labels_that_do_not_fit_are_refused(jsonl, labels, pattern):
    with pytest.raises(DataError, match=pattern):
        read(Trl(), jsonl({"prompt": "q", "completions": ["a", "b"], "labels": labels}))


def example_of(*given: float | None) -> Example:
    labels = tuple(
        None if value is None else StepLabel(target="prefix", value=value, source="human") for value in given
    )
    trace = from_steps("p", [f"s{index}" for index in range(len(given))])
    return Example(problem=Problem(id="p", text="q"), labeled=LabeledTrace(trace=trace, labels=labels))


def test_trl_rows_end_before_the_first_unlabelled_step_and_the_rest_is_counted(tmp_path):
    path = tmp_path / "out.jsonl"
    written = TrlWriter().write(path, [example_of(1.0, 0.2, None, None), example_of(None, 1.0)])
    assert (written.rows, written.examples_left_out, written.steps_left_out) == (1, 1, 4)
    assert json.loads(path.read_text()) == {"prompt": "q", "completions": ["s0", "s1"], "labels": [True, False]}


def test_trl_rows_hold_numbers_where_asked_and_unlabelled_steps_are_refused_where_asked(tmp_path):
    TrlWriter(values="soft").write(tmp_path / "out.jsonl", [example_of(1.0, 0.2)])
    assert json.loads((tmp_path / "out.jsonl").read_text())["labels"] == [1.0, 0.2]
    with pytest.raises(LabelError, match=r"step 1 .*no label"):
        TrlWriter(unlabelled="refuse").write(tmp_path / "out.jsonl", [example_of(1.0, None)])


def test_words_that_trl_options_do_not_know_are_refused():
    with pytest.raises(ConfigError):
        TrlWriter(values="sofft")  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Trl(target="truth")  # type: ignore[arg-type]
