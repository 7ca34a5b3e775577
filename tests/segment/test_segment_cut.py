import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepward.errors import TraceError
from stepward.segment.blank_line import BlankLine
from stepward.segment.cut import cut, from_steps
from stepward.types import Origin


def test_cut_carries_what_cut_it_and_what_it_was_told() -> None:
    origin = Origin(maker="policy:x")
    trace = cut("p", "a\n\nb", BlankLine(), answer="b", finish="length", origin=origin, meta={"draw": 3})
    assert trace.step_texts == ("a\n\n", "b")
    assert (trace.segmenter, trace.answer, trace.finish, trace.origin) == ("blank_line@1", "b", "length", origin)
    assert trace.meta == {"draw": 3}


def test_the_empty_text_makes_a_trace_without_steps() -> None:
    assert len(cut("p", "", BlankLine())) == len(from_steps("p", [])) == 0


inked = st.text(max_size=8).filter(str.strip)


@settings(max_examples=100, deadline=None, database=None, derandomize=True)
@given(steps=st.lists(inked, max_size=6), separator=st.sampled_from(["\n\n", "\n", "", " ки\n"]))
def test_given_steps_are_kept_one_for_one(steps: list[str], separator: str) -> None:
    trace = from_steps("p", steps, separator)
    assert trace.text == separator.join(steps)
    assert len(trace) == len(steps)
    assert trace.step_texts == tuple(step + separator for step in steps[:-1]) + tuple(steps[-1:])


def test_given_steps_that_hold_the_separator_are_not_cut_again() -> None:
    assert from_steps("p", ["a\n\nb\n\n", "c"]).step_texts == ("a\n\nb\n\n\n\n", "c")


@pytest.mark.parametrize("blank", ["", " \n"])
def test_a_blank_step_is_refused_by_its_index(blank: str) -> None:
    with pytest.raises(TraceError, match=r"step 1 of 3 .* 'p' is blank"):
        from_steps("p", ["a", blank, "c"])


def test_kinds_go_with_the_steps_or_are_refused() -> None:
    trace = from_steps("p", ["a", "b"], kinds=["action", "observation"])
    assert [step.kind for step in trace.steps] == ["action", "observation"]
    with pytest.raises(TraceError, match="one kind each; got 1"):
        from_steps("p", ["a", "b"], kinds=["action"])
