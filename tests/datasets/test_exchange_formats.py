"""Reading and writing the formats that others train on: what survives, what is counted, what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from stepward.datasets.exchange import Written, bare_steps
from stepward.datasets.fover import FoVer, FoVerWriter
from stepward.datasets.math_aps import MathAps, MathApsWriter
from stepward.datasets.math_shepherd import MathShepherd, MathShepherdWriter
from stepward.datasets.native import NativeExamples
from stepward.datasets.native_write import NativeWriter
from stepward.datasets.omega_prm import OmegaPrm
from stepward.datasets.openrlhf import OpenRlhf, OpenRlhfWriter
from stepward.datasets.preferences import Preferences, PreferenceWriter
from stepward.datasets.prm800k import Prm800k
from stepward.datasets.reading import Example, read
from stepward.datasets.rlhflow import RlhFlow, RlhFlowWriter
from stepward.datasets.trl import Trl, TrlWriter
from stepward.errors import ConfigError, DataError, LabelError, TraceError
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, Step, StepLabel, Trace, Verdict

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",)) | st.sampled_from(" \n+-ки«Step 1:»"),
    min_size=1,
    max_size=12,
)
STRIPPED = TEXT.map(str.strip).filter(bool)
HARD, SOFT = st.sampled_from([0.0, 1.0]), st.floats(0, 1)
Row = dict[str, Any]


def example(problem: str, steps: list[str], values: list[float | None], separator: str = "\n", **more: Any) -> Example:
    target, source = more.get("target", "value"), more.get("source", "rollout")
    labels = tuple(None if v is None else StepLabel(target=target, value=v, source=source) for v in values)
    trace = from_steps("p", steps, separator=separator)
    return Example(problem=Problem(id="p", text=problem), labeled=LabeledTrace(trace=trace, labels=labels))


def said(one: Example) -> tuple[str, tuple[str, ...], list[float | None]]:
    values = [None if label is None else label.value for label in one.labeled.labels]
    return one.problem.text, one.labeled.trace.step_texts, values


def rows_of(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def back_and_forth(reader: Any, writer: Any, one: Example, folder: Path) -> tuple[Example, Written]:
    """`one`, written and read; what the file says must not change when it is written again."""
    first, second = folder / "first.jsonl", folder / "second.jsonl"
    written = writer.write(first, [one])
    (found,) = read(reader, first).items
    writer.write(second, [found])
    assert rows_of(second) == rows_of(first)
    return found, written


LISTS = [
    (Trl(target="value", source="rollout"), TrlWriter(values="soft"), TEXT.filter(str.strip), SOFT),
    (Trl(target="value", source="rollout"), TrlWriter(), TEXT.filter(str.strip), HARD),
    (FoVer(target="value", source="rollout"), FoVerWriter(), TEXT.filter(str.strip), HARD | st.none()),
    (RlhFlow(), RlhFlowWriter(), STRIPPED, HARD),
    (OpenRlhf(), OpenRlhfWriter(), STRIPPED, HARD),
    (OpenRlhf(), OpenRlhfWriter(values="soft"), STRIPPED, SOFT),
    (MathAps(), MathApsWriter(), STRIPPED, HARD),
    (MathShepherd(headers="strip"), MathShepherdWriter(), STRIPPED, SOFT),
    (NativeExamples(), NativeWriter(), TEXT.filter(str.strip), SOFT | st.none()),
]


@pytest.mark.parametrize(("reader", "writer", "texts", "values"), LISTS, ids=lambda x: type(x).__name__)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_what_a_format_holds_comes_back_and_markers_are_refused(reader, writer, texts, values, data, tmp_path_factory):
    steps = data.draw(st.lists(texts, min_size=1, max_size=4))
    labels = data.draw(st.lists(values, min_size=len(steps), max_size=len(steps)))
    question = data.draw(STRIPPED if isinstance(writer, MathShepherdWriter | MathApsWriter) else texts)
    one = example(question, steps, labels)
    folder = tmp_path_factory.getbasetemp()
    marker = getattr(writer, "marker", None)
    bare = bare_steps(one.labeled.trace)
    assume(not steps[0].startswith("Step 1:"))  # headers that a step brings stay, and would be stripped
    again = isinstance(writer, MathShepherdWriter) and "Step 1:" in bare[0]
    if again or (marker is not None and any(marker in text for text in (question, *bare))):
        with pytest.raises(LabelError, match="holds"):
            writer.write(folder / "refused.jsonl", [one])
        return
    assume(list(bare) == steps)  # otherwise white space at the end of all steps is taken for the separator
    found, written = back_and_forth(reader, writer, one, folder)
    assert said(found) == said(one)
    assert (written.rows, written.examples_left_out, written.steps_left_out) == (1, 0, 0)
    assert "labels made hard" not in written.lost
    assert not any("white space" in name for name in written.lost)


def test_the_account_names_what_a_format_cannot_hold(tmp_path):
    label = StepLabel(target="value", value=0.75, source="rollout", successes=6, trials=8, note="n")
    trace = from_steps("p", [" a ", "b", "c", "d"], answer="5", origin=Origin(maker="policy:x"))
    labeled = LabeledTrace(trace=trace, labels=(label, label, None, label), verdict=Verdict(outcome="equal"))
    one = Example(problem=Problem(id="p", text="q", answer="5", domain="maths"), labeled=labeled)
    other = Example(problem=one.problem, labeled=LabeledTrace(trace=trace, labels=(None, *labeled.labels[1:])))
    written = RlhFlowWriter().write(tmp_path / "a.jsonl", [one, other])
    assert (written.rows, written.examples_left_out, written.steps_left_out) == (1, 1, 6)
    assert written.lost == {
        "domains": 1,
        "labels made hard": 2,
        "notes on labels": 2,
        "origins and meta of traces": 1,
        "problem ids": 1,
        "reference answers": 1,
        "rollout counts": 2,
        "stated answers": 1,
        "steps whose white space changes": 2,
        "targets, sources and origins of labels": 2,
        "verdicts": 1,
    }
    assert "1 examples left out; 6 steps left out; not in the file: 1 domains" in str(written)
    assert NativeWriter().write(tmp_path / "b.jsonl", [one, other]).lost == {}


def test_rollout_counts_stand_beside_trl_labels_where_asked(tmp_path):
    labels = tuple(StepLabel(target="value", value=k / 8, source="rollout", successes=k, trials=8) for k in (8, 2))
    one = Example(
        problem=Problem(id="p", text="q"),
        labeled=LabeledTrace(trace=from_steps("p", ["a", "b"]), labels=labels),
    )
    written = TrlWriter(values="soft", counts=True).write(tmp_path / "a.jsonl", [one])
    assert rows_of(tmp_path / "a.jsonl")[0]["n_correct"] == [8, 2]
    assert "rollout counts" not in written.lost
    (found,) = read(Trl(target="value", source="rollout"), tmp_path / "a.jsonl").items
    assert [(label.value, label.successes, label.trials) for label in found.labeled.labels if label] == [
        (1.0, 8, 8),
        (0.25, 2, 8),
    ]


@pytest.mark.parametrize(
    ("counts", "pattern"),
    [({"n_correct": [1]}, "n_total"), ({"n_correct": [1], "n_total": [2, 2]}, "one count for each of 1"),
     ({"n_correct": [True], "n_total": [2]}, "whole number"), ({"n_correct": [3], "n_total": [2]}, "0 <= k <= n")],
)  # fmt: skip
def test_trl_counts_that_do_not_fit_are_refused(jsonl, counts, pattern):
    with pytest.raises(DataError, match=pattern):
        read(Trl(), jsonl({"prompt": "q", "completions": ["a"], "labels": [1.0], **counts}))


CHAT = {
    "conversations": [
        {"role": "user", "content": "Two and three? Step 1: 2+3 = 5."},
        {"role": "assistant", "content": "+"},
        {"role": "user", "content": "Step 2: So 6."},
        {"role": "assistant", "content": "-"},
    ]
}


def test_a_published_chat_row_ends_its_question_where_the_first_header_begins(jsonl):
    reading = read(RlhFlow(), jsonl(CHAT))
    (found,) = reading.items
    assert said(found) == ("Two and three?", ("Step 1: 2+3 = 5.\n", "Step 2: So 6."), [1.0, 0.0])
    assert (found.labeled.target, found.labeled.labels[0].source) == ("value", "rollout")  # type: ignore[union-attr]
    assert reading.report.notes == {"questions that end where 'Step 1:' begins": 1}


def turns(*contents: str) -> Row:
    roles = ["user", "assistant"] * len(contents)
    return {"conversations": [{"role": r, "content": c} for r, c in zip(roles, contents, strict=False)]}


@pytest.mark.parametrize(
    ("row", "pattern"),
    [
        (turns("Two and three? 5.", "+"), "exactly once.*column 'problem'"),
        (turns("In Step 1: what? Step 1: 5.", "+"), "exactly once"),
        (turns("Step 1: 5.", "+"), "exactly once"),
        (turns("q Step 1: 5.", "0"), r"conversations\[1\].content.*\+"),
        (turns("q Step 1: 5."), "pairs"),
        (turns("q Step 1: 5.", "+", " ", "+"), "must not be empty"),
        ({"conversations": []}, "pairs"),
        ({"conversations": list(reversed(turns("q Step 1: 5.", "+")["conversations"]))}, "turns alternate"),
        (turns("another Step 1: 5.", "+") | {"problem": "q"}, "must begin with the column"),
        (turns("q  ", "+") | {"problem": "q"}, "blank"),
    ],
)
def test_a_chat_that_leaves_something_open_is_refused(jsonl, row, pattern):
    with pytest.raises(DataError, match=pattern):
        read(RlhFlow(), jsonl(row))


def test_a_header_of_ones_own_may_end_the_question(jsonl):
    (found,) = read(RlhFlow(header="1)"), jsonl(turns("What? 1) a", "+", "2) b", "-"))).items
    assert found.problem.text == "What?"


def test_in_fover_true_means_right_and_null_is_unlabelled(jsonl):
    row = {"problem": "q", "solution_steps": ["a", "b", "c"], "error_labels": [True, False, None], "id": "7"}
    (found,) = read(FoVer(), jsonl(row | {"messages": []})).items
    assert said(found)[2] == [1.0, 0.0, None]
    assert (found.labeled.target, found.labeled.trace.meta["id"]) == ("validity", "7")
    with pytest.raises(DataError, match=r"error_labels\[0\]"):
        read(FoVer(), jsonl(row | {"error_labels": [1, False, None]}))
    with pytest.raises(DataError, match=r"3 steps.*got 1"):
        read(FoVer(), jsonl(row | {"error_labels": [True]}))


def test_marked_text_needs_one_label_for_each_marker(jsonl):
    tag = " \n\n\n\n\n"
    row = {"question": "q", "process": f"a{tag}b{tag}", "label": ["+", 0]}
    assert said(read(MathAps(), jsonl(row)).items[0]) == ("q", ("a\n", "b"), [1.0, 0.0])
    for change, pattern in [
        ({"label": ["+"]}, "one label for each of 2 markers"),
        ({"label": ["+", "?"]}, r"label\[1\]"),
        ({"label": ["+", 2]}, r"\[0, 1\]"),
        ({"process": f"a{tag}b"}, "must end with the marker"),
        ({"process": f"a{tag}{tag}"}, "blank"),
    ]:
        with pytest.raises(DataError, match=pattern):
            read(MathAps(), jsonl(row | change))


def test_openrlhf_lists_may_stand_in_another_column(jsonl):
    row = {"input": "What? Step 1: a ки\nStep 2: b ки", "value": [0.5, 0.0]}
    (found,) = read(OpenRlhf(label_column="value"), jsonl(row)).items
    assert said(found) == ("What?", ("Step 1: a\n", "Step 2: b"), [0.5, 0.0])


def test_headers_are_added_to_the_string_form_counted_and_taken_off_again(tmp_path):
    path = tmp_path / "a.jsonl"
    written = MathShepherdWriter(values="hard").write(path, [example("q", ["a", "b"], [0.5, 0.0])])
    assert rows_of(path) == [
        {"input": "q Step 1: a ки\nStep 2: b ки", "label": "q Step 1: a +\nStep 2: b -", "task": ""}
    ]
    assert written.lost['steps without the "Step k:" that was added'] == 2
    assert said(read(MathShepherd(), path).items[0])[1] == ("Step 1: a\n", "Step 2: b")
    assert said(read(MathShepherd(headers="strip"), path).items[0])[1] == ("a\n", "b")
    path.write_text(path.read_text().replace("Step 2", "Step 3"))
    with pytest.raises(DataError, match="step 1 must begin with 'Step 2:'"):
        read(MathShepherd(headers="strip"), path)


def test_a_blank_step_is_not_written(tmp_path):
    labels = (StepLabel(target="value", value=1.0, source="rollout"),) * 2
    trace = Trace(problem_id="p", text="a\n \n", steps=(Step(0, 2), Step(2, 4)))
    blank = LabeledTrace(trace=trace, labels=labels)
    one = Example(problem=Problem(id="p", text="q"), labeled=blank)
    for writer in (TrlWriter(), FoVerWriter(), RlhFlowWriter(), PreferenceWriter()):
        with pytest.raises(TraceError, match=r"step 1 .*blank"):
            writer.write(tmp_path / "a.jsonl", [one])


def test_blank_problems_and_unlabelled_steps_are_refused_where_asked(tmp_path):
    with pytest.raises(TraceError, match="problem 'p' is blank"):
        TrlWriter().write(tmp_path / "a.jsonl", [example(" ", ["a"], [1.0])])
    for writer in (RlhFlowWriter(unlabelled="refuse"), OpenRlhfWriter(unlabelled="refuse")):
        with pytest.raises(LabelError, match=r"step 1 .*no label"):
            writer.write(tmp_path / "a.jsonl", [example("q", ["a", "b"], [1.0, None])])


@pytest.mark.parametrize(
    "make",
    [
        lambda: RlhFlowWriter(unlabelled="drop"),  # type: ignore[arg-type]
        lambda: OpenRlhfWriter(values="both"),  # type: ignore[arg-type]
        lambda: MathShepherd(headers="add"),  # type: ignore[arg-type]
        lambda: RlhFlow(target="truth"),  # type: ignore[arg-type]
        lambda: PreferenceWriter(take="best"),  # type: ignore[arg-type]
        lambda: PreferenceWriter(margin=-1.0),
    ],
)
def test_words_that_no_option_knows_are_refused(make):
    with pytest.raises(ConfigError):
        make()


TREE = {
    "question": "q",
    "final_answer": "5",
    "question_id": "0",
    "reasoning_steps": {
        "text": "q",
        "mc_value": 0.5,
        "children": [
            {"text": "a", "mc_value": 0.75, "children": [{"text": "b", "mc_value": 1.0, "children": []}]},
            {"text": "c", "mc_value": 0.0, "children": []},
        ],
    },
}
PREFIXES = TREE | {
    "reasoning_steps": [
        {"solution_prefix": "q", "mc_value": 0.5},
        {"solution_prefix": "q\n\na\nb", "mc_value": 1.0},
        {"solution_prefix": "q\n\nc", "mc_value": 0.0},
        {"solution_prefix": "q\n\na", "mc_value": 0.5},
        {"solution_prefix": "q\n\na", "mc_value": 1.0},
    ]
}


@pytest.mark.parametrize("row", [TREE, PREFIXES], ids=["tree", "prefixes"])
def test_every_way_through_an_omega_tree_is_a_trace(jsonl, row):
    reading = read(OmegaPrm(), jsonl(row))
    assert [said(one) for one in reading.items] == [("q", ("a\n\n", "b"), [0.75, 1.0]), ("q", ("c",), [0.0])]
    first = reading.items[0]
    assert (first.problem.answer, first.labeled.target, first.labeled.trace.meta["root_value"]) == ("5", "value", 0.5)
    assert reading.report.notes == ({} if row is TREE else {"prefixes that stand twice": 1})


def test_an_omega_tree_that_is_none_is_refused(jsonl):
    with pytest.raises(DataError, match="must be the question"):
        read(OmegaPrm(), jsonl(TREE | {"question": "other"}))
    with pytest.raises(DataError, match="must begin with the question"):
        read(OmegaPrm(), jsonl(PREFIXES | {"question": "other"}))
    bare = TREE | {"reasoning_steps": {"text": "q", "mc_value": 0.5, "children": []}}
    assert read(OmegaPrm(), jsonl(bare)).report.dropped == {"a question without a step": 1}


def rolled(*given: tuple[str, int]) -> LabeledTrace:
    """A trace of steps with k successes of 8."""
    labels = tuple(StepLabel(target="value", value=k / 8, source="rollout", successes=k, trials=8) for _, k in given)
    return LabeledTrace(trace=from_steps("p", [text for text, _ in given], separator="\n"), labels=labels)


Q = Problem(id="p", text="q")
FOREST = [
    rolled(("a", 6), ("b", 8)),
    rolled(("a", 6), ("c", 1)),
    rolled(("a", 6), ("d", 4)),
    rolled(("x", 2), ("b", 5)),
]


def test_pairs_are_siblings_and_hold_what_separates_them(tmp_path):
    path = tmp_path / "a.jsonl"
    written = PreferenceWriter().write(path, [Example(problem=Q, labeled=one) for one in FOREST])
    first, second = rows_of(path)
    assert (first["prompt"], first["chosen"], first["rejected"]) == ("q\n", "a", "x")
    assert first["margin"] == 0.5
    assert second == {
        "prompt": "q\na\n",
        "chosen": "b",
        "rejected": "c",
        "margin": 0.875,
        "problem": "q",
        "prefix": ["a"],
        "chosen_value": 1.0,
        "rejected_value": 0.125,
        "chosen_counts": [8, 8],
        "rejected_counts": [1, 8],
    }
    assert written.lost["labelled steps in no pair"] == 2  # d between the extremes, b after x alone
    assert not {"labels made hard", "rollout counts"} & set(written.lost)


def test_a_place_with_at_most_one_labelled_step_makes_no_pair(tmp_path):
    bare = [example("q", ["a", "b"], [None, None]), example("q", ["c", "b"], [1.0, None])]
    assert PreferenceWriter().write(tmp_path / "a.jsonl", bare).rows == 0
    assert PreferenceWriter(take="all").write(tmp_path / "a.jsonl", bare).rows == 0


def test_all_pairs_above_the_margin_are_written_where_asked(tmp_path):
    examples = [Example(problem=Q, labeled=one) for one in FOREST]
    every = PreferenceWriter(take="all", sure=0.0).write(tmp_path / "a.jsonl", examples)
    clear = PreferenceWriter(take="all", margin=0.5, sure=0.0).write(tmp_path / "b.jsonl", examples)
    assert (every.rows, clear.rows, clear.lost["pairs within the margin"]) == (4, 1, 3)


def test_a_pair_with_counts_is_made_where_the_posterior_is_sure_of_its_order(tmp_path):
    examples = [Example(problem=Q, labeled=one) for one in FOREST]
    # Pr[theta_1 > theta_2] under Jeffreys' priors: b 8/8 against c 1/8 is 1.000, a 6/8 against x 2/8 is 0.976
    assert PreferenceWriter(sure=0.97).write(tmp_path / "a.jsonl", examples).rows == 2
    written = PreferenceWriter(sure=0.99).write(tmp_path / "a.jsonl", examples)
    assert (written.rows, written.lost["pairs of unsure order"]) == (1, 2)


def test_steps_that_traces_share_count_once_with_mean_value_and_summed_counts(tmp_path):
    shared = [rolled(("a", 8)), rolled(("a", 4)), rolled(("b", 0))]
    PreferenceWriter().write(tmp_path / "a.jsonl", [Example(problem=Q, labeled=one) for one in shared])
    (row,) = rows_of(tmp_path / "a.jsonl")
    assert (row["chosen_value"], row["chosen_counts"]) == (0.75, [12, 16])


def test_labels_of_different_targets_are_not_paired(tmp_path):
    mixed = [example("q", ["a"], [1.0]), example("q", ["b"], [0.0], target="prefix", source="human")]
    with pytest.raises(LabelError, match="different targets"):
        PreferenceWriter().write(tmp_path / "a.jsonl", mixed)


def test_preference_rows_come_back_as_two_examples_and_as_the_same_rows(tmp_path):
    PreferenceWriter(take="all").write(tmp_path / "a.jsonl", [Example(problem=Q, labeled=one) for one in FOREST])
    found = read(Preferences(source="rollout"), tmp_path / "a.jsonl").items
    assert said(found[2]) == ("q", ("a\n", "b"), [None, 1.0])
    assert found[2].labeled.labels[-1].trials == 8  # type: ignore[union-attr]
    PreferenceWriter(take="all").write(tmp_path / "b.jsonl", found[:2])
    assert rows_of(tmp_path / "b.jsonl") == rows_of(tmp_path / "a.jsonl")[:1]


def test_a_bare_preference_row_has_its_prompt_for_a_problem(jsonl):
    good, bad = read(Preferences(), jsonl({"prompt": "q", "chosen": "a", "rejected": "b"})).items
    assert (said(good), said(bad)) == (("q", ("a",), [1.0]), ("q", ("b",), [0.0]))
    with pytest.raises(DataError, match="successes, trials"):
        read(Preferences(), jsonl({"prompt": "q", "chosen": "a", "rejected": "b", "chosen_counts": [1]}))


def test_omega_samples_of_the_development_data_are_read(development):
    for name, traces in (("samples_math-aps-tree.jsonl", 242), ("samples_math-aps.jsonl", 124)):
        reading = read(OmegaPrm(), development / "monte_carlo" / name)
        assert len({one.problem.id for one in reading.items}) == 3
        assert len(reading.items) == traces


@pytest.mark.parametrize(
    ("reader", "writer"),
    [
        (Trl(), TrlWriter()),
        (FoVer(), FoVerWriter()),
        (RlhFlow(), RlhFlowWriter()),
        (OpenRlhf(), OpenRlhfWriter(values="soft")),
        (MathAps(), MathApsWriter()),
        (MathShepherd(headers="strip"), MathShepherdWriter()),
    ],
    ids=lambda part: type(part).__name__,
)
def test_solutions_of_prm800k_survive_every_format(development, tmp_path, reader, writer):
    given = read(Prm800k(), development / "prm800k" / "dev.jsonl").items
    written = writer.write(tmp_path / "a.jsonl", given)
    found = read(reader, tmp_path / "a.jsonl").items
    assert written.rows == len(found) == len(given)
    for before, after in zip(given, found, strict=True):
        count = len(after.labeled.trace)
        assert after.problem.text.strip() == before.problem.text.strip()
        assert [text.strip() for text in after.labeled.trace.step_texts] == [
            text.strip() for text in before.labeled.trace.step_texts[:count]
        ]
        assert said(after)[2] == said(before)[2][:count]
    assert sum(len(one.labeled.trace) for one in given) == written.steps_left_out + sum(
        len(one.labeled.trace) for one in found
    )


def test_the_string_form_of_the_development_data_comes_back_row_by_row(development, tmp_path):
    path = development / "monte_carlo" / "samples_math-shepherd.jsonl"
    examples = read(MathShepherd(), path).items
    MathShepherdWriter().write(tmp_path / "a.jsonl", examples)
    assert rows_of(tmp_path / "a.jsonl") == rows_of(path)
