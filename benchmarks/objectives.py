"""Objectives and readings of labels side by side: one frozen SmolLM2-135M, one table, an ORM on the same data in it.

PRM800K (flat form), repeats merged: the first TRAIN traces teach, all of dev judges (AUROC of steps with a bootstrap
over problems). Features are those of the recipe human-steps-smollm2 (layers 16 and 21, mean over the step, bfloat16),
computed once and kept in the folder given. Only the head differs between rows. An outcome is taken from the ratings: a
trace is right where no step is rated -1. A walk ends at its first -1, so such an ORM mostly learns whether the last
step states an answer: it is the control for steps, and its AUROC of whole traces would mean nothing.

    STEPWARD_DATA=... python benchmarks/objectives.py FOLDER [TRAIN]
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from stepward.datasets.prm800k import Prm800k
from stepward.datasets.reading import read
from stepward.metrics.bootstrap import ClusteredSteps, bootstrap_auroc
from stepward.metrics.calibration import brier
from stepward.policies.smollm2 import smollm2_folder
from stepward.reward_models.backbone import Backbone, open_codec
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.readout import Readout
from stepward.training.examples import ExampleSet, Intake, OutcomeExamples, StepExamples
from stepward.training.features import FeatureStore
from stepward.training.frozen import fit_head
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.objectives.contract import Objective
from stepward.training.objectives.focal import FocalLoss
from stepward.training.objectives.generalised import GeneralisedCrossEntropy
from stepward.training.objectives.mse import SquaredError
from stepward.training.objectives.noisy import NoiseCorrected
from stepward.training.objectives.pqm import QValueRanking
from stepward.training.spec import HeadFit, TrainSpec
from stepward.types import LabeledTrace, Problem, Verdict

READOUT = Readout(layers=(16, 21), pool="mean")
FIT = HeadFit(penalties=(0.03, 0.1, 0.3, 1.0), folds=3, iterations=100)
MERGED = Intake(repeats="merge")
STEPS, SOFT = StepExamples(intake=MERGED), StepExamples(view="soft", intake=MERGED)
Pair = tuple[Problem, LabeledTrace]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One way to teach the head."""

    name: str
    labels: StepExamples | OutcomeExamples = STEPS
    objective: Objective = BinaryCrossEntropy()
    lists: bool = False


ROWS = (
    Row(name="bce"),
    Row(name="bce, bad class weighs 5", objective=BinaryCrossEntropy(bad_weight=5.0)),
    Row(name="bce, smoothing 0.1", objective=BinaryCrossEntropy(smoothing=0.1)),
    Row(name="mse", objective=SquaredError()),
    Row(name="generalised, q 0.7", objective=GeneralisedCrossEntropy()),
    Row(name="noisy, 2 % and 5 %", objective=NoiseCorrected(false_bad=0.02, false_good=0.05)),
    Row(name="focal, gamma 2", objective=FocalLoss()),
    Row(name="pqm, zeta 4", objective=QValueRanking(), lists=True),
    Row(name="pqm as published", objective=QValueRanking(published=True), lists=True),
    Row(name="bce, neutral bad", labels=replace(STEPS, neutral="bad")),
    Row(name="bce, neutral ignored", labels=replace(STEPS, neutral="ignore")),
    Row(name="bce, neutral 0.5 (soft)", labels=replace(SOFT, neutral=0.5)),
    Row(name="ORM, last step", labels=OutcomeExamples(intake=MERGED)),
    Row(name="ORM, every step", labels=OutcomeExamples(at="every", intake=MERGED)),
)


def main(folder: Path, train: int) -> None:
    torch.set_num_threads(1)
    teach, judge = pairs("train", train), pairs("dev", None)
    codec = open_codec(smollm2_folder(), STEPWARD_DEFAULT)
    backbone = Backbone.open(smollm2_folder(), STEPWARD_DEFAULT, precision="bfloat16")
    backbone.drop_above(READOUT.deepest(backbone.layers))
    store = FeatureStore(folder=folder)
    held = STEPS.build(codec, judge)
    seen = features(store, backbone, held)
    problems = len({example.group for example in held.examples})
    print(f"{len(teach)} traces teach; {len(held.examples)} traces of {problems} problems judge\n")
    print(f"{'':26}{'steps: AUROC [95 %]':26}{'Brier':9}{'penalty':9}s")
    for row in ROWS:
        examples = row.labels.build(codec, teach)
        states = features(store, backbone, examples)
        started = time.perf_counter()
        spec = TrainSpec(
            mode="frozen",
            objective=row.objective,
            normalisation="trace" if row.lists else "token",
            readout=READOUT,
            precision="bfloat16",
            head_fit=FIT,
        )
        fitted = fit_head(states, examples.examples, spec)
        with torch.no_grad():
            logits = fitted.head(seen)[:, 0] + row.objective.logit_shift
        told = judged(held, logits.double().numpy(), row)
        print(f"{row.name:26}{told}{fitted.penalty:<9g}{time.perf_counter() - started:.0f}", flush=True)


def pairs(split: str, count: int | None) -> list[Pair]:
    """Traces of PRM800K, each with the outcome that its ratings imply."""
    data = Path(os.environ.get("STEPWARD_DATA", "../shared/data"))
    found = [(each.problem, each.labeled) for each in read(Prm800k(), data / "prm800k" / f"{split}.jsonl").items]
    return [(problem, replace(labeled, verdict=outcome(labeled))) for problem, labeled in found[:count]]


def outcome(labeled: LabeledTrace) -> Verdict:
    right = all(label is None or label.good for label in labeled.labels)
    return Verdict(outcome="equal" if right else "different")


def features(store: FeatureStore, backbone: Backbone, examples: ExampleSet) -> torch.Tensor:
    return store.read(
        backbone,
        READOUT,
        [example.encoded for example in examples.examples],
        progress=lambda told: print(told, file=sys.stderr, flush=True),
    )


def judged(held: ExampleSet, logits_R: np.ndarray, row: Row) -> str:
    """AUROC of labelled steps, and their Brier score where scores are probabilities."""
    counts = [len(example.encoded.read_positions) for example in held.examples]
    parts = np.split(logits_R, np.cumsum(counts)[:-1])
    slots = [
        (own[slot.step], slot.target, e.group) for e, own in zip(held.examples, parts, strict=True) for slot in e.slots
    ]
    scores, good, groups = (list(column) for column in zip(*slots, strict=True))
    steps = bootstrap_auroc(ClusteredSteps(scores_S=scores, good_S=[y >= 0.5 for y in good], problem_S=groups), seed=0)
    probability = row.objective.convention == "probability"
    error = f"{brier(1 / (1 + np.exp(-np.asarray(scores))), [y >= 0.5 for y in good]):.4f}" if probability else "-"
    return f"{steps!s:26}{error:9}"


def _arguments(given: Sequence[str]) -> tuple[Path, int]:
    return Path(given[0]), int(given[1]) if len(given) > 1 else 600


if __name__ == "__main__":
    sys.exit(__doc__) if len(sys.argv) < 2 else main(*_arguments(sys.argv[1:]))
