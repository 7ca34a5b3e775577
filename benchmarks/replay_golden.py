r"""Selection replayed on stored pools, against what their authors published, row by row.

    python benchmarks/replay_golden.py --votes train_data1.json --pool math_cot_100.jsonl \
        --best-of-32 gsm8k_351x32.jsonl.gz [--choices per_problem_matched_product_gm_min_last_14cell.jsonl]

`--votes`: best of 4 with step values and a published verdict for each of five rules. `--pool`: best of 8 with one
reward a trace and published outcomes. `--best-of-32`: pools with the step scores of seven reward models, and
`--choices`, a file of StrictPRMBench's results, the trace that each of four aggregates chose. Every difference is
printed with what explains it, or as unexplained. No model, no random numbers; a minute on one core.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepward.datasets.best_of_n import BestOfN, pools
from stepward.datasets.reading import Tally
from stepward.reduce import reducer
from stepward.search.voting import weighted_majority
from stepward.types import Problem
from stepward.verifiers.answers import StatedAnswers
from stepward.verifiers.canonical import canonical_answer
from stepward.verifiers.routed import RoutedVerifier

AGGREGATES = {"product": "product", "gm": "geometric_mean", "min": "min", "last": "last"}
ROUNDING = 2e-5
"""Stored scores have five decimals; two aggregates closer than this may change places."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A pool of four with everything that the rules look at."""

    answers: tuple[str | None, ...]
    correct: tuple[bool | None, ...]
    values: tuple[tuple[float, ...], ...]

    def by_vote(self, weights: Sequence[float]) -> bool:
        vote = weighted_majority(self.answers, weights)
        return bool(vote.groups) and bool(self.correct[vote.groups[0].members[0]])

    def by_best(self, scores: Sequence[float]) -> bool:
        return bool(self.correct[scores.index(max(scores))])

    def verdicts(self) -> dict[str, bool]:
        mins, lasts = [min(v) for v in self.values], [v[-1] for v in self.values]
        return {
            "majority_vote": self.by_vote([1.0] * len(self.answers)),
            "prm_min_max": self.by_best(mins),
            "prm_min_vote": self.by_vote(mins),
            "prm_last_max": self.by_best(lasts),
            "prm_last_vote": self.by_vote(lasts),
        }


async def votes(path: Path) -> None:
    """Five rules on pools of four."""
    reader, verifier = StatedAnswers(), RoutedVerifier()
    published = json.loads(path.read_text())

    async def row(index: int, record: Mapping[str, Any]) -> Row:
        texts = [each["text"] for each in record["output"]]
        problem = Problem(id=str(index), text=record["question"], answer=reader.extract(record["groundtruth"]))
        judged = await asyncio.gather(*(verifier.verify(problem, text) for text in texts))
        said = [reader.extract(text) for text in texts]
        return Row(
            answers=tuple(reader.canonical(a) if a is not None else None for a in said),
            correct=tuple(verdict.correct for verdict in judged),
            values=tuple(tuple(each["value"]) for each in record["output"]),
        )

    rows = await asyncio.gather(*(row(i, record) for i, record in enumerate(published)))
    same: Counter[str] = Counter()
    differing: dict[int, list[str]] = {}
    for index, (found, record) in enumerate(zip(rows, published, strict=True)):
        for rule, verdict in found.verdicts().items():
            same[rule] += verdict == bool(record["result"][rule])
            if verdict != bool(record["result"][rule]):
                differing.setdefault(index, []).append(rule)
    print(f"{path.name}: {len(rows)} pools of 4; verdicts as published")
    for rule, count in same.items():
        ours = sum(found.verdicts()[rule] for found in rows) / len(rows)
        theirs = sum(record["result"][rule] for record in published) / len(rows)
        print(f"  {rule:14} {count}/{len(rows)}   accuracy {ours:.3f}, published {theirs:.3f}")
    for index, rules in differing.items():
        print(f"  row {index} ({', '.join(rules)}): answers {rows[index].answers}, right {rows[index].correct}")


def pool(path: Path) -> None:
    """Best of 8 by one reward a trace."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rewards = [[float(score[0]) for score in row["pred_score"]] for row in rows]
    chosen = [scores.index(max(scores)) for scores in rewards]
    best = sum(bool(row["score"][i]) for row, i in zip(rows, chosen, strict=True))
    groups = [[canonical_answer(a) if a else None for a in row["pred"]] for row in rows]
    counts = {"best of 8": best, "pass@8": sum(any(row["score"]) for row in rows)}
    for name, weights in (("majority", [[1.0] * 8] * len(rows)), ("weighted by reward", rewards)):
        won = [weighted_majority(said, w) for said, w in zip(groups, weights, strict=True)]
        counts[name] = sum(
            bool(vote.groups) and bool(row["score"][vote.groups[0].members[0]])
            for vote, row in zip(won, rows, strict=True)
        )
    one = sum(sum(map(bool, row["score"])) / 8 for row in rows)
    print(f"{path.name}: {len(rows)} pools of 8: pass@1 {one:.1f}, " + ", ".join(f"{k} {v}" for k, v in counts.items()))


def best_of_32(path: Path, choices: Path | None) -> None:
    """Accuracy of four aggregates for seven reward models, and the traces they choose."""
    published = dict(_choices(choices)) if choices else {}
    compared: Counter[str] = Counter()
    differing: Counter[tuple[str, str]] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    problems = 0
    for each in pools(BestOfN().stream(path, Tally())):
        problems += 1
        for name in each.examples[0].scores:
            steps = [example.scores[name].values for example in each.examples]
            for short, how in AGGREGATES.items():
                worth = [reducer(how)(row) for row in steps]
                chosen = worth.index(max(worth))
                verdict = each.examples[chosen].labeled.verdict
                right[name, short] += bool(verdict and verdict.correct)
                theirs = published.get((name, each.problem.id, short))
                if theirs is not None:
                    compared[short] += 1
                    if theirs != chosen:
                        close = abs(worth[theirs] - worth[chosen]) <= ROUNDING
                        differing[short, "a tie within the rounding of stored scores" if close else "UNEXPLAINED"] += 1
    print(f"{path.name}: {problems} pools of 32; accuracy of the chosen trace by the file's outcomes")
    for name in sorted({name for name, _ in right}):
        print(f"  {name:24}" + "".join(f"  {short} {right[name, short] / problems:.3f}" for short in AGGREGATES))
    for short, count in compared.items():
        other = {why: n for (which, why), n in differing.items() if which == short}
        print(f"  {short:8} {count - sum(other.values())}/{count} choices as published; others: {other or 'none'}")


def _choices(path: Path) -> Iterator[tuple[tuple[str, str, str], int]]:
    for line in path.read_text().splitlines():
        row = json.loads(line)
        if row["benchmark"] == "gsm8k":
            for short in AGGREGATES:
                yield (row["prm"], row["problem_id"], short), int(row[f"clean_idx_{short}"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for option in ("--votes", "--pool", "--best-of-32", "--choices"):
        parser.add_argument(option, type=Path)
    given = parser.parse_args()
    if given.votes:
        asyncio.run(votes(given.votes))
    if given.pool:
        pool(given.pool)
    if given.best_of_32:
        best_of_32(given.best_of_32, given.choices)
