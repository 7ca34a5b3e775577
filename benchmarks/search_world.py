"""Every search on the quick start's world, at visible cost: which is worth its price, and what early stopping saves.

    make quickstart                                  # makes the policy's PRM and ORM
    python benchmarks/search_world.py runs/quickstart [--problems 60] [--seeds 0,1,2] [--to runs/search-world]

Problems are new (seed 301, unlike the quick start's). The pruning threshold and nothing else is fitted, on the quick
start's calibration traces, to lose at most 10 % of right traces. Prints the table; report.html in the run folder has
the Pareto figures and the trees. Stopped and started again it goes on where it was. Costs count policy and scorer.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, TypeVar, cast

from stepward.cli.progress import TerminalProgress
from stepward.codec import from_json
from stepward.pipeline.runner import Conduct, Recipe, run_recipe
from stepward.reward_models.public.load import open_scorer
from stepward.search.presets import UNSCORED, WHOLE, preset
from stepward.search.pruning import PruneRule, Scored, calibrate_pruning
from stepward.storage.jsonl import read_records
from stepward.types import Json, LabeledTrace, Problem

Record = TypeVar("Record")

WHOLE_TRACE: dict[str, Json] = {"max_tokens": 160, "temperature": 1.8}
ONE_STEP: dict[str, Json] = {"max_tokens": 40, "temperature": 1.8}
SIZES = {
    "best_of_n": (1, 4, 8, 16, 32),
    "majority": (4, 16, 32),
    "weighted_majority": (16,),
    "sequential_majority": (16, 32),
    "adaptive_best_of_n": (16, 32),
    "beam": (4, 16),
    "dvts": (16,),
    "rebase": (16,),
    "particle_filter": (16,),
    "best_first": (16,),
    "step_rejection": (16,),
    "speculative_rejection": (16, 32),
    "mcts": (16,),
}
PRUNED = ("beam@16", "dvts@16")
LOST = 0.1
"""Share of right traces that pruning may lose: answers are lost more rarely, because others vote for them."""


def pruning(run: Path) -> PruneRule:
    """The threshold that loses at most the share `LOST` of right traces of the quick start's calibration problems."""
    problems = {p.id: p for p in _load(run / "calibration_problems" / "problems.jsonl", Problem)}
    labeled = _load(run / "calibration_truth" / "labels.jsonl", LabeledTrace)
    engine = open_scorer(run / "prm_model" / "model")
    scores = engine.score_batch([(problems[each.trace.problem_id], each.trace) for each in labeled])
    return calibrate_pruning(
        [
            Scored(
                problem_id=each.trace.problem_id,
                steps=found.values,
                correct=bool(each.verdict and each.verdict.correct),
            )
            for each, found in zip(labeled, scores, strict=True)
        ],
        lost=LOST,
    )


def _load(path: Path, kind: type[Record]) -> list[Record]:
    return [from_json(kind, value) for _, value in read_records(path)]


def arms(prm: str, orm: str, tau: float | None) -> dict[str, Json]:
    """Every method at its sizes, best-of-n by the ORM, and four searches with pruning."""
    made: dict[str, Json] = {}
    for method, sizes in SIZES.items():
        for size in sizes:
            sampling = WHOLE_TRACE if method in WHOLE else ONE_STEP
            spec = preset(method, size, sampling=sampling, reduce="min")
            made[f"{method}@{size}"] = {"search": spec, "model": "" if method in UNSCORED else prm}
    for size in (16,):
        made[f"orm_best_of_n@{size}"] = {
            "search": preset("best_of_n", size, sampling=WHOLE_TRACE, reduce="last"),
            "model": orm,
        }
    steps: dict[str, Json] = {"reduce": "min", "sampling": ONE_STEP, "prune_below": tau}
    if tau is not None:
        cut: dict[str, Json] = {"use": "speculative_rejection", "n": 16, "reject": 0.0, "growing": steps}
        made["best_of_n@16 pruned"] = {"search": cut, "model": prm}
    for name in PRUNED if tau is not None else ():
        spec = json.loads(json.dumps(cast("dict[str, Json]", made[name])["search"]))
        spec["growing"]["prune_below"] = tau
        made[f"{name} pruned"] = {"search": spec, "model": prm}
    return made


def recipe(run: Path, problems: int, seeds: list[int], tau: float | None) -> dict[str, Json]:
    """The comparison as a recipe."""
    world: dict[str, Json] = {"min_steps": 2, "max_steps": 7, "max_distractors": 0}
    seen: dict[str, Json] = {}
    for name, count, seed in (("train", 320, 101), ("calibration", 160, 102), ("test", 450, 203)):
        drawn: dict[str, Json] = {"use": "world", "count": count, "seed": seed, "world": world}
        seen[f"{name}_problems"] = {**drawn, "unlike": list(seen)} if seen else drawn
    compared: dict[str, Json] = {
        "use": "compare",
        "source": "problems",
        "policy": {"path": "quickstart"},
        "arms": arms(str(run / "prm_model" / "model"), str(run / "orm_model" / "model"), tau),
        "seeds": list(seeds),
        "pool": "best_of_n@32",
        "against": "best_of_n@16",
        "chunk": 20,
    }
    new: dict[str, Json] = {"use": "world", "count": problems, "seed": 301, "world": world, "unlike": list(seen)}
    return {"name": "search-world", "seed": 11, "stages": {**seen, "problems": new, "compared": compared}}


def show(record: dict[str, Json]) -> None:
    """One line an arm, the most often right first."""
    found = sorted(cast("list[dict[str, Any]]", record["arms"]), key=lambda arm: -arm["accuracy"]["value"])
    differences, gaps = cast("dict[str, Any]", record["differences"]), cast("dict[str, Any]", record["gap_closed"])
    print(
        f"{'search':26}{'accuracy':24}{'less ' + str(record['against']):26}{'gap':>5}{'written':>9}{'scored':>8}"
        f"{'GFLOPs':>8}{'abst.':>7}  Pareto (FLOPs)"
    )
    for arm in found:
        accuracy, less = arm["accuracy"], differences.get(arm["arm"])
        said = f"{accuracy['value']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}]"
        difference = f"{less['value']:+.3f} [{less['low']:+.3f}, {less['high']:+.3f}]" if less else "-"
        cost = arm["cost"]
        print(
            f"{arm['arm']:26}{said:24}{difference:26}{gaps.get(arm['arm']) or 0:5.2f}{cost['policy_tokens']:9.0f}"
            f"{cost['scorer_tokens']:8.0f}{cost['flops'] / 1e9:8.2f}{arm['abstained']:7.3f}  "
            f"{'yes' if 'flops' in arm.get('pareto', ()) else ''}"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished quick start")
    parser.add_argument("--problems", type=int, default=60)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--to", type=Path, default=Path("runs/search-world"))
    given = parser.parse_args()
    rule = pruning(given.run)
    lost = f"loses {rule.lost:.4f} of right traces on {rule.problems} calibration problems"
    print(f"pruning below {rule.tau}: {lost}, saves {rule.saved:.3f} of all steps")
    mapping = recipe(given.run, given.problems, [int(seed) for seed in given.seeds.split(",")], rule.tau)
    run_recipe(Recipe.of(mapping), given.to, Conduct(progress=TerminalProgress()))
    show(json.loads((given.to / "compared" / "comparison.json").read_text()))
