"""How noisy rollout labels are, what consensus and filters make of them, and what they drop: on the world, by truth.

Traces of world problems by the quick-start policy; two completers, K = 8 from every prefix: the same model at
temperature 1 ("weak") and at 0.5 ("strong"). Truth is the world's checker, prefix correctness.

    python benchmarks/label_noise.py FOLDER [PROBLEMS] [train]

Prints, for each labelling: first errors right, Pr[labelled bad | good], Pr[labelled good | bad], traces and steps left.
With `train`, also how PRMs taught by each judge steps of other problems: the quick start's model, trained in full, by
cross-entropy and, through the noise that was measured, by the forward-corrected one.
The run in FOLDER goes on where it was stopped; the reports of its stages hold the rest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from stepward.codec import from_json
from stepward.errors import LabelError
from stepward.evaluation.agreement import agreement
from stepward.evaluation.noise import noise_matrix
from stepward.metrics.binomial import fit_prior
from stepward.metrics.bootstrap import Interval
from stepward.pipeline.runner import Recipe, run_recipe
from stepward.storage.jsonl import read_records
from stepward.types import Json, LabeledTrace, Problem


def recipe(problems: int, *, training: bool) -> Recipe:
    """Two labellings, what they agree on, and filters of the first."""
    policy: Json = {"path": "quickstart"}
    weak: Json = {"max_tokens": 80, "temperature": 1.0, "seed": 1}
    strong: Json = {"max_tokens": 80, "temperature": 0.5, "seed": 2}
    others: Json = ["strong"]
    stages: dict[str, Json] = {
        "problems": {"use": "world", "count": problems, "seed": 77},
        "traces": {"use": "sample", "source": "problems", "policy": policy, "n": 4, "sampling": weak},
        "truth": {"use": "label", "source": "traces", "labeler": "world"},
        "weak": _rollouts(policy, weak),
        "strong": _rollouts(policy, strong),
        "both": _agree(others, {"use": "first_error", "target": "prefix"}),
        "same": _agree(others, {"use": "same_step", "target": "prefix"}),
        "noise": {"use": "noise", "labels": "weak", "truth": "truth"},
        "one_sided": _relabel({"use": "one_sided"}),
        "undecided": _relabel({"use": "undecided", "prior": {"a": 0.2, "b": 0.2}, "tail": 0.2}),
    }
    if training:
        stages |= _training(policy, weak)
    return Recipe.of({"name": "label-noise", "seed": 0, "stages": stages})


def _training(policy: Json, sampling: Json) -> dict[str, Json]:
    stages: dict[str, Json] = {
        "test_problems": {"use": "world", "count": 100, "seed": 78, "unlike": ["problems"]},
        "test_traces": {"use": "sample", "source": "test_problems", "policy": policy, "n": 4, "sampling": sampling},
        "test_truth": {"use": "label", "source": "test_traces", "labeler": "world"},
    }
    taught: dict[str, dict[str, Json]] = {
        "by_weak": {"source": "weak"},
        "by_weak_noisy": {"source": "weak", "objective": "noisy", "noise": "noise"},
        "by_both": {"source": "both"},
        "by_same": {"source": "same"},
        "by_truth": {"source": "truth"},
    }
    for name, fields in taught.items():
        stages[name] = {"use": "train", "backbone": "quickstart", "descent": {"epochs": 2}, **fields}
        stages[f"{name}_scores"] = {"use": "score", "source": "test_traces", "model": name}
    scores: Json = [f"{name}_scores" for name in taught]
    stages["quality"] = {"use": "judge-steps", "scores": scores, "labels": "test_truth"}
    return stages


def _rollouts(policy: Json, sampling: Json) -> Json:
    labeler: Json = {"use": "rollout", "n": 8, "sampling": sampling}
    return {"use": "label", "source": "traces", "labeler": labeler, "policy": policy}


def _agree(others: Json, consensus: Json) -> Json:
    return {"use": "agree", "source": "weak", "others": others, "consensus": consensus}


def _relabel(*steps: Json) -> Json:
    return {"use": "relabel", "source": "weak", "steps": list(steps)}


def main() -> None:
    """Run what is left of the recipe, then compare each labelling with the truth."""
    folder, problems = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 100
    results = run_recipe(recipe(problems, training="train" in sys.argv[3:]), folder)
    known = {key: from_json(Problem, value) for key, value in read_records(folder / "problems" / "problems.jsonl")}
    truth = labels(folder, "truth")
    print(
        f"{'labels':10} {'traces':>6} {'steps':>6}  first error right        good called bad          bad called good"
    )
    for stage in ("weak", "strong", "both", "same", "one_sided", "undecided"):
        print(row(stage, labels(folder, stage), truth, known))
    counts = [label for each in labels(folder, "weak").values() for label in each.labels if label and label.trials == 8]
    prior = fit_prior([label.successes or 0 for label in counts], [8] * len(counts))
    print(f"prior of all counts: Beta({prior.a:.3f}, {prior.b:.3f})")
    for stage in ("both", "noise", "one_sided", "undecided"):
        print(f"{stage}: {results[stage]['headline']}")  # type: ignore[index, call-overload]
    if "quality" in results:
        for name, quality in json.loads((folder / "quality" / "quality.json").read_text()).items():
            figures = (
                f"{key} {from_json(Interval, quality[key])}" for key in ("auroc", "first_error_by_posterior", "ece")
            )
            print(f"{name:22} {'  '.join(figures)}")


def labels(folder: Path, stage: str) -> dict[str, LabeledTrace]:
    """By key, what `stage` labelled."""
    found = read_records(folder / stage / "labels.jsonl")
    return {key: from_json(LabeledTrace, value) for key, value in found}


def row(
    stage: str, said: Mapping[str, LabeledTrace], truth: Mapping[str, LabeledTrace], known: Mapping[str, Problem]
) -> str:
    """One line of figures."""
    rows = [(known[each.trace.problem_id], each, truth[key]) for key, each in said.items()]
    kept = [each for each in said.values() if each.target is not None]
    steps = sum(label is not None for each in kept for label in each.labels)
    try:
        located = str(agreement([item for item in rows if item[1].target is not None], seed=0).first_error.rate)
    except LabelError:
        located = "unknown"
    noise = noise_matrix(rows, seed=0)
    return f"{stage:10} {len(kept):6} {steps:6}  {located:24} {noise.false_bad!s:24} {noise.false_good}"


if __name__ == "__main__":
    main()
