"""Which expert a trace belongs to, by what the backbone says of its first step.

    chances = softmax(W z + b),   z = (features of the first step - mean) / deviation

fitted on one step a teaching trace, each domain weighing alike. The features are those that the heads read, so routing
costs nothing more, and a trace's expert does not change as it goes on. It learns how a domain looks on the page as much
as what it is about: a new source of the same subject may look like none of them. Below `sure` no expert is named.

Degenerate cases: a feature that never changes gets deviation 1; a trace without steps is sent nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stepward.errors import LabelError
from stepward.metrics.checks import Floats
from stepward.training.domain_features import DomainPart


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FirstStepRouter:
    """D domains, W features. Fitted by `fit_first_step`."""

    domains: tuple[str, ...]
    mean_W: Floats
    scale_W: Floats
    weights_DW: Floats
    shifts_D: Floats
    sure: float = 0.5

    def routes(self, part: DomainPart) -> list[str]:
        """For each trace of `part` the domain of its expert, or "" where the router is not sure."""
        firsts = _first_steps(part)
        found = [""] * len(part.pairs)
        for index, row_W in firsts.items():
            scores_D = self.weights_DW @ ((row_W - self.mean_W) / self.scale_W) + self.shifts_D
            chances_D = np.exp(scores_D - scores_D.max())
            best = int(chances_D.argmax())
            if chances_D[best] / chances_D.sum() >= self.sure:
                found[index] = self.domains[best]
        return found


def fit_first_step(
    teach: Mapping[str, DomainPart], names: Sequence[str], *, sure: float = 0.5, strength: float = 0.1
) -> FirstStepRouter:
    """Learned from the teaching traces of the domains `names`. `LabelError` for fewer than two that have any."""
    from sklearn.linear_model import LogisticRegression

    rows = [(name, row_W) for name in names for row_W in _first_steps(teach[name]).values()]
    domains = sorted({name for name, _ in rows})
    if len(domains) < 2:
        raise LabelError("a router needs traces of at least two domains", got=domains)
    states = np.array([row_W for _, row_W in rows])
    mean_W, scale_W = states.mean(axis=0), states.std(axis=0)
    scale_W = np.where(scale_W > 1e-6 * (1 + np.abs(mean_W)), scale_W, 1.0)
    model = LogisticRegression(C=strength, max_iter=500, class_weight="balanced")
    model.fit((states - mean_W) / scale_W, [name for name, _ in rows])
    weights, shifts = model.coef_, model.intercept_
    if len(domains) == 2:  # scikit-learn keeps one row for two classes
        weights, shifts = np.vstack([-weights / 2, weights / 2]), np.r_[-shifts / 2, shifts / 2]
    return FirstStepRouter(
        domains=tuple(domains), mean_W=mean_W, scale_W=scale_W, weights_DW=weights, shifts_D=shifts, sure=sure
    )


def _first_steps(part: DomainPart) -> dict[int, Floats]:
    """By place of the trace, the features of its first step."""
    counts = [len(each.encoded.read_positions) for each in part.examples]
    starts = np.cumsum([0, *counts])[:-1]
    states = part.states.double().numpy()
    return {index: states[start] for index, (start, count) in enumerate(zip(starts, counts, strict=True)) if count}
