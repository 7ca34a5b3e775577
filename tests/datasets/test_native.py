import pytest

from stepward.datasets.native import NativeExamples, NativeProblems, read_text_trace
from stepward.datasets.native_write import write_examples, write_problems
from stepward.datasets.reading import Example, read
from stepward.errors import ConflictError, DataError, LabelError
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, Step, StepLabel, Verdict

ROW = {"problem": "2+2*3?", "answer": "8", "steps": ["2*3 = 6.", "2+6 = 8."], "labels": [1, 0], "id": "p"}


class Halves:
    tag = "halves@1"

    def segment(self, text: str) -> tuple[Step, ...]:
        half = len(text) // 2
        return (Step(0, half), Step(half, len(text)))


def refused(path, pattern: str, **options: object) -> None:
    with pytest.raises(DataError, match=pattern):
        read(NativeExamples(**options), path)  # type: ignore[arg-type]


def test_a_row_written_by_hand_is_a_labelled_trace(jsonl):
    (example,) = read(NativeExamples(), jsonl(ROW)).items
    assert example.problem == Problem(id="p", text="2+2*3?", answer="8")
    assert example.labeled.trace.step_texts == ("2*3 = 6.\n\n", "2+6 = 8.")
    assert example.labeled.first_error == 1
    assert example.labeled.target == "prefix"


def test_labels_may_be_numbers_booleans_null_or_objects_with_counts(jsonl):
    labels = [0.5, True, None, {"value": 0.25, "successes": 1, "trials": 4}]
    row = {"problem": "q", "steps": list("abcd"), "labels": labels, "target": "value", "source": "rollout"}
    (example,) = read(NativeExamples(), jsonl(row)).items
    assert [label and label.value for label in example.labeled.labels] == [0.5, 1.0, None, 0.25]
    last = example.labeled.labels[3]
    assert last is not None
    assert (last.successes, last.trials, last.target, last.source) == (1, 4, "value", "rollout")


def test_text_is_cut_by_the_segmenter_that_the_reader_was_given(jsonl):
    path = jsonl({"problem": "q", "text": "abcd", "verdict": False})
    (example,) = read(NativeExamples(segmenter=Halves()), path).items
    assert example.labeled.trace.step_texts == ("ab", "cd")
    assert example.labeled.trace.segmenter == "halves@1"
    assert example.labeled.verdict == Verdict(outcome="different")
    refused(path, "line 1, field 'text': needs a segmenter")


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"labels": [1]}, "line 1, field 'labels': .*2 steps"),
        ({"labels": [1, 7]}, r"line 1, field 'labels': .*\[0, 1\]"),
        ({"labels": [1, "good"]}, r"line 1, field 'labels\[1\]'"),
        ({"labels": [1, {"value": 1, "sucesses": 1}]}, r"field 'labels\[1\].sucesses'.*'successes'"),
        ({"steps": ["a", "  "]}, "line 1, field 'steps': step 1 .*blank"),
        ({"steps": []}, "line 1, field 'steps': must hold at least one"),
        ({"steps": None}, "line 1, field 'steps': a trace needs either steps or text"),
        ({"text": "both"}, "either steps or text"),
        ({"target": "truth"}, "line 1, field 'target': must be one of"),
        ({"verdict": "maybe"}, "line 1, field 'verdict': must be one of"),
        ({"problem": " "}, "line 1, field 'problem': must not be empty"),
        ({"labells": [1, 1]}, "field 'labells'.*did you mean 'labels'"),
    ],
)
def test_bad_rows_are_refused_by_file_line_and_field(jsonl, change, pattern):
    refused(jsonl(ROW | change), pattern)


def test_one_id_for_two_problems_names_both_lines(jsonl):
    path = jsonl(ROW, ROW | {"problem": "another"})
    with pytest.raises(ConflictError, match=r"line 2, field 'id': 'p' stood at line 1"):
        read(NativeExamples(), path)
    with pytest.raises(ConflictError, match=r"line 2, field 'id': 'p' stood at line 1"):
        read(NativeProblems(), path)


def test_a_row_that_stands_twice_is_given_once_and_counted(jsonl):
    reading = read(NativeExamples(), jsonl(ROW, ROW, ROW | {"labels": [1, 1]}))
    assert (len(reading.items), reading.report.rows, reading.report.duplicates) == (2, 3, 1)


def test_problems_are_read_from_rows_with_or_without_steps(jsonl):
    reading = read(NativeProblems(), jsonl(ROW, {"problem": "r", "answer": 4}, ROW))
    assert [(problem.id[:4], problem.answer) for problem in reading.items] == [("p", "8"), ("own-", "4")]
    assert reading.report.duplicates == 1


def test_problems_survive_writing_and_reading(tmp_path):
    problems = (
        Problem(id="a", text="q", answer="1", answer_kind="choice", domain="d", meta={"k": [1, None]}),
        Problem(id="b", text="\u2028 line separator, ки"),
    )
    assert write_problems(tmp_path / "p.jsonl", problems) == 2
    assert read(NativeProblems(), tmp_path / "p.jsonl").items == problems


def test_examples_survive_writing_and_reading(tmp_path):
    maker = Origin(maker="labeler:rollout", revision="1", settings={"k": 8}, seed=3)
    trace = from_steps(
        "a", ["x\n", " y", "z"], separator="\n", answer="z", finish="length", meta={"n": 1}, origin=maker
    )
    label = StepLabel(target="value", value=0.5, source="rollout", successes=4, trials=8, origin=maker, note="n")
    plain = StepLabel(target="value", value=1.0, source="rollout", origin=maker)
    labeled = LabeledTrace(trace=trace, labels=(label, None, plain), verdict=Verdict(outcome="undecided", answer="z"))
    example = Example(problem=Problem(id="a", text="q"), labeled=labeled)
    assert write_examples(tmp_path / "e.jsonl.gz", [example]) == 1
    assert read(NativeExamples(), tmp_path / "e.jsonl.gz").items == (example,)


def test_labels_of_different_labelers_are_not_written_as_one(tmp_path):
    labels = tuple(StepLabel(target="prefix", value=1.0, source=source) for source in ("human", "judge"))  # type: ignore[arg-type]
    example = Example(
        problem=Problem(id="a", text="q"), labeled=LabeledTrace(trace=from_steps("a", ["x", "y"]), labels=labels)
    )
    with pytest.raises(LabelError, match="different labelers"):
        write_examples(tmp_path / "e.jsonl", [example])
    assert list(tmp_path.iterdir()) == []


def test_a_plain_text_file_is_a_trace_whole(tmp_path):
    path = tmp_path / "trace.txt"
    path.write_text("ab\n\ncd\n", encoding="utf-8")
    trace = read_text_trace(path, Problem(id="p", text="q"), Halves())
    assert (trace.text, trace.problem_id, trace.segmenter) == ("ab\n\ncd\n", "p", "halves@1")
    path.write_bytes(b"a\n\xff")
    with pytest.raises(DataError, match=r"line 2.*byte 2 of the file"):
        read_text_trace(path, Problem(id="p", text="q"), Halves())
    path.write_bytes(b"\n")
    with pytest.raises(DataError, match="holds no rows"):
        read_text_trace(path, Problem(id="p", text="q"), Halves())


def test_a_step_of_one_megabyte_is_read_whole(jsonl):
    (example,) = read(NativeExamples(), jsonl(ROW | {"steps": ["x" * 1_000_000, "y"]})).items
    assert example.labeled.trace.steps[0].end == 1_000_002
