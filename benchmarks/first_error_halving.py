"""What binary search for the first error costs and finds, against rollouts from every prefix: table of docs/trees.md.

Traces of the procedural world by the quick-start policy, whose truth is exact; those with a wrong answer, which alone
are searched. The rival is K = 8 completions of each distinct prefix. Every labeler sees the same completions, kept in
FOLDER; intervals are of a bootstrap over problems. The last line grows OmegaPRM's trees from the same problems.

    python benchmarks/first_error_halving.py FOLDER [--problems 60] [--problem-seed 301] [--trees 20]
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from replay import SAMPLING, WORLD, Attempts, Replay, draw_attempts, label

from stepward.evaluation.label_quality import judge_first_errors, judge_labels
from stepward.labelers.adaptive import Stop
from stepward.labelers.omega import OmegaLabeler
from stepward.labelers.omega_tree import Growing
from stepward.labelers.rollout import RolloutLabeler
from stepward.protocols import Labeler
from stepward.types import LabeledTrace, Problem, Spend, Trace
from stepward.world.checker import WorldChecker

DRAWN = replace(SAMPLING, seed=0)
SEARCH = OmegaLabeler(fill="monotone", sampling=DRAWN)
TRUSTING = replace(SEARCH, root=False)
ARMS: dict[str, Labeler] = {
    "rollouts, K 8": RolloutLabeler(n=8, sampling=DRAWN),
    "rollouts, K 16": RolloutLabeler(n=16, sampling=DRAWN),
    "omega, k 8": SEARCH,
    **{f"omega, k {k}, root: false": replace(TRUSTING, k=k) for k in (4, 8, 16)},
    "omega, k 8, root: false, verify: 2": replace(TRUSTING, verify=2),
    **{
        f"omega, first success of {most}, root: false": replace(
            TRUSTING, stop=Stop(batch=1, most=most, first_success=True)
        )
        for most in (2, 4, 8, 16)
    },
    **{
        f"omega, posterior, most {most}, threshold {over}, root: false": replace(
            TRUSTING, stop=Stop(batch=2, most=most, threshold=over)
        )
        for most, over in ((16, 0.05), (16, 0.1), (32, 0.2))
    },
}


def main(asked: argparse.Namespace) -> None:
    asked.folder.mkdir(parents=True, exist_ok=True)
    replay = Replay(path=asked.folder / "draws.jsonl")
    attempts = draw_attempts(replay, WORLD.draw(asked.problems, asked.problem_seed))
    wrong = [(problem, [t for t in traces if not _right(problem, t)]) for problem, traces in attempts]
    wrong = [(problem, traces) for problem, traces in wrong if traces]
    print(f"{sum(len(traces) for _, traces in wrong)} wrong traces of {len(wrong)} problems\n")
    print(f"{'labels from':56}{'tokens a trace':>16}  {'first error found':24}unlabelled")
    for name, labeler in ARMS.items():
        print(f"{name:56}{_line(label(replay, labeler, wrong))}")
    if asked.trees:
        _grow(replay, attempts[: asked.trees])


def _right(problem: Problem, trace: Trace) -> bool:
    verdict = WorldChecker().check(problem, trace).verdict
    return bool(verdict and verdict.correct)


def _truth(rows: Sequence[tuple[Problem, list[LabeledTrace]]]) -> list[LabeledTrace]:
    return [WorldChecker().check(problem, each.trace) for problem, found in rows for each in found]


def _line(rows: Sequence[tuple[Problem, list[LabeledTrace]]]) -> str:
    labels = [each for _, found in rows for each in found]
    tokens = sum((each.spend for each in labels), Spend()).policy_tokens / len(labels)
    told = judge_first_errors(labels, _truth(rows), seed=0)
    unlabelled = sum(each.labels[0] is None for each in labels)
    return f"{tokens:16.1f}  {told.found!s:24}{unlabelled:10}"


def _grow(replay: Replay, attempts: Attempts) -> None:
    grown = OmegaLabeler(sampling=DRAWN, grow=Growing(searches=10, screen=16))
    rows = label(replay, grown, attempts, harvest=True)
    records = [each for _, found in rows for each in found]
    tokens = sum((each.spend for each in records), Spend()).policy_tokens
    labels = sum(each is not None for record in records for each in record.labels)
    given = sum(len(traces) for _, traces in attempts)
    accuracy = judge_labels(records, _truth(rows), seed=0).accuracy
    print(
        f"\ntrees of {len(attempts)} problems: {given} given traces, {len(records)} records, {labels} value labels, "
        f"{tokens / labels:.1f} tokens a label, accuracy of their hard view {accuracy}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--problem-seed", type=int, default=301)
    parser.add_argument("--trees", type=int, default=20, help="problems to grow trees of; 0 grows none")
    main(parser.parse_args())
