"""What training more than a head brings: SmolLM2-135M on PRM800K, ways to train side by side in one table.

A fifth of the training problems (by hash of their text) is kept for the choice between rows; dev is scored once a row.
Every row is an ordinary training of `stepward.training.loop.train` into FOLDER, so a stopped run goes on and a finished
row is not trained again. One core: about 3 minutes for a frozen row, 11 for the others.

    STEPWARD_DATA=... python benchmarks/finetune_135m.py FOLDER [ROW ...]
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from stepward.datasets.prm800k import Prm800k
from stepward.datasets.reading import read
from stepward.metrics.bootstrap import ClusteredSteps, bootstrap_auroc
from stepward.policies.smollm2 import smollm2_folder
from stepward.reward_models.backbone import open_codec
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.readout import Readout
from stepward.training.examples import StepExamples
from stepward.training.intake import Intake
from stepward.training.loop import train
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.spec import Adapter, Descent, HeadFit, TrainSpec
from stepward.training.watch import Watch
from stepward.types import LabeledTrace, Problem

TWO = Readout(layers=(16, 21), pool="mean")
FROZEN = TrainSpec(
    mode="frozen",
    precision="bfloat16",
    readout=TWO,
    objective=BinaryCrossEntropy(bad_weight=5.0),
    held_out=0.0,
    head_fit=HeadFit(penalties=(0.03, 0.1, 0.3, 1.0), folds=3, iterations=100),
    descent=Descent(epochs=1, batch_tokens=4096, precision="bfloat16", evaluate_every=100_000, save_every=100_000),
)
MOVED = replace(FROZEN, mode="full", precision="float32", start="fitted")
ROWS: Mapping[str, TrainSpec] = {
    "frozen": FROZEN,
    "frozen-four-layers": replace(FROZEN, readout=Readout(layers=(12, 16, 21, 25), pool="mean")),
    "frozen-surprise": replace(FROZEN, readout=replace(TWO, surprise=True)),
    "lora": replace(
        MOVED,
        mode="lora",
        adapter=Adapter(rank=16, alpha=32),
        descent=replace(FROZEN.descent, learning_rate=2e-4, head_learning_rate=1e-5),
    ),
    "full": replace(MOVED, descent=replace(FROZEN.descent, learning_rate=1e-5)),
    "full-from-zero": replace(
        MOVED,
        start="zero",
        objective=BinaryCrossEntropy(),
        descent=replace(FROZEN.descent, learning_rate=3e-5, batch_tokens=8192),
    ),
}
Pair = tuple[Problem, LabeledTrace]


def main(folder: Path, names: Sequence[str]) -> None:
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    everything = pairs("train")
    teach = [pair for pair in everything if not kept(pair[0])]
    choose, dev = once([pair for pair in everything if kept(pair[0])]), once(pairs("dev"))
    examples = StepExamples(intake=Intake(repeats="merge")).build(open_codec(smollm2_folder(), STEPWARD_DEFAULT), teach)
    print(f"{len(examples.examples)} traces teach, {len(choose)} are kept for the choice, {len(dev)} are of dev\n")
    print(f"{'':22}{'AUROC, kept problems':26}{'AUROC, dev':26}training s")
    for name in names or ROWS:
        watch = Watch(progress=lambda told: print(dict(told), file=sys.stderr, flush=True))
        result = train(examples, ROWS[name], backbone=smollm2_folder(), out=folder / name, watch=watch)
        model = ProcessRewardModel.load(folder / name)
        seconds = result.figures["seconds"]
        assert isinstance(seconds, float)
        print(f"{name:22}{auroc(model, choose)!s:26}{auroc(model, dev)!s:26}{seconds:.0f}", flush=True)


def pairs(split: str) -> list[Pair]:
    data = Path(os.environ.get("STEPWARD_DATA", "../shared/data"))
    return [(each.problem, each.labeled) for each in read(Prm800k(), data / "prm800k" / f"{split}.jsonl").items]


def once(pairs: Sequence[Pair]) -> list[Pair]:
    """Each solution once."""
    return list({labeled.trace.id: (problem, labeled) for problem, labeled in reversed(pairs)}.values())


def kept(problem: Problem) -> bool:
    return int(hashlib.sha256(problem.text.encode()).hexdigest(), 16) % 5 == 0


def auroc(model: ProcessRewardModel, pairs: Sequence[Pair]) -> object:
    """Of labelled steps, wrong ones against the rest, with a bootstrap over problems."""
    scores = model.score_batch([(problem, labeled.trace) for problem, labeled in pairs])
    rows = [
        (value, label.good, problem.id)
        for (problem, labeled), own in zip(pairs, scores, strict=True)
        for value, label in zip(own.values, labeled.labels, strict=True)
        if label is not None
    ]
    values, good, problems = (list(column) for column in zip(*rows, strict=True))
    return bootstrap_auroc(ClusteredSteps(scores_S=values, good_S=good, problem_S=problems), seed=0)


if __name__ == "__main__":
    sys.exit(__doc__) if len(sys.argv) < 2 else main(Path(sys.argv[1]), sys.argv[2:])
