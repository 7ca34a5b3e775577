"""Labels that rest on checks alone, without policy or verifier, through the label stage."""

from label_job import run

from stepward.codec import from_json
from stepward.datasets.native_write import write_examples
from stepward.datasets.reading import Example
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.storage.jsonl import read_records
from stepward.types import LabeledTrace, Problem
from stepward.verifiers.steps.checked import CheckedLabeler
from stepward.world.checker import WorldChecker, reference_solution
from stepward.world.problems import World


def labelled(folder):
    return [from_json(LabeledTrace, row) for _, row in read_records(folder / "labels" / "labels.jsonl")]


def write(path, pairs):
    traces = [(problem, cut(problem.id, text, Newline())) for problem, text in pairs]
    write_examples(
        path,
        [Example(problem=p, labeled=LabeledTrace(trace=t, labels=(None,) * len(t))) for p, t in traces],
    )
    return path


def test_checked_labels_go_through_the_label_stage(tmp_path):
    source = write(tmp_path / "a.jsonl", [(Problem(id="p", text="q"), "3 + 4 = 7.\n3 + 4 = 8.\n")])
    run(source, tmp_path / "run", labeler=CheckedLabeler(says="claims"), policy=None)
    (found,) = labelled(tmp_path / "run")
    assert [label.value for label in found.labels] == [1.0, 0.0]
    assert found.meta["fail"] == 1


def test_the_worlds_checker_goes_through_the_label_stage_and_agrees_on_arithmetic(tmp_path):
    problems = World().draw(3, seed=1)
    source = write(tmp_path / "a.jsonl", [(p, reference_solution(p)) for p in problems])
    for name, labeler in (("world", WorldChecker()), ("checked", CheckedLabeler(says="claims"))):
        run(source, tmp_path / name, labeler=labeler, policy=None)
    world, checked = labelled(tmp_path / "world"), labelled(tmp_path / "checked")
    assert all(label.value == 1.0 for one in world for label in one.labels)
    values = [label.value for one in checked for label in one.labels if label is not None]
    assert values and set(values) == {1.0}
