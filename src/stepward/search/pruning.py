"""When to give a branch up: a threshold on step scores that loses few right traces, and what it saves.

A trace is lost where any of its steps scores below tau. Over n calibration problems with L_i(tau), the share of problem
i's right traces that are lost, the threshold is

    tau = max{ t : (sum_i L_i(t) + 1) / (n + 1) <= lost }        (conformal risk control, arXiv 2208.02814)

so that for a new problem, drawn like these, the expected share of right traces lost is at most `lost`. What it saves is
the share of steps behind the first one below tau, over all traces, right or wrong.

A lost trace is no lost answer: best-of-N and votes have others. So the loss in accuracy is smaller than `lost` as a
rule.

Degenerate cases: with n + 1 < 1 / lost problems nothing can be promised, and tau is None: prune nothing.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError, ScoreError


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """The step scores of a whole trace, its outcome and its problem."""

    problem_id: str
    steps: tuple[float, ...]
    correct: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRule:
    """A threshold, what it promises and what it did on the traces that it was made from."""

    tau: float | None
    """For `Growing.prune_below`; None prunes nothing."""
    promised: float
    """Most of a new problem's right traces that are lost, in expectation."""
    problems: int
    lost: float
    """Mean over problems of the share of right traces lost."""
    saved: float
    """Share of all steps that would not have been written."""


def calibrate_pruning(traces: Sequence[Scored], *, lost: float = 0.01) -> PruneRule:
    """The highest threshold that loses at most the share `lost` of right traces. `ScoreError` where none is right."""
    if not 0 < lost < 1:
        raise ConfigError("lost must lie between 0 and 1", got=lost)
    lows: dict[str, list[float]] = defaultdict(list)
    for trace in traces:
        if trace.correct and trace.steps:
            lows[trace.problem_id].append(min(trace.steps))
    if not lows:
        raise ScoreError("no right trace tells what a threshold would lose", got=len(traces))
    tau = _threshold(list(lows.values()), lost)
    return PruneRule(
        tau=tau,
        promised=lost,
        problems=len(lows),
        lost=_mean_loss(list(lows.values()), tau),
        saved=saved_steps(traces, tau),
    )


def saved_steps(traces: Sequence[Scored], tau: float | None) -> float:
    """Share of steps that stand behind the first one below `tau`."""
    steps = sum(len(trace.steps) for trace in traces)
    if tau is None or not steps:
        return 0.0
    cuts = (next((at for at, p in enumerate(trace.steps) if p < tau), len(trace.steps) - 1) for trace in traces)
    return sum(len(t.steps) - 1 - cut for t, cut in zip(traces, cuts, strict=True)) / steps


def _threshold(lows: Sequence[Sequence[float]], lost: float) -> float | None:
    """Right traces are given up in the order of their weakest steps, as long as the bound holds."""
    falls = sorted((low, 1 / len(row)) for row in lows for low in row)
    room = lost * (len(lows) + 1) - 1
    if room < -1e-12:
        return None
    gone = 0.0
    for low, share in falls:
        gone += share
        if gone > room + 1e-12:
            return low  # a trace whose weakest step is just this is kept: only scores below it are pruned
    return math.inf


def _mean_loss(lows: Sequence[Sequence[float]], tau: float | None) -> float:
    if tau is None:
        return 0.0
    return sum(sum(low < tau for low in row) / len(row) for row in lows) / len(lows)
