import json
from dataclasses import replace
from pathlib import Path

import pytest
from stored_scores import bare, labelled, material, scored

from stepward.datasets.native import NativeExamples
from stepward.datasets.prm800k_raw import Prm800kRaw
from stepward.datasets.reading import read
from stepward.errors import ConfigError
from stepward.evaluation.failure_files import write_failures
from stepward.evaluation.failures import Failures, find_failures, in_turn, pick
from stepward.evaluation.steps import Judged
from stepward.types import LabeledTrace, Problem, StepScores


def found(cases: dict[str, tuple[LabeledTrace, StepScores]], **settings: float) -> Failures:
    problems = {e.trace.problem_id: Problem(id=e.trace.problem_id, text="q") for e, _ in cases.values()}
    judged = {key: Judged(labeled=e, scores=s) for key, (e, s) in cases.items()}
    return find_failures("prm", judged, problems, **settings)


def test_disagreements_are_sorted_by_where_both_see_the_first_error() -> None:
    high, low = scored(0.9, 0.8, 0.7), scored(0.9, 0.3, 0.2)
    cases = {
        "clean": (labelled("p", None, True), high),
        "found": (labelled("p", 1, False), low),
        "alarm": (labelled("p", None, True), low),
        "missed": (labelled("p", 2, False), high),
        "early": (labelled("p", 2, False), low),
        "late": (labelled("p", 0, False), low),
        "lucky": (labelled("p", 1, True), low),
        "lucky and missed": (labelled("p", 1, True), high),
    }
    failures = found(cases)
    kinds = {failure.key: failure.kinds for failure in failures.found}
    assert kinds == {
        "alarm": ("false alarm",),
        "missed": ("missed",),
        "early": ("early",),
        "late": ("late",),
        "lucky": ("lucky",),
        "lucky and missed": ("missed", "lucky"),
    }
    bad = {failure.key: round(failure.badness, 6) for failure in failures.found}
    assert bad == {"alarm": 0.7, "missed": 0.7, "early": 0.7, "late": 0.9, "lucky": 0.3, "lucky and missed": 0.8}
    assert failures.judged == 8 and failures.unknown == 0
    assert failures.counts == {"missed": 2, "late": 1, "early": 1, "false alarm": 1, "lucky": 2}


def test_without_labels_the_verdict_decides_and_without_either_nothing_is_claimed() -> None:
    high, low = scored(0.9, 0.8, 0.7), scored(0.9, 0.3, 0.2)
    cases = {
        "passed": (bare(labelled("p", 1, False)), high),
        "flagged": (bare(labelled("p", None, True)), low),
        "agreed": (bare(labelled("p", None, True)), high),
        "unknown": (bare(labelled("p", None, None)), low),
    }
    failures = found(cases)
    assert [(f.key, f.kinds) for f in failures.found] == [
        ("passed", ("wrong answer passed",)),
        ("flagged", ("right answer flagged",)),
    ]
    assert (failures.judged, failures.unknown) == (3, 1)


def test_logits_are_read_through_the_logistic_and_thresholds_must_lie_inside() -> None:
    logits = replace(scored(0.5, 0.5, 0.5), values=(2.0, -1.0, 3.0), convention="logit")
    case = {"t": (labelled("p", None, True), logits)}
    assert found(case).found[0].called == 1
    assert not found(case, threshold=0.2).found
    with pytest.raises(ConfigError, match="between 0 and 1"):
        found(case, threshold=1.0)


def test_the_worst_stand_beside_a_draw_in_which_rare_domains_are_seen() -> None:
    assert in_turn([[1, 2, 3, 4], [9]], 3, seed=0)[1] == 9
    made = material()
    failures = find_failures("good", made.judged("good"), made.problems)
    picked = pick(failures, size=1, seed=4)
    assert [(each.kind, each.total, each.worst[0].key) for each in picked] == [
        ("late", 1, "p1/1"),
        ("false alarm", 1, "p0/0"),
    ]
    assert picked == pick(failures, size=1, seed=4)


def test_files_read_back_and_the_annotators_see_neither_labels_nor_scores(tmp_path: Path) -> None:
    made = material()
    failures = find_failures("flat", made.judged("flat"), made.problems, threshold=0.55)
    written = write_failures(tmp_path, failures, pick(failures, size=3, seed=0))
    rows = read(NativeExamples(), tmp_path / "failures.jsonl").items
    assert len(rows) == written.failures == len(failures.found)
    told = rows[0].labeled.trace.meta["failure"]
    assert isinstance(told, dict) and told["kinds"] == list(failures.found[0].kinds) and len(told["scores"]) == 3
    assert rows[0].labeled.labels == failures.found[0].example.labeled.labels
    text = (tmp_path / "annotate.jsonl").read_text()
    for leak in ("labels", "verdict", "scores", "badness", "kinds", '"answer"', "first_error"):
        assert leak not in text
    tasks = read(NativeExamples(), tmp_path / "annotate.jsonl").items
    assert len(tasks) == written.tasks and {t.labeled.trace.id for t in tasks} <= {r.labeled.trace.id for r in rows}
    back = read(Prm800kRaw(), tmp_path / "prm800k.jsonl").items
    assert len(back) == written.prm800k == written.tasks


def test_labels_between_the_ratings_leave_out_the_prm800k_file(tmp_path: Path) -> None:
    soft = labelled("p", None, True)
    soft = replace(soft, labels=tuple(replace(label, value=0.7) for label in soft.labels if label))
    failures = found({"t": (soft, scored(0.1, 0.9, 0.9))})
    written = write_failures(tmp_path, failures, pick(failures, size=1, seed=0))
    assert written.prm800k is None and not (tmp_path / "prm800k.jsonl").exists()
    assert json.loads((tmp_path / "failures.jsonl").read_text())["labels"] == [0.7] * 3
