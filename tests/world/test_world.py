from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.errors import ConfigError
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import LabeledTrace, Problem
from stepward.world.checker import WorldChecker, reference_solution, stated_answer
from stepward.world.domains import DOMAINS
from stepward.world.problems import Graph, World

PROBLEM = World(domains=("collections",), min_steps=4, max_steps=4, max_distractors=0).draw(1, seed=3)[0]


def checked(problem: Problem, text: str) -> LabeledTrace:
    return WorldChecker().check(problem, cut(problem.id, text, Newline()))


def faults(problem: Problem, text: str) -> list[str]:
    labeled = WorldChecker(target="validity").check(problem, cut(problem.id, text, Newline()))
    return [label.note for label in labeled.labels if label is not None]


@given(st.integers(0, 10_000), st.sampled_from(sorted(DOMAINS)), st.integers(2, 12))
@settings(max_examples=60, deadline=None)
def test_the_reference_solution_is_right_at_every_step(seed: int, domain: str, steps: int) -> None:
    problem = World(domains=(domain,), min_steps=steps, max_steps=steps).draw(1, seed)[0]
    labeled = checked(problem, reference_solution(problem))
    assert len(labeled.trace) == steps
    assert labeled.first_error is None
    assert labeled.verdict is not None and labeled.verdict.correct


def test_drawing_is_fixed_by_settings_and_seed_and_gives_each_text_once() -> None:
    world = World()
    first, again, other = world.draw(200, 5), world.draw(200, 5), world.draw(200, 6)
    assert first == again != other
    assert len({problem.text for problem in first}) == len({problem.id for problem in first}) == 200


def test_every_quantity_of_the_path_is_needed_and_distractors_are_not() -> None:
    for problem in World(max_steps=8).draw(100, 1):
        graph = Graph.of(problem)
        needed, queue = set(), [graph.asked]
        while queue:
            index = queue.pop()
            needed.add(index)
            queue.extend(graph.quantities[index].of)
        derived = {i for i, q in enumerate(graph.quantities) if q.how != "given"}
        assert derived <= needed
        assert problem.meta["steps"] == len(derived) + 1


def test_numbers_stay_in_range() -> None:
    for problem in World(max_value=60, max_steps=10).draw(200, 2):
        assert all(1 <= q.value <= 60 for q in Graph.of(problem).quantities)


def test_wrong_arithmetic_is_found_where_it_was_made_and_what_follows_from_it_stays_valid() -> None:
    lines = reference_solution(PROBLEM).splitlines(keepends=True)
    before, _, after = lines[0].partition(" = ")
    true = int(after.split()[0])
    spoilt = [f"{before} = {true + 1} {' '.join(after.split()[1:])}\n", *lines[1:]]
    assert faults(PROBLEM, "".join(spoilt))[0] == "arithmetic"
    labeled = checked(PROBLEM, "".join(spoilt))
    assert labeled.first_error == 0
    assert [label.value for label in labeled.labels if label] == [0.0] * len(lines)


def test_a_value_carried_over_from_a_wrong_step_is_valid_but_the_prefix_is_not() -> None:
    problem = Problem(
        id="p",
        text="",
        answer="9",
        meta={
            "world": {
                "domain": "collections",
                "asked": 2,
                "quantities": [
                    {"name": "Ann", "unit": "coins", "how": "given", "of": [], "k": 0, "value": 4},
                    {"name": "Ben", "unit": "coins", "how": "more", "of": [0], "k": 2, "value": 6},
                    {"name": "Cid", "unit": "coins", "how": "more", "of": [1], "k": 3, "value": 9},
                ],
            }
        },
    )
    text = "Ben has 4 + 2 = 7 coins.\nCid has 7 + 3 = 10 coins.\nThe answer is 10.\n"
    assert faults(problem, text) == ["arithmetic", "", ""]
    labeled = checked(problem, text)
    assert [label.good for label in labeled.labels if label] == [False, False, False]
    assert labeled.verdict is not None and labeled.verdict.outcome == "different"


@pytest.mark.parametrize(
    ("step", "fault"),
    [
        ("Ben has 4 + 2 = 6 coins.\n", ""),
        ("Ben has 2 + 4 = 6 coins.\n", ""),
        ("Ben has 4 + 2 = 6 cards.\n", "unknown quantity"),
        ("Zed has 4 + 2 = 6 coins.\n", "unknown quantity"),
        ("Ann has 2 + 2 = 4 coins.\n", "unknown quantity"),
        ("Ben has 4 - 2 = 2 coins.\n", "operation"),
        ("Ben has 4 + 3 = 7 coins.\n", "operands"),
        ("Cid has 6 + 3 = 9 coins.\n", "operands"),
        ("Ben has 4 + 2 = 7 coins.\n", "arithmetic"),
        ("Ben has six coins.\n", "unreadable"),
        ("The answer is 9.\n", "answer"),
        ("\n", "unreadable"),
    ],
)
def test_each_fault_has_its_name(step: str, fault: str) -> None:
    graph = {
        "domain": "collections",
        "asked": 2,
        "quantities": [
            {"name": "Ann", "unit": "coins", "how": "given", "of": [], "k": 0, "value": 4},
            {"name": "Ben", "unit": "coins", "how": "more", "of": [0], "k": 2, "value": 6},
            {"name": "Cid", "unit": "coins", "how": "more", "of": [1], "k": 3, "value": 9},
        ],
    }
    assert faults(Problem(id="p", text="", answer="9", meta={"world": graph}), step) == [fault]


def test_huge_numbers_and_other_scripts_are_faults_and_no_crash() -> None:
    assert faults(PROBLEM, "Ann has ٣ + ٤ = ٧ coins.\n") != [""]
    assert faults(PROBLEM, f"The answer is {'9' * 6000}.\n") == ["unreadable"]


def test_an_empty_trace_has_no_labels_and_no_answer() -> None:
    labeled = checked(PROBLEM, "")
    assert labeled.labels == ()
    assert labeled.verdict is not None and labeled.verdict.outcome == "unparsable"
    assert stated_answer("The answer is 3.\nThe answer is 5.") == "5"


def test_settings_out_of_range_and_foreign_problems_are_refused() -> None:
    for make in (
        lambda: World(domains=("chemistry",)),
        lambda: World(domains=()),
        lambda: World(min_steps=1),
        lambda: World(max_steps=13),
        lambda: World(max_value=10),
    ):
        with pytest.raises(ConfigError):
            make()
    with pytest.raises(ConfigError, match="was not drawn by the world"):
        WorldChecker().check(replace(PROBLEM, meta={}), cut("x", "a\n", Newline()))
