import pytest

from stepward.errors import TraceError
from stepward.segment.tokens import TokenSpan, step_of_tokens, token_spans
from stepward.types import Step

STEPS = (Step(0, 4), Step(4, 6), Step(6, 9))
CLEAN = [(0, 0), (0, 2), (2, 4), (4, 6), (6, 8), (8, 9), (0, 0)]
STRADDLING = [(0, 2), (2, 5), (5, 6), (6, 9)]


def test_every_step_gets_the_tokens_that_start_in_it() -> None:
    assert token_spans(STEPS, CLEAN) == (TokenSpan(1, 2), TokenSpan(3, 3), TokenSpan(4, 5))
    assert step_of_tokens(STEPS, CLEAN) == (None, 0, 0, 1, 2, 2, None)


def test_a_straddling_token_counts_to_the_step_in_which_it_starts_or_is_refused() -> None:
    assert token_spans(STEPS, STRADDLING) == (TokenSpan(0, 1), TokenSpan(2, 2), TokenSpan(3, 3))
    with pytest.raises(TraceError, match=r"token 1 straddles the end of step 0; got \(2, 5\)"):
        token_spans(STEPS, STRADDLING, straddling="error")
    assert token_spans(STEPS, CLEAN, straddling="error") == token_spans(STEPS, CLEAN)


def test_a_step_without_a_token_of_its_own_is_an_error() -> None:
    with pytest.raises(TraceError, match="step 1, characters 4 to 6"):
        token_spans(STEPS, [(0, 2), (2, 6), (6, 9)])


def test_tokens_that_stop_before_the_text_are_an_error() -> None:
    with pytest.raises(TraceError, match=r"step 2, .*; got '5 tokens that end at character 8'"):
        token_spans(STEPS, CLEAN[:5])
    with pytest.raises(TraceError, match="step 0"):
        token_spans(STEPS, [])


def test_the_bytes_of_one_character_may_be_several_tokens() -> None:
    assert token_spans((Step(0, 1), Step(1, 2)), [(0, 1), (0, 1), (1, 2)]) == (TokenSpan(0, 1), TokenSpan(2, 2))


def test_no_steps_have_no_spans() -> None:
    assert token_spans((), [(0, 0)]) == ()
