import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.errors import DataError, LabelError, TraceError
from stepward.tree import StepTree
from stepward.types import Origin, Problem, Step, Trace

PROBLEM = Problem(id="p", text="1 + 1?")


def trace_of(*texts: str, kinds: tuple[str, ...] = ()) -> Trace:
    steps, at = [], 0
    for index, text in enumerate(texts):
        steps.append(Step(at, at + len(text), kinds[index] if kinds else "thought"))
        at += len(text)
    return Trace(problem_id="p", text="".join(texts), steps=tuple(steps))


def tree_of(*traces: Trace) -> StepTree:
    tree = StepTree(PROBLEM)
    for trace in traces:
        tree.add(trace)
    return tree


def texts(nodes):
    return [node.text for node in nodes]


def test_common_prefixes_stand_once_and_alternatives_are_siblings():
    tree = tree_of(trace_of("a", "b", "c"), trace_of("a", "b", "d"), trace_of("a", "e"))
    assert texts(tree.walk()) == ["", "a", "b", "c", "d", "e"]
    assert texts(tree.leaves()) == ["c", "d", "e"]
    b = tree.find(trace_of("a", "b"))[-1]
    assert texts(tree.siblings(b)) == ["e"]
    assert texts(tree.children(b)) == ["c", "d"]
    assert [node.depth for node in tree.walk()] == [0, 1, 2, 3, 3, 2]


def test_steps_merge_by_text_and_kind_together():
    tree = tree_of(trace_of("a", kinds=("thought",)), trace_of("a", kinds=("action",)), trace_of("a"))
    assert [(node.text, node.kind) for node in tree.children(tree.root)] == [("a", "thought"), ("a", "action")]


def test_the_same_text_cut_elsewhere_is_another_path():
    tree = tree_of(trace_of("ab", "c"), trace_of("a", "bc"))
    assert len(tree) == 5


def test_traces_are_noted_where_they_end_once_for_each_time_added():
    whole, part = trace_of("a", "b"), trace_of("a")
    tree = tree_of(whole, part, whole)
    a, b = tree.find(whole)
    assert (a.trace_ids, b.trace_ids) == ([part.id], [whole.id, whole.id])


def test_a_trace_without_steps_ends_at_the_root():
    tree = StepTree(PROBLEM)
    assert tree.add(trace_of()) is tree.root
    assert tree.leaves() == (tree.root,)
    assert (tree.path(tree.root), tree.siblings(tree.root), tree.prefix(tree.root)) == ((), (), "")


def test_an_alternative_shares_the_parent_and_merges_when_repeated():
    tree = tree_of(trace_of("a", "b"))
    b = tree.leaves()[0]
    other = tree.add_alternative(b, "c")
    assert tree.add_alternative(b, "c") is other
    assert tree.siblings(b) == (other,)
    with pytest.raises(TraceError, match="no alternatives"):
        tree.add_alternative(tree.root, "x")


def test_prefix_and_trace_of_a_node_give_the_text_back():
    trace = trace_of("a\n", "b\n", "c", kinds=("thought", "action", "answer"))
    tree = StepTree(PROBLEM)
    end = tree.add(trace)
    assert tree.prefix(end) == trace.text
    assert tree.trace(end).steps == trace.steps
    assert tree.trace(end).id == trace.id


def test_counts_back_up_to_the_root():
    tree = tree_of(trace_of("a", "b"), trace_of("a", "c"))
    b, c = tree.leaves()
    tree.back_up(b, 3, 4)
    tree.back_up(c, 0, 4)
    a = tree.children(tree.root)[0]
    assert (a.successes, a.trials, a.visits, a.value) == (3, 8, 2, 0.375)
    assert (tree.root.successes, tree.root.trials, b.value, c.value) == (3, 8, 0.75, 0.0)


@pytest.mark.parametrize("counts", [(2, 1), (-1, 1)])
def test_impossible_counts_are_refused_and_change_nothing(counts):
    tree = tree_of(trace_of("a"))
    with pytest.raises(LabelError, match="0 <= k <= n"):
        tree.back_up(tree.leaves()[0], *counts)
    assert (tree.root.trials, tree.root.visits) == (0, 0)


def test_labels_come_from_counts_and_are_absent_without_trials():
    trace = trace_of("a", "b", "c")
    tree = tree_of(trace)
    a, b, _ = tree.find(trace)
    a.count(6, 8)
    b.count(0, 8)
    labeled = tree.label(trace, source="rollout", origin=Origin(maker="labeler:test"))
    first, second, third = labeled.labels
    assert (first.value, first.successes, first.trials, first.source) == (0.75, 6, 8, "rollout")
    assert (first.target, first.origin.maker) == ("value", "labeler:test")
    assert (second.good, third) == (False, None)


def test_a_trace_that_was_not_added_is_named():
    tree = tree_of(trace_of("a", "b"))
    with pytest.raises(TraceError, match=r"step 1 of trace .* not in the tree"):
        tree.label(trace_of("a", "c"))


def test_a_trace_of_another_problem_is_refused():
    stranger = Trace(problem_id="q", text="", steps=())
    for use in (tree_of().add, tree_of().find):
        with pytest.raises(TraceError, match=r"takes its traces only; got 'q'"):
            use(stranger)


def test_an_empty_step_is_refused():
    with pytest.raises(TraceError, match="at least one character"):
        tree_of().add_step(tree_of().root, "")


STEPS = st.lists(st.lists(st.sampled_from("abc"), max_size=5), max_size=8)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_a_tree_holds_each_prefix_once_and_survives_json(attempts):
    tree = tree_of(*(trace_of(*attempt) for attempt in attempts))
    prefixes = {tuple(attempt[:count]) for attempt in attempts for count in range(len(attempt) + 1)} | {()}
    assert sorted(tuple(texts(tree.path(node))) for node in tree.walk()) == sorted(prefixes)
    for index, node in enumerate(list(tree.walk())):
        tree.back_up(node, index % 2, 2)
    again = StepTree.from_json(json.loads(json.dumps(tree.to_json())))
    assert again.to_json() == tree.to_json()
    assert texts(again.walk()) == texts(tree.walk())
    assert [node.depth for node in again.walk()] == [node.depth for node in tree.walk()]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{}, {"parent": 1, "text": "a"}], "node 1 of a tree needs a step and an earlier node"),
        ([{}, {"parent": -1, "text": "a"}], "node 1 of a tree needs a step and an earlier node"),
        ([{}, {"parent": 0}], "node 1 of a tree needs a step"),
        ([{}, {"text": "a"}, {"text": "a"}], "node 2 of a tree repeats node 1"),
        ([{}, {"txt": "a"}], r"nodes\[1\] has no field 'txt'; did you mean 'text'"),
    ],
)
def test_a_stored_tree_that_does_not_fit_is_refused(rows, message):
    with pytest.raises(DataError, match=message):
        StepTree.from_json({"problem": {"id": "p", "text": ""}, "nodes": rows})


def test_ten_thousand_traces_and_ten_thousand_steps_are_no_trouble():
    tree = StepTree(PROBLEM)
    for index in range(10_000):
        tree.add(trace_of("a", f"b{index % 100}", f"c{index}"))
    assert len(tree) == 1 + 1 + 100 + 10_000
    deep = tree.add(trace_of(*["x"] * 10_000))
    tree.back_up(deep, 1, 1)
    assert sum(1 for _ in tree.walk()) == len(tree)
    assert len(StepTree.from_json(tree.to_json())) == len(tree)
