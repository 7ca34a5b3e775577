import pytest

from stepward.datasets.prm800k import Prm800k
from stepward.datasets.reading import Example, problems_of, read
from stepward.datasets.repeats import one_per_trace
from stepward.errors import ConflictError, LabelError
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Problem, StepLabel

ROW = {"problem": "q", "steps": ["a", "b", "c"]}


def test_labels_of_one_trace_are_averaged_over_those_who_gave_one(jsonl):
    path = jsonl(
        ROW | {"id": "1", "ratings": [1, 1, 1]},
        ROW | {"id": "2", "ratings": [1, -1, 0]},
        ROW | {"id": "3", "steps": ["a"], "ratings": [1]},
    )
    merged = one_per_trace(read(Prm800k(), path).items)
    assert (len(merged.examples), merged.merged, merged.disputed) == (2, 1, 1)
    assert [label and label.value for label in merged.examples[0].labeled.labels] == [1.0, 0.5, 1.0]
    assert [label and label.note for label in merged.examples[0].labeled.labels] == [
        "mean of 2",
        "mean of 2",
        "mean of 1",
    ]


def test_equal_labels_are_merged_without_dispute(jsonl):
    rows = [ROW | {"id": str(index), "ratings": [1, 1, -1]} for index in range(5)]
    merged = one_per_trace(read(Prm800k(), jsonl(*rows)).items)
    assert (merged.merged, merged.disputed) == (4, 0)
    assert merged.examples[0].labeled.first_error == 2


def test_counts_and_mixed_targets_are_not_averaged():
    def example(label: StepLabel) -> Example:
        labeled = LabeledTrace(trace=from_steps("p", ["a"]), labels=(label,))
        return Example(problem=Problem(id="p", text="q"), labeled=labeled)

    human = StepLabel(target="prefix", value=1.0, source="human")
    counted = StepLabel(target="value", value=0.5, source="rollout", successes=1, trials=2)
    with pytest.raises(LabelError, match="no plain mean"):
        one_per_trace([example(counted), example(counted)])
    with pytest.raises(LabelError, match="no plain mean"):
        one_per_trace([example(human), example(StepLabel(target="validity", value=1.0, source="human"))])


def test_one_problem_id_with_two_contents_is_a_conflict():
    def example(text: str) -> Example:
        trace = from_steps("p", ["a"])
        return Example(problem=Problem(id="p", text=text), labeled=LabeledTrace(trace=trace, labels=(None,)))

    assert list(problems_of([example("q"), example("q")])) == ["p"]
    with pytest.raises(ConflictError, match="'p'"):
        problems_of([example("q"), example("r")])
