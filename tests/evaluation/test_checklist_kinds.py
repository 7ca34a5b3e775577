"""The checklist tells PRM from ORM by what the stage that scored recorded, and by names only where nothing did."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from stored_scores import material

from stepward.codec import to_json
from stepward.evaluation.checklist import checklist
from stepward.evaluation.evaluate import evaluate
from stepward.evaluation.evaluated import Evaluated, Kind, kind_in


@cache
def record() -> Evaluated:
    return evaluate(material()).record


def write(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def run(folder: Path, made: Evaluated) -> Path:
    (folder / "run.yaml").write_text("name: x\nstages: {}\n")
    write(folder / "evaluation" / "evaluation.json", to_json(made))
    return folder


def answer(folder: Path) -> str:
    return "\n".join(next(item for item in checklist(folder) if item.question.startswith("Does PRM")).lines)


def kinds(good: Kind, flat: Kind) -> Evaluated:
    first, second = record().scorers
    return replace(record(), scorers=(replace(first, kind=good), replace(second, kind=flat)))


def test_the_card_decides_whatever_the_scorer_is_called(tmp_path: Path) -> None:
    told = answer(run(tmp_path, kinds("prm", "orm")))
    assert "PRM good/min" in told and "ORM flat/min" in told and "not in this run" not in told
    assert "no card" not in told and "by Holm over 3" in told


def test_without_a_card_names_decide_and_the_answer_says_so(tmp_path: Path) -> None:
    told = answer(run(tmp_path, kinds("orm", "")))
    assert "ORM good/min" in told and "PRM flat/min" in told
    assert "no card says what flat is; its name was taken for it" in told
    told = answer(run(tmp_path, kinds("prm", "prm")))
    assert "(ORM + N: not in this run)" in told
    assert "(PRM + N: not in this run)" in answer(run(tmp_path, kinds("orm", "orm")))


def test_choices_of_a_select_stage_know_the_stages_that_scored(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("name: x\nstages: {}\n")
    write(tmp_path / "chosen" / "curves.json", [to_json(point) for point in record().curves])
    write(
        tmp_path / "chosen" / "differences.json",
        {"best:good/min - majority": to_json(record().differences[0].interval)},
    )
    write(tmp_path / "stages" / "chosen.json", {"at": "", "result": {"problems": 12}})
    write(tmp_path / "stages" / "good.json", {"at": "", "result": {"scorer": "scorer:orm"}})
    write(tmp_path / "stages" / "flat.json", {"at": "", "result": {"scorer": "scorer:x", "kind": "prm"}})
    told = answer(tmp_path)
    assert "ORM good/min" in told and "PRM flat/min" in told and "no card" not in told
    assert "best:good/min less majority, paired" in told and ", p " in told


def test_the_result_of_a_stage_tells_the_kind_or_none() -> None:
    assert kind_in({"scorer": "scorer:orm/experts"}) == "orm"
    assert kind_in({"scorer": "scorer:prm", "kind": "orm"}) == "orm"
    assert kind_in({"scorer": "scorer:math-shepherd"}) == "" and kind_in(None) == "" and kind_in({"traces": 3}) == ""
