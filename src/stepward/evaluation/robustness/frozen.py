"""What deletion does to aggregates when all other scores stay: the mechanical null, from stored scores alone.

Taking a factor below 1 out of a product raises it whatever the step said, so with frozen scores the product cannot
tell a necessary step from an inert one (arithmetic, not judgement). How often each aggregate rises then is its
exposure to shortening; what a scorer that reads the shortened trace does on top is `figures.deletion_gaps`.

Of each trace of at least two steps every step but the last, which states the answer, is taken out by turns:

    rises                      share of deletions after which the aggregate is higher (APR)
    rises_necessary, _inert    the same for steps of either role, by the heuristic of `dependence`
    gap                        their difference, Delta_NI of the null
    flips                      Flip@N: the same for the pool's highest trace; the shortened copy, put into the place of
                               another member, is then chosen in its stead. Ties at the top count in equal parts

Source: StrictPRMBench (2026), whose null is scored on the same definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.evaluation.label_quality import share_over_problems
from stepward.evaluation.robustness.dependence import Dependence, by_numbers
from stepward.evaluation.robustness.figures import share_difference
from stepward.evaluation.robustness.measured import rises
from stepward.metrics.bootstrap import Interval
from stepward.reduce import reducer
from stepward.types import Problem, StepScores, Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTrace:
    """One member of a pool: its stored scores, and what each step but the last is to the rest."""

    problem_id: str
    scores: tuple[float, ...]
    roles: tuple[Dependence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenDeletion:
    """One aggregate under deletion."""

    how: str
    traces: int
    deletions: int
    rises: Interval
    rises_necessary: Interval
    rises_inert: Interval
    gap: Interval
    flips: Interval


@dataclass(frozen=True, slots=True)
class _Deletion:
    problem_id: str
    role: str
    rises: bool


def stored_trace(problem: Problem, trace: Trace, scores: StepScores) -> StoredTrace:
    """`trace` with its stored scores; `ScoreError` where they do not fit it."""
    return StoredTrace(
        problem_id=problem.id, scores=scores.check(trace).values, roles=by_numbers(problem, trace) if len(trace) else ()
    )


def frozen_deletions(traces: Sequence[StoredTrace], hows: Sequence[str], *, seed: int) -> tuple[FrozenDeletion, ...]:
    """One row an aggregate, over pools that the traces' problem ids make. Scores must be fit for each of `hows`."""
    return tuple(_frozen(traces, how, seed) for how in hows)


def _frozen(traces: Sequence[StoredTrace], how: str, seed: int) -> FrozenDeletion:
    reduce = reducer(how)
    whole = [reduce(trace.scores) if trace.scores else None for trace in traces]
    deleted: list[list[_Deletion]] = []
    for trace, before in zip(traces, whole, strict=True):
        rows = []
        for index, each in enumerate(trace.roles if before is not None else ()):
            after = reduce(trace.scores[:index] + trace.scores[index + 1 :])
            rows.append(_Deletion(trace.problem_id, each.role, before is not None and rises(before, after)))
        deleted.append(rows)
    every = [row for rows in deleted for row in rows]
    necessary = [row for row in every if row.role == "necessary"]
    inert = [row for row in every if row.role == "inert"]
    return FrozenDeletion(
        how=how,
        traces=sum(bool(rows) for rows in deleted),
        deletions=len(every),
        rises=_share(every, seed),
        rises_necessary=_share(necessary, seed),
        rises_inert=_share(inert, seed),
        gap=share_difference(_pairs(necessary), _pairs(inert), seed=seed),
        flips=_flips(traces, whole, deleted, seed),
    )


def _flips(
    traces: Sequence[StoredTrace], whole: Sequence[float | None], deleted: Sequence[Sequence[_Deletion]], seed: int
) -> Interval:
    """Per pool the mean over its highest traces of the share of their deletions that rise; then over problems."""
    best: dict[str, float] = {}
    for trace, value in zip(traces, whole, strict=True):
        if value is not None:
            best[trace.problem_id] = max(value, best.get(trace.problem_id, value))
    top: dict[str, list[float]] = {}
    for trace, value, rows in zip(traces, whole, deleted, strict=True):
        if rows and value is not None and not rises(value, best[trace.problem_id]):
            top.setdefault(trace.problem_id, []).append(sum(row.rises for row in rows) / len(rows))
    return share_over_problems(((problem, sum(shares) / len(shares), 1) for problem, shares in top.items()), seed)


def _share(rows: Sequence[_Deletion], seed: int) -> Interval:
    return share_over_problems(((row.problem_id, row.rises, 1) for row in rows), seed)


def _pairs(rows: Sequence[_Deletion]) -> list[tuple[str, bool]]:
    return [(row.problem_id, row.rises) for row in rows]
