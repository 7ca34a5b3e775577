"""Which finished trace is the answer, on branches made by hand."""

from stepward.search.choosing import choose
from stepward.search.tree import Branch
from stepward.types import Finish, Step, Trace
from stepward.verifiers.answers import StatedAnswers

ANSWERS = StatedAnswers()


def branch(id: int, answer: str | None, score: float | None, copies: int = 1, finish: Finish = "stop") -> Branch:
    trace = Trace(problem_id="p", text="x", steps=(Step(0, 1),), answer=answer, finish=finish)
    return Branch(id=id, parent=None, text="x", trace=trace, depth=1, score=score, copies=copies)


LONE = branch(0, "7", 0.9)
PAIR = [branch(1, "8", 0.5), branch(2, "8", 0.6)]
OFTEN = branch(3, "9", 0.1, copies=4)


def test_three_ways_choose_three_traces() -> None:
    finished = [LONE, *PAIR, OFTEN]
    assert choose(finished, ANSWERS, "best") is LONE
    assert choose(finished, ANSWERS, "vote") is PAIR[1], "0.5 + 0.6 is above 0.9 and 4 times 0.1; its best trace stands"
    assert choose(finished, ANSWERS, "majority") is OFTEN, "four draws of one trace are four votes"


def test_copies_weigh_in_a_vote_by_scores_too() -> None:
    assert choose([LONE, branch(1, "8", 0.5, copies=2)], ANSWERS, "vote").trace.answer == "8"  # type: ignore[union-attr]


def test_spellings_of_one_answer_vote_together() -> None:
    halves = [branch(1, "1/2", 0.5), branch(2, r"\frac{1}{2}", 0.6)]
    assert choose([LONE, *halves], ANSWERS, "vote") is halves[1]


def test_what_was_cut_stands_behind_everything_that_ended() -> None:
    cut = branch(0, "7", 0.99, finish="length")
    for how in ("best", "vote", "majority"):
        assert choose([cut, PAIR[0]], ANSWERS, how) is PAIR[0]
        assert choose([cut], ANSWERS, how) is cut


def test_a_trace_without_a_score_is_never_chosen_nor_counted() -> None:
    unscored = [branch(k, "7", None) for k in range(3)]
    for how in ("best", "vote", "majority"):
        assert choose([*unscored, PAIR[0]], ANSWERS, how) is PAIR[0]
        assert choose(unscored, ANSWERS, how) is None


def test_where_no_answer_is_stated_the_best_trace_is_taken() -> None:
    silent = [branch(0, None, 0.2), branch(1, None, 0.4)]
    for how in ("vote", "majority"):
        assert choose(silent, ANSWERS, how) is silent[1]
        assert choose([*silent, OFTEN], ANSWERS, how) is OFTEN, "silence has no vote"


def test_ties_go_to_the_higher_score_then_to_the_earlier_trace() -> None:
    assert choose([branch(0, "7", 0.5), branch(1, "8", 0.5)], ANSWERS, "best").id == 0  # type: ignore[union-attr]
    assert choose([branch(0, "7", 0.5), branch(1, "7", 0.5)], ANSWERS, "majority").id == 0  # type: ignore[union-attr]
