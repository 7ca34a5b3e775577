from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from stepward.errors import ConfigError
from stepward.reduce import reducer
from stepward.reward_models.formats.library import FORMATS, get_format, read_format_file
from stepward.reward_models.formats.record import PRMFormat

DOCS = Path(__file__).parents[2] / "docs" / "formats.md"


@pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
def test_a_record_is_whole_and_survives_json(format: PRMFormat) -> None:
    assert format.name and format.summary and format.source
    assert reducer(format.aggregation)([0.5, 0.25]) is not None
    assert PRMFormat.from_json(json.loads(json.dumps(format.to_json()))) == format
    assert format.output != "scalar" or format.head_keys
    assert not format.added or format.name == "stepward", "a published tokenizer holds its marker"


def test_names_are_sorted_and_their_own() -> None:
    assert list(FORMATS) == sorted(FORMATS)
    assert all(name == format.name for name, format in FORMATS.items())


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="no format is called 'math_sheperd'; did you mean 'math-shepherd'"):
        get_format("math_sheperd")


def test_checkpoint_names_belong_to_one_format_each() -> None:
    patterns = [pattern for format in FORMATS.values() for pattern in format.checkpoints]
    assert len(patterns) == len(set(patterns))


def test_a_users_file_is_a_format(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nmarker: '<step>'\nadded: false\noutput: classes\nclasses: [1]\nthreshold: 0\n")
    found = get_format(str(file))
    assert (found.name, found.marker, found.classes, found.threshold) == ("mine", "<step>", (1,), 0.0)
    (tmp_path / "mine.json").write_text(json.dumps(found.to_json()))
    assert read_format_file(tmp_path / "mine.json") == found


def test_a_users_file_may_start_from_a_format(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("based_on: qwen2.5-math-prm\nname: mine\nsystem: ''\n")
    found, start = get_format(str(file)), FORMATS["qwen2.5-math-prm"]
    assert found.marker_ids == start.marker_ids and found.system == "" and not found.checkpoints


@pytest.mark.parametrize(
    "text, says",
    [
        ("name: x\nmarkr: y\n", "no field 'markr'; did you mean 'marker'"),
        ("name: x\nlayout: caht\n", "layout is none of the allowed values; got 'caht'"),
        ("name: x\nmarker_ids: ['1']\n", "marker_ids"),
        ("name: trl\n", "needs a name of its own"),
        ("based_on: trl\n", "needs a name of its own"),
        ("- name: x\n", "must hold the fields of one format"),
        ("name: [x\n", "mine.yaml"),
    ],
)
def test_a_users_file_is_read_strictly(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_format_file(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no format file .*gone\.yaml"):
        get_format(str(tmp_path / "gone.yaml"))


@pytest.mark.parametrize(
    "fields, says",
    [
        ({"layout": "turns", "prompt": "{problem}", "answer": "+", "read": "before"}, "prompt holds '{step}' too"),
        ({"layout": "turns", "prompt": "{problem} {step}", "read": "before"}, "needs an answer"),
        ({"layout": "turns", "prompt": "{problem} {step}", "answer": "+"}, "read before the answer"),
        ({"step": "text"}, "holds '{step}'"),
        ({"keep_marker": False}, "reads at a marker it takes out"),
        ({"output": "tokens", "answers": ("+",)}, "needs 2 answers"),
        ({"output": "token"}, "needs 1 answers"),
        ({"output": "classes"}, "needs the good classes"),
        ({"threshold": 1.5}, "threshold that no score can have: it is a probability"),
        ({"convention": "margin", "threshold": -2.0}, "it is a margin"),
        ({"convention": "log_ratio"}, "calls a score of one model a log-ratio"),
        ({"read": "prefix"}, "reads prefixes of a chat"),
    ],
)
def test_fields_that_do_not_fit_each_other_are_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(says)):
        PRMFormat(name="x", **fields)


def cell(text: str) -> str:
    shown = text.replace(" ", "␣").replace("\n", "↵").replace("|", "\\|")
    return f"`{shown}`" if text else "-"


def row(format: PRMFormat) -> str:
    """A family's line of the table in docs/formats.md."""
    mark = cell(format.answer if format.layout == "turns" else format.marker)
    ids = ", ".join(map(str, format.marker_ids))
    scores = {
        "tokens": "softmax over " + ", ".join(map(cell, format.answers)),
        "token": "P(" + ", ".join(map(cell, format.answers)) + ") of all words",
        "classes": "softmax over labels, " + " + ".join(map(str, format.classes)),
        "log_ratio": f"log-ratio x {format.coefficient:g}",
        "mean_logits": "mean of all logits",
        "scalar": "value head",
        "head": "own head",
    }
    place = "before" if format.read == "before" else {"marker": "at it", "prefix": "end of prefix"}[format.read]
    where = f"{place}, {format.shift:+d}" if format.shift else place
    cells = [f"`{format.name}`", format.summary, f"{format.layout}, {format.assembly}", f"{mark} {ids}".strip(), where]
    return "| " + " | ".join([*cells, scores[format.output], format.convention, format.aggregation]) + " |"


def test_the_table_in_the_docs_is_that_of_the_records() -> None:
    found = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert found == [row(format) for format in FORMATS.values()]


def test_the_formats_in_the_docs_are_formats(tmp_path: Path) -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 2
    for index, block in enumerate(blocks):
        file = tmp_path / f"{index}.yaml"
        file.write_text(block)
        assert read_format_file(file).name


def test_an_aggregation_that_nobody_computes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"format 'mine'.*no such reducer; got 'banana'"):
        PRMFormat(name="mine", aggregation="banana")


def test_a_judge_is_no_format_and_says_where_it_goes() -> None:
    with pytest.raises(ConfigError, match=r"'thinkprm' is a judge.*--judge thinkprm"):
        get_format("thinkprm")
    with pytest.raises(ConfigError, match="did you mean 'thinkprm'"):
        get_format("thinkprmm")
