"""Scorers that know nothing of the reasoning: what a PRM must clearly beat.

*always right* gives every step one number. *position* and *length* predict from the step's index or its
characters alone, by a logistic regression fitted on the training labels, which is the strongest that
these cues can be. If one of them is good, the data has a shortcut, and a PRM may have learnt just that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stepward.errors import LabelError
from stepward.types import LabeledTrace, Origin, StepScores, Trace

Floats = NDArray[np.float64]


def _position(trace: Trace) -> Floats:
    at = np.arange(len(trace), dtype=np.float64)
    return np.column_stack([at, np.log1p(at)])


def _length(trace: Trace) -> Floats:
    characters = np.array([len(text) for text in trace.step_texts], dtype=np.float64)
    return np.column_stack([characters / 100, np.log1p(characters)])


def _both(trace: Trace) -> Floats:
    return np.hstack([_position(trace), _length(trace)])


CUES: Mapping[str, Callable[[Trace], Floats]] = {
    "position": _position,
    "length": _length,
    "position and length": _both,
}


def baseline_scores(train: Sequence[LabeledTrace], traces: Sequence[Trace]) -> dict[str, list[StepScores]]:
    """By name, what each baseline gives every step of `traces` after fitting on the labels of `train`.

    Raises `LabelError` where the training labels hold one class only.
    """
    constant = [StepScores(values=(0.5,) * len(t), scorer=Origin(maker="scorer:always right")) for t in traces]
    return {"always right": constant, **{name: _fitted(name, train, traces) for name in CUES}}


def _fitted(name: str, train: Sequence[LabeledTrace], traces: Sequence[Trace]) -> list[StepScores]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    cue, scorer = CUES[name], Origin(maker=f"scorer:{name}")
    rows = [
        (x, label.good) for t in train for x, label in zip(cue(t.trace), t.labels, strict=True) if label is not None
    ]
    good = [g for _, g in rows]
    if len(set(good)) < 2:
        raise LabelError("baselines need right and wrong steps to fit on", got=f"{len(good)} steps of one class")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(np.array([x for x, _ in rows]), good)
    return [
        StepScores(values=tuple(model.predict_proba(cue(t))[:, 1].tolist()) if len(t) else (), scorer=scorer)
        for t in traces
    ]
