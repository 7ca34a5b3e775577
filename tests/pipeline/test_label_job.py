import asyncio
import json
import os
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from label_job import Script, completion, labels_file, recipe, run, values, write_source

from stepward.errors import ConfigError, DataError, LabelError
from stepward.labelers.outcome import OutcomeLabeler
from stepward.labelers.rollout import RolloutLabeler
from stepward.pipeline.jobs import job
from stepward.pipeline.labels.labelling import Retries
from stepward.pipeline.runner import Conduct
from stepward.pipeline.workshop import Stopped
from stepward.policies.fake import Faults, ScriptedPolicy
from stepward.protocols import PolicyEngine, Resources
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.storage.jsonl import read_records
from stepward.types import LabeledTrace, Problem, StepLabel, Trace, Verdict
from stepward.verifiers.exact import ExactVerifier

GOOD = StepLabel(target="prefix", value=1.0, source="checker")


@dataclass(frozen=True, kw_only=True)
class Odd:
    """Calls every step right, but for one problem with which it does something else."""

    at: str = "p3"
    does: str = ""

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        if problem.id == self.at:
            if self.does == "die":
                os._exit(9)
            if self.does == "hang":
                await asyncio.get_running_loop().create_future()
            if self.does == "other":
                trace = cut(problem.id, "Something else.\n", Newline())
            if self.does == "bug":
                raise ZeroDivisionError("by a bug")
        return LabeledTrace(trace=trace, labels=(GOOD,) * len(trace))


@dataclass(frozen=True, kw_only=True)
class Finder(Odd):
    """Brings a trace of its own home."""

    async def harvest(self, problem: Problem, traces: Sequence[Trace], resources: Resources) -> list[LabeledTrace]:
        found = [*traces, cut(problem.id, "A find.\n", Newline())]
        return [LabeledTrace(trace=trace, labels=(GOOD,) * len(trace)) for trace in found]


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A verifier that cannot decide anything."""

    async def verify(self, problem: Problem, text: str) -> Verdict:
        return Verdict(outcome="undecided", reason="never")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write_source(tmp_path / "source.jsonl", 12)


def failures(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "labels" / "failures.jsonl").read_text().splitlines()]


def test_labels_stand_in_the_order_of_the_source_with_a_card(source: Path, tmp_path: Path) -> None:
    result = run(source, tmp_path / "run")
    keys = [key for key, _ in read_records(tmp_path / "run/labels/labels.jsonl")]
    assert keys == [f"p{at // 2}/{at}" for at in range(24)]
    assert result["headline"] == "72 labels on 24 traces of 12 problems" and result["failed"] == 0
    card = json.loads((tmp_path / "run/labels/card.json").read_text())
    assert card["traces"] == 24 and card["cost"]["tokens written per label"] == 14.0
    assert "# Data card of run/labels" in (tmp_path / "run/labels/card.md").read_text()


def test_a_failing_hanging_garbling_upstream_changes_no_label_and_attempts_are_counted(
    source: Path, tmp_path: Path
) -> None:
    clean, faulty = tmp_path / "clean", tmp_path / "faulty"
    run(source, clean)
    upstream = Script(faults=Faults(fail=0.10, hang=0.05, garble=0.01))
    result = run(source, faulty, policy=upstream, retries=Retries(pause=0.0, timeout=0.05, attempts=12))
    assert values(faulty) == values(clean)
    assert result["failed"] == 0 and result["cost"]["asked again"] > 0


def test_an_upstream_that_never_answers_is_a_failure_of_each_problem_and_stops_nothing_else(
    source: Path, tmp_path: Path
) -> None:
    with pytest.raises(LabelError, match=r"12 of 12 problems failed, 12 of them with LabelError") as caught:
        run(source, tmp_path / "run", policy=Script(faults=Faults(fail=1.0)), retries=Retries(pause=0, attempts=2))
    assert "the scripted upstream failed" in str(caught.value)
    assert len(failures(tmp_path / "run")) == 12


def test_draws_may_be_lost_where_that_is_allowed_and_are_counted(source: Path, tmp_path: Path) -> None:
    faults = Faults(fail=0.3, seed=2)
    result = run(source, tmp_path / "run", policy=Script(faults=faults), retries=Retries(attempts=1, most_lost=1))
    card = json.loads((tmp_path / "run/labels/card.json").read_text())
    assert result["failed"] == 0 and card["counted"]["failed"] >= result["cost"]["lost"] > 0
    assert result["labels"] < 72, "a prefix without completions has no label"


def test_problems_that_cannot_be_labelled_are_rows_with_reasons_and_the_others_are_labelled(tmp_path: Path) -> None:
    source, folder = write_source(tmp_path / "source.jsonl", 8, unanswered=3), tmp_path / "run"
    result = run(source, folder)
    rows = failures(folder)
    assert [row["problem"] for row in rows] == ["p0", "p1", "p2"]
    assert all(row["error"] == "LabelError" and row["attempts"] == 1 and row["when"] for row in rows)
    assert rows[0]["traces"] == ["p0/0", "p0/1"] and "answer" in str(rows[0]["message"])
    assert result["failed"] == 3 and result["traces"] == 10
    assert any("3 problems failed" in warning for warning in result["warnings"])
    before = labels_file(folder)
    run(source, folder, Conduct(again=frozenset({"labels"})))
    assert [row["attempts"] for row in failures(folder)] == [2, 2, 2]
    assert labels_file(folder) == before


def test_a_job_in_which_most_problems_fail_is_not_finished_and_can_be_gone_on_with(tmp_path: Path) -> None:
    source, folder = write_source(tmp_path / "source.jsonl", 8, unanswered=6), tmp_path / "run"
    with pytest.raises(LabelError, match=r"6 of 8 problems failed.*most_failed=1"):
        run(source, folder)
    assert not (folder / "stages/labels.json").exists() and len(failures(folder)) == 6
    assert run(source, folder, most_failed=1.0)["traces"] == 4


def test_workers_and_concurrency_change_no_byte(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "one")
    run(source, tmp_path / "two", workers=2, concurrency=3)
    assert labels_file(tmp_path / "two") == labels_file(tmp_path / "one")


def test_the_order_of_the_source_changes_no_label(source: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.jsonl"
    turned.write_text("".join(f"{line}\n" for line in reversed(source.read_text().splitlines())))
    run(source, tmp_path / "a")
    run(turned, tmp_path / "b")
    first, second = ([repr(value) for value in values(tmp_path / each).values()] for each in "ab")
    assert first != second and sorted(first) == sorted(second)


@pytest.mark.slow
def test_a_unit_that_kills_its_process_is_a_failure_and_the_others_finish(source: Path, tmp_path: Path) -> None:
    result = run(source, tmp_path / "run", labeler=Odd(does="die"), workers=2, concurrency=2)
    assert result["traces"] == 22
    (row,) = failures(tmp_path / "run")
    assert row["problem"] == "p3" and row["error"] == "WorkerCrash" and "exit code 9" in str(row["message"])


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_bug_stops_the_job_names_its_place_and_loses_nothing_finished(
    source: Path, tmp_path: Path, workers: int
) -> None:
    with pytest.raises(ZeroDivisionError, match="by a bug") as caught:
        run(source, tmp_path / "run", labeler=Odd(at="p11", does="bug"), workers=workers, concurrency=1)
    assert "while working on unit" in caught.value.__notes__[0] and "in label" in caught.value.__notes__[0]
    with sqlite3.connect(tmp_path / "run/labels/ledger.sqlite") as db:
        assert db.execute("SELECT count(*) FROM results").fetchone()[0] >= 8


def test_a_stopped_job_keeps_what_ends_in_time_and_drops_the_rest(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "DRAIN", 0.0)
    monkeypatch.setattr(job, "TICK", 0.01)
    asked = iter([False] * 3)
    conduct = Conduct(stopping=lambda: next(asked, True))
    with pytest.raises(Stopped):
        run(source, tmp_path / "run", conduct, labeler=Odd(does="hang"), concurrency=4)
    with sqlite3.connect(tmp_path / "run/labels/ledger.sqlite") as db:
        assert 3 <= db.execute("SELECT count(*) FROM results").fetchone()[0] < 12
    assert not (tmp_path / "run/labels/labels.jsonl").exists()


def test_a_job_stopped_at_every_turn_gives_the_same_file(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(source, tmp_path / "unbroken")
    for _ in range(40):
        asked = iter([False] * 2)
        try:
            run(source, tmp_path / "run", Conduct(stopping=lambda asked=asked: next(asked, True)), concurrency=1)
            break
        except Stopped:
            continue
    assert labels_file(tmp_path / "run") == labels_file(tmp_path / "unbroken")


def test_other_weights_under_the_same_name_are_refused_with_the_difference(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ZeroDivisionError):
        run(source, tmp_path / "run", labeler=Odd(at="p11", does="bug"), concurrency=1)
    config = (tmp_path / "run/run.yaml").read_text()
    assert "concurrency" not in config and "workers" not in config, "what moves no label may change between sessions"
    monkeypatch.setattr(Script, "load", lambda self: ScriptedPolicy(script=completion, name="other"))
    with pytest.raises(ConfigError, match=r'policy.maker: "policy:scripted" -> "policy:other"'):
        run(source, tmp_path / "run", labeler=Odd(at="p11", does="bug"), concurrency=1)


def test_a_damaged_result_is_made_again(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(source, folder)
    before = labels_file(folder)
    with sqlite3.connect(folder / "labels/ledger.sqlite") as db:
        key, record = db.execute("SELECT key, record FROM results").fetchone()
        db.execute("UPDATE results SET record = ? WHERE key = ?", (record.replace(b"successes", b"sucxesses"), key))
    run(source, folder, Conduct(again=frozenset({"labels"})))
    assert labels_file(folder) == before


def test_a_damaged_ledger_is_named(source: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(source, folder)
    ledger = folder / "labels/ledger.sqlite"
    ledger.write_bytes(b"\0" * 100 + ledger.read_bytes()[100:])
    with pytest.raises(DataError, match=r"ledger.sqlite is damaged"):
        run(source, folder, Conduct(again=frozenset({"labels"})))


def test_a_verifier_that_never_decides_is_loud(source: Path, tmp_path: Path) -> None:
    result = run(source, tmp_path / "run", verifier=Undecided())
    warnings = " ".join(result["warnings"])
    assert "ALL 216 completions were undecided" in warnings and "EVERY trace is undecided" in warnings
    assert result["labels"] == 0 and result["undecided"] == 216


def test_traces_that_a_labeler_found_are_kept_behind_the_given_ones(source: Path, tmp_path: Path) -> None:
    assert run(source, tmp_path / "run", labeler=Finder(), harvest=True)["traces"] == 36
    rows = dict(read_records(tmp_path / "run/labels/labels.jsonl"))
    assert list(rows)[:4] == ["p0/0", "p0/1", "p0/+0", "p1/2"]
    with pytest.raises(ConfigError, match="brings no traces of its own"):
        recipe(source, labeler=RolloutLabeler(n=1), harvest=True)


def test_a_labeler_that_gives_back_other_traces_is_a_failure(source: Path, tmp_path: Path) -> None:
    run(source, tmp_path / "run", labeler=Odd(does="other"))
    (row,) = failures(tmp_path / "run")
    assert "give back the traces" in str(row["message"])


def test_a_missing_policy_stops_the_job_before_any_problem_fails(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs a policy; set `policy` of the label stage, or --policy"):
        run(source, tmp_path / "run", policy=None)
    assert run(source, tmp_path / "other", policy=None, labeler=OutcomeLabeler())["failed"] == 0


def test_a_completer_that_says_nothing_gives_labels_of_zero(source: Path, tmp_path: Path) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Silent(Script):
        def load(self) -> PolicyEngine:
            return ScriptedPolicy(script=lambda request, draw: "")

    result = run(source, tmp_path / "run", policy=Silent(), verifier=ExactVerifier())
    first = values(tmp_path / "run")["p0/0"][0]
    assert first[0]["trials"] == 4 and first[0]["value"] == 0.0 and result["failed"] == 0
