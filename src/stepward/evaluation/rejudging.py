"""Judges rollouts that others rated again, and says where the two part and why.

A rating is an opinion with a reference at hand; a verdict compares a stated answer with a gold answer. Each completion
gets both, and each difference a reason, from what can be checked: whether the rater's reference was itself wrong,
whether the completion agrees with that reference, and whether the right number stands elsewhere in it. A completion
that states no number is not right; an undecided verdict is no trial.

Such completions are prose that states no answer in so many words. Read is, in this order: an answer stated as one (a
box, "####", "answer is"), the result of the last equation of the last paragraph that has one ("= $78 for 30 tasks" is
78), the last number.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from stepward.datasets.rated_rollouts import PASSES
from stepward.datasets.reading import Example
from stepward.types import Problem, StepLabel, Verdict
from stepward.verifiers.extract import NUMBER, stated_answer
from stepward.verifiers.math import MathVerifier

ANSWER_MARK = "The answer is:"
RESULT = re.compile(r"[=≈]\s?(-?\s?[$€£]?\s?\d[\d,]*(?:\.\d+)?%?)(?!\d|\.\d|\s?[-+*/×÷x^(=]\s?[\d$(])")
VERIFIER = MathVerifier(last_number=True, seconds=30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One completion, rated and judged."""

    step: int
    last: bool
    """The prefix is the whole solution: nothing was left to complete."""
    rated_right: bool
    verdict: Verdict
    elsewhere: bool
    """Not judged right, though the right number stands somewhere in it: the answer may have been misread."""
    reason: str
    """Why rating and verdict differ; empty where they agree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """An example with its rated labels, the verdict on its reference, and every completion judged."""

    example: Example
    gold: str
    reference_right: bool
    judged: tuple[Judged, ...]
    labels: tuple[StepLabel | None, ...]
    """Counted from the verdicts; None where none was decided."""


async def rejudge(examples: Sequence[Example], gold: Mapping[str, str]) -> list[Rejudged]:
    """Judge each completion of `examples` against the gold answer of its problem id."""
    return list(await asyncio.gather(*(_rejudge(example, gold[example.problem.id]) for example in examples)))


def differences(found: Sequence[Rejudged]) -> Counter[str]:
    """How often each reason stands between a rating and a verdict."""
    return Counter(one.reason for each in found for one in each.judged if one.reason)


async def _rejudge(example: Example, gold: str) -> Rejudged:
    problem = replace(example.problem, answer=gold)
    reference = str(problem.meta["reference"]).rpartition(ANSWER_MARK)[2].strip()
    right = (await VERIFIER.compare(gold, reference)).correct is True
    meta, trace = example.labeled.trace.meta, example.labeled.trace
    completions = cast(Sequence[Sequence[str]], meta["completions"])
    ratings = cast(Sequence[Sequence[float]], meta["ratings"])
    judged = [
        await _judge(problem, reference, index == len(trace) - 1, index, text, rating)
        for index, (texts, rated) in enumerate(zip(completions, ratings, strict=True))
        for text, rating in zip(texts, rated, strict=True)
    ]
    labels = tuple(_label([one for one in judged if one.step == index]) for index in range(len(trace)))
    return Rejudged(example=example, gold=gold, reference_right=right, judged=tuple(judged), labels=labels)


def stated_number(text: str) -> str | None:
    """The answer that prose comes to; None where it has no number."""
    stated = stated_answer(text)
    if stated is not None and stated.form != "bare":
        return stated.answer
    for paragraph in reversed(text.strip().split("\n")):
        results = RESULT.findall(paragraph)
        if results:
            return str(results[-1]).replace(" ", "").rstrip(",")
        if NUMBER.search(paragraph):
            break
    numbers = NUMBER.findall(text)
    return numbers[-1] if numbers else None


async def _judge(problem: Problem, reference: str, last: bool, step: int, text: str, rating: float) -> Judged:
    answer, rated = stated_number(text), rating >= PASSES
    verdict = Verdict(outcome="unparsable", reason="no number")
    if answer is not None:
        verdict = await VERIFIER.compare(problem.answer or "", answer)
    numbers = [] if verdict.correct else NUMBER.findall(text)
    elsewhere = any([(await VERIFIER.compare(problem.answer or "", number)).correct for number in numbers])
    reason = ""
    if verdict.correct is not None and verdict.correct != rated:
        reason = await (
            _right_here(problem, reference) if verdict.correct else _right_there(reference, verdict, elsewhere)
        )
    return Judged(step=step, last=last, rated_right=rated, verdict=verdict, elsewhere=elsewhere, reason=reason)


async def _right_here(problem: Problem, reference: str) -> str:
    """Why a rater may have called wrong what is judged right."""
    right = (await VERIFIER.compare(problem.answer or "", reference)).correct
    return "right by its reference, rated wrong" if right else "right, rated against a wrong reference"


async def _right_there(reference: str, verdict: Verdict, elsewhere: bool) -> str:
    """Why a rater may have called right what is not judged so."""
    if verdict.answer is None:
        return "rated right, states no number"
    if (await VERIFIER.compare(reference, verdict.answer)).correct:
        return "rated right for agreeing with a wrong reference"
    return f"rated right, {'the right number stands elsewhere in it' if elsewhere else 'the right number is not in it'}"


def _label(judged: Sequence[Judged]) -> StepLabel | None:
    decided = [one.verdict.correct for one in judged if one.verdict.correct is not None]
    if not decided:
        return None
    won = sum(decided)
    return StepLabel(
        target="value",
        value=won / len(decided),
        source="rollout",
        successes=won,
        trials=len(decided),
        origin=VERIFIER.origin,
    )
