"""Cluster bootstrap of a step AUROC: ours against resampling problems and calling scikit-learn on every draw.

300 problems x 16 traces x 6 steps, 2,000 draws; the rival runs 40 draws and is scaled up.

    python benchmarks/bootstrap_auroc.py
"""

from __future__ import annotations

import time

import numpy as np
from sklearn.metrics import roc_auc_score

from stepward.metrics.bootstrap import ClusteredSteps, bootstrap_auroc

PROBLEMS, STEPS, DRAWS, RIVAL_DRAWS = 300, 96, 2000, 40


def main() -> None:
    rng = np.random.default_rng(0)
    good_PS = rng.random((PROBLEMS, STEPS)) < 0.7
    scores_PS = np.round(rng.normal(good_PS), 4)
    problems = np.repeat(np.arange(PROBLEMS), STEPS).tolist()
    steps = ClusteredSteps(scores_S=scores_PS.ravel(), good_S=good_PS.ravel(), problem_S=problems)

    started = time.perf_counter()
    interval = bootstrap_auroc(steps, draws=DRAWS, seed=0)
    ours = time.perf_counter() - started

    started = time.perf_counter()
    for index_P in rng.integers(PROBLEMS, size=(RIVAL_DRAWS, PROBLEMS)):
        roc_auc_score(good_PS[index_P].ravel(), scores_PS[index_P].ravel())
    rival = (time.perf_counter() - started) * DRAWS / RIVAL_DRAWS

    print(f"AUROC {interval}, {DRAWS} draws over {PROBLEMS * STEPS} steps of {PROBLEMS} problems")
    print(f"ours {ours:.2f} s, scikit-learn on every draw {rival:.2f} s: {rival / ours:.0f} times faster")


if __name__ == "__main__":
    main()
