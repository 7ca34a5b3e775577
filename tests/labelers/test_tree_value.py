import asyncio

import pytest

from stepward.errors import ResourceError
from stepward.labelers.tree_value import TreeValueLabeler
from stepward.protocols import Resources
from stepward.relabel.back_up import BackUp
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import LabeledTrace, Problem, Spend
from stepward.verifiers.fake import ScriptedVerifier

PROBLEM = Problem(id="p", text="?", answer="right")
TEXTS = ("a\nb\nright", "a\nb\nwrong", "a\nc\nwrong", "a\nc?")
RESOURCES = Resources(
    verifier=ScriptedVerifier(outcomes={TEXTS[0]: "equal", TEXTS[3]: "undecided"}, otherwise="different")
)


def label(labeler: TreeValueLabeler) -> list[LabeledTrace]:
    traces = [cut("p", text, Newline()) for text in TEXTS]
    return asyncio.run(labeler.label_all(PROBLEM, traces, RESOURCES))


def values(labeled: LabeledTrace) -> list[float | None]:
    return [each.value if each else None for each in labeled.labels]


def test_traces_vote_on_the_steps_that_they_share() -> None:
    done = label(TreeValueLabeler())
    assert [values(each) for each in done] == [[1 / 3, 0.5, 1], [1 / 3, 0.5, 0], [1 / 3, 0, 0], [1 / 3, None]]
    assert [each.spend for each in done] == [Spend(verifier_calls=1)] * 4
    assert [each.verdict.outcome for each in done if each.verdict] == ["equal", "different", "different", "undecided"]


def test_the_back_up_is_a_setting() -> None:
    assert [values(each)[0] for each in label(TreeValueLabeler(back_up=BackUp(how="max", fewest=2)))] == [1, 1, 1, 1]


def test_a_trace_alone_gets_its_own_outcome_and_none_at_all_is_fine() -> None:
    trace = cut("p", TEXTS[1], Newline())
    assert values(asyncio.run(TreeValueLabeler().label(PROBLEM, trace, RESOURCES))) == [0, 0, 0]
    assert asyncio.run(TreeValueLabeler().label_all(PROBLEM, [], RESOURCES)) == []


def test_a_missing_verifier_is_named() -> None:
    with pytest.raises(ResourceError, match="needs a verifier"):
        asyncio.run(TreeValueLabeler().label_all(PROBLEM, [], Resources()))
