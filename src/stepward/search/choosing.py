"""Which of the finished traces of a step-wise search is the answer.

    best       the highest-scored trace
    vote       weighted majority: the answer with the largest sum of scores, represented by its best trace
    majority   the most frequent answer; a trace drawn several times has as many votes

All of them are whole solutions, so their scores compare whatever their length, as far as the reducer allows. Traces cut
at a step's limit stand behind every trace that ended. Ties go to the higher score, then to the earlier trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from stepward.protocols import AnswerReader
from stepward.search.tree import Branch, best
from stepward.search.voting import weighted_majority

Choose = Literal["best", "vote", "majority"]


def choose(finished: Sequence[Branch], answers: AnswerReader, how: Choose) -> Branch | None:
    """The chosen branch, the best where none states an answer to vote for; None where no finished trace has a score."""
    ended = [branch for branch in finished if branch.trace.finish == "stop"]
    candidates = [branch for branch in ended or finished if branch.score is not None]
    if how == "best":
        return best(candidates)
    said = [answers.canonical(b.trace.answer) if b.trace.answer is not None else None for b in candidates]
    worth = [(b.score or 0.0) if how == "vote" else 1.0 for b in candidates]
    vote = weighted_majority(said, [w * b.copies for w, b in zip(worth, candidates, strict=True)])
    if not vote.groups:
        return best(candidates)
    return best([candidates[index] for index in vote.groups[0].members])
