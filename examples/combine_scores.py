"""ORM and PRM joined, with a threshold that keeps a promise.   python examples/combine_scores.py

A world with known chances stands in for models: 300 problems of 8 traces to fit on, 300 others to judge on.
"""

import numpy as np

from stepward.combine.gates import Evidence, Gates, gate_pool
from stepward.combine.linear import Linear
from stepward.combine.log_linear import fit_log_linear
from stepward.combine.risk import RiskControl
from stepward.combine.signals import Signals
from stepward.metrics.ranking import auroc
from stepward.metrics.selection import best_of_n

rng = np.random.default_rng(0)
Pool = tuple[list[Signals], list[bool]]


def pool() -> Pool:
    """Eight traces: the PRM sees each step's slip dimly, the ORM the outcome and how hard the problem is."""
    traces, right, hard = [], [], rng.normal(0, 1)
    for steps in rng.integers(2, 7, 8):
        slips = rng.random(steps) < 1 / (1 + np.exp(1.5 - 2 * hard))
        right.append(not slips.any())
        logits = np.append(1.5 - 1.5 * slips, 1.5 * (right[-1] - 0.5) - hard) + rng.normal(0, 1, steps + 1)
        chances = 1 / (1 + np.exp(-logits))
        traces.append(Signals(steps=tuple(chances[:-1].tolist()), outcome=float(chances[-1])))
    return traces, right


def flat(pools: list[Pool]) -> tuple[list[Signals], list[bool], list[int]]:
    rows = [(*row, p) for p, own in enumerate(pools) for row in zip(*own, strict=True)]
    return [t for t, _, _ in rows], [r for _, r, _ in rows], [p for _, _, p in rows]


learn, promise, judge = ([pool() for _ in range(count)] for count in (150, 150, 300))
fitted = fit_log_linear(*flat(learn), reduce="min")
print(*(f"{name} = {weight}" for name, weight in fitted.weights.items()), sep="\n")
traces, right, _ = flat(judge)
for name, share in (("PRM, min", 0.0), ("ORM", 1.0), ("half and half", 0.5), ("log-linear", None)):
    way = fitted.combination if share is None else Linear(outcome=share, reduce="min")
    best = np.mean([best_of_n(way.combine(own), truth, 8) for own, truth in judge])
    print(f"{name:14} AUROC {auroc(way.combine(traces), right):.3f}, best of 8 {best:.3f}")


def answer(traces: list[Signals], right: list[bool]) -> tuple[bool, float]:
    """Whether the best trace behind the gates is right, and its score; below every score where none passes."""
    values = fitted.combination.combine(traces).tolist()
    found = gate_pool(Gates(min_step=0.1), [Evidence(steps=each.steps) for each in traces], values).chosen
    return (False, -1.0) if found is None else (right[found], values[found])


truth, scores = zip(*(answer(*own) for own in promise), strict=True)
threshold = RiskControl(alpha=0.1).fit(scores, truth, range(len(scores)))
found = [answer(*own) for own in judge]
given = [right for right, score in found if threshold.accepts(score)]
print(f"always answering is wrong on {sum(not right for right, _ in found) / 300:.1%} of the problems")
print(f"tau = {threshold.tau:.2f}: {len(given)} of 300 answered, {given.count(False) / 300:.1%} of the problems wrong")
