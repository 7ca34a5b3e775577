"""`stepward label` and `stepward card` as a user meets them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stepward.cli.main import app
from stepward.datasets.native_write import write_examples
from stepward.datasets.reading import Example
from stepward.errors import ConfigError, DataError, StorageError
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.storage.run import Run
from stepward.types import LabeledTrace
from stepward.world.checker import reference_solution
from stepward.world.problems import World

run = CliRunner()


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the reference solutions of four problems."""
    monkeypatch.chdir(tmp_path)
    problems = World(domains=("ages",), min_steps=3, max_steps=4, max_distractors=0).draw(4, 1)
    traces = [cut(problem.id, reference_solution(problem), Newline()) for problem in problems]
    bare = [LabeledTrace(trace=trace, labels=(None,) * len(trace)) for trace in traces]
    write_examples("traces.jsonl", [Example(problem=p, labeled=each) for p, each in zip(problems, bare, strict=True)])


def without_answer(count: int) -> None:
    rows = [json.loads(line) for line in Path("traces.jsonl").read_text().splitlines()]
    for row in rows[:count]:
        del row["answer"]
    Path("traces.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_every_labeler_is_listed_with_what_it_does() -> None:
    shown = run.invoke(app, ["label", "--list"]).stdout
    assert "rollout" in shown and "completions from every prefix" in shown and "world" in shown


def test_the_end_of_a_job_names_labels_card_and_run() -> None:
    shown = run.invoke(app, ["label", "traces.jsonl", "--labeler", "world", "--to", "job"])
    assert shown.exit_code == 0, shown.output
    assert "traces of 4 problems" in shown.stdout and "data card: job/labels/card.md" in shown.stdout
    assert "100% of the labels are good" in shown.stderr
    assert len(Path("labels.jsonl").read_text().splitlines()) == 4


def test_problems_that_fail_are_told_with_the_way_to_try_them_again() -> None:
    without_answer(1)
    label = ["label", "traces.jsonl", "--policy", "quickstart", "-n", "1", "--to", "job"]
    shown = run.invoke(app, [*label, "--set", "labeler.sampling.max_tokens=4"])
    assert shown.exit_code == 0, shown.output
    assert "1 problems failed" in shown.stdout and "the same command with --retry-failed" in shown.stderr
    again = run.invoke(app, [*label, "--set", "labeler.sampling.max_tokens=4", "--retry-failed", "--json"])
    assert json.loads(again.stdout)["labels"]["failures"] == {"LabelError": 1}
    (row,) = Path("job/labels/failures.jsonl").read_text().splitlines()
    assert json.loads(row)["attempts"] == 2


def test_another_number_of_workers_goes_on_with_the_same_job_and_another_labeler_does_not() -> None:
    first = run.invoke(app, ["label", "traces.jsonl", "--labeler", "world", "--json"])
    second = run.invoke(app, ["label", "traces.jsonl", "--labeler", "world", "--concurrency", "2", "--json"])
    assert json.loads(first.stdout)["run"] == json.loads(second.stdout)["run"]
    folder = json.loads(first.stdout)["run"]
    other = ["label", "traces.jsonl", "--labeler", "world", "--set", "labeler.target=validity", "--to", folder]
    changed = run.invoke(app, other)
    assert isinstance(changed.exception, ConfigError)
    assert 'labels.labeler.target: "prefix" -> "validity"' in str(changed.exception)


def test_what_cannot_be_labelled_at_all_is_named() -> None:
    Path("empty.jsonl").touch()
    Path("bad.jsonl").write_text('{"problem": "q", "steps": ["a"]}\n{"problem": 3}\n')
    cases = [
        (["empty.jsonl"], DataError, "empty.jsonl holds no rows"),
        (["bad.jsonl"], DataError, "bad.jsonl, line 2"),
        (["traces.jsonl"], ConfigError, "needs a policy"),
        ([], ConfigError, "no traces are named"),
        (["traces.jsonl", "--labeler", "wrld"], ConfigError, "did you mean 'world'"),
        (["traces.jsonl", "--labeler", "world", "-n", "3"], ConfigError, "takes no -n.*target"),
    ]
    for arguments, kind, message in cases:
        found = run.invoke(app, ["label", *arguments]).exception
        with pytest.raises(kind, match=message):
            raise found or AssertionError(arguments)


def test_a_job_that_another_process_holds_is_refused() -> None:
    run.invoke(app, ["label", "traces.jsonl", "--labeler", "world", "--to", "job"])
    import yaml

    with Run.open("job", yaml.safe_load(Path("job/run.yaml").read_text())):
        found = run.invoke(app, ["label", "traces.jsonl", "--labeler", "world", "--to", "job"])
    assert isinstance(found.exception, StorageError) and "is in use by process" in str(found.exception)


def test_a_card_of_a_file_or_a_run_tells_balance_and_contamination() -> None:
    run.invoke(app, ["label", "traces.jsonl", "--labeler", "world", "--to", "job"])
    shown = run.invoke(app, ["card", "job", "--against", "traces.jsonl", "--against-format", "native"])
    assert "**Warning**: 4 problems share a long run of words with traces.jsonl" in shown.stdout
    found = json.loads(run.invoke(app, ["card", "labels.jsonl", "--json"]).stdout)
    assert found["problems"] == 4 and found["good"] == found["labels"]
