"""What a learned aggregate sees of a trace, "trace-features@1". A changed list is a new version: old fits are refused.

min, mean, last, q10, q50, q90     of the step scores p_1..p_T
log_product                        sum_k log p_k
log_steps                          log T
drop                               max_k (p_{k-1} - p_k), 0 for one step
weakest_at                         place of the first minimum, k / T
outcome                            logit of the outcome score; used where every trace has one
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.numbers import held, logit
from stepward.combine.signals import Signals, outcomes
from stepward.errors import ConfigError, LabelError
from stepward.metrics.checks import Flags, Floats, both_classes, scored

VERSION = "trace-features@1"
PROCESS = ("min", "mean", "last", "q10", "q50", "q90", "log_product", "log_steps", "drop", "weakest_at")
WITH_OUTCOME = (*PROCESS, "outcome")


def trace_features(traces_N: Sequence[Signals], names: Sequence[str]) -> Floats:
    """[N, F]: the features called `names`, `PROCESS` or `WITH_OUTCOME`. `ScoreError` where an outcome is missing."""
    rows = np.array([_of_steps(each.steps) for each in traces_N], dtype=np.float64).reshape(-1, len(PROCESS))
    if "outcome" not in names:
        return rows
    return np.column_stack([rows, logit(outcomes(traces_N))])


def _of_steps(steps: Sequence[float]) -> list[float]:
    p = np.asarray(steps, dtype=np.float64)
    low, middle, high = np.quantile(p, [0.1, 0.5, 0.9]).tolist()
    drop = float(np.max(p[:-1] - p[1:])) if len(p) > 1 else 0.0
    return [
        float(p.min()),
        float(p.mean()),
        float(p[-1]),
        low,
        middle,
        high,
        float(np.log(held(p)).sum()),
        float(np.log(len(p))),
        drop,
        (int(p.argmin()) + 1) / len(p),
    ]


def check_features(names: Sequence[str], version: str) -> None:
    """Raise `ConfigError` unless these are the features of this version."""
    if version != VERSION or tuple(names) not in (PROCESS, WITH_OUTCOME):
        raise ConfigError("an aggregate was learned on other features", got=(version, names), mend="fit it again")


def feature_names(outcome: bool) -> tuple[str, ...]:
    """Those of the step scores, with or without the outcome score."""
    return WITH_OUTCOME if outcome else PROCESS


def both_kinds(rows_NF: Floats, correct_N: ArrayLike) -> Flags:
    """The labels, if there are some of both classes, one for each row; else `LabelError`."""
    if not len(rows_NF):
        raise LabelError("there is no trace to learn from")
    return both_classes(scored(rows_NF[:, 0], correct_N), "a learned aggregate").good_S
