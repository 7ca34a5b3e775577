"""A recipe small enough for tests: a policy of a few thousand weights, and every kind of stage."""

from pathlib import Path

from stepward.training.language import LanguageSpec, train_language_model
from stepward.types import Json
from stepward.world.checker import reference_solution
from stepward.world.problems import World

WORLD: dict[str, Json] = {"domains": ["ages"], "max_steps": 3, "max_distractors": 0}


def mini_policy(folder: Path, steps: int = 100) -> Path:
    """A policy that knows the recipe's few problems half by heart, so that it is right and wrong about as often."""
    world = World(domains=("ages",), max_steps=3, max_distractors=0)
    texts = [(f"{p.text}\n", reference_solution(p)) for p in world.draw(12, 1) + world.draw(10, 2)]
    spec = LanguageSpec(hidden=32, layers=2, heads=2, steps=steps, batch_tokens=700, learning_rate=1e-2, warmup=5)
    return train_language_model(texts, spec, folder)


def mini_recipe(policy: Path, problems: int = 12, chunk: int = 4) -> dict[str, Json]:
    choice: dict[str, Json] = {"path": str(policy), "template": "{problem}\n"}
    sampling: Json = {"max_tokens": 40}
    descent: Json = {"epochs": 2, "batch_tokens": 600, "save_every": 2, "evaluate_every": 2}
    stages: dict[str, Json] = {
        "problems": {"use": "world", "count": problems, "seed": 1, "world": WORLD},
        "traces": _sample("problems", choice, sampling, chunk),
        "labels": {
            "use": "label",
            "source": "traces",
            "labeler": {"use": "rollout", "n": 2, "sampling": sampling},
            "policy": choice,
            "chunk": chunk,
        },
        "truth": {"use": "label", "source": "traces", "labeler": "world", "chunk": chunk},
        "label_quality": {"use": "judge-labels", "labels": "labels", "truth": "truth"},
        "prm_raw": {"use": "train", "source": "truth", "backbone": str(policy), "descent": descent},
        "orm": {"use": "train", "source": "labels", "backbone": str(policy), "kind": "orm", "mode": "frozen"},
        "calibration_problems": {"use": "world", "count": 10, "seed": 2, "world": WORLD, "unlike": ["problems"]},
        "calibration_traces": _sample("calibration_problems", choice, sampling, chunk),
        "calibration_truth": {"use": "label", "source": "calibration_traces", "labeler": "world"},
        "calibration_scores": {"use": "score", "source": "calibration_traces", "model": "prm_raw"},
        "prm": {
            "use": "calibrate",
            "model": "prm_raw",
            "scores": "calibration_scores",
            "labels": "calibration_truth",
            "trained_on": "labels",
        },
        "prm_scores": {"use": "score", "source": "calibration_traces", "model": "prm", "chunk": 8},
        "orm_scores": {"use": "score", "source": "calibration_traces", "model": "orm", "chunk": 8},
        "steps": {
            "use": "judge-steps",
            "scores": ["prm_scores", "calibration_scores"],
            "labels": "calibration_truth",
            "baselines": "truth",
        },
        "chosen": {
            "use": "select",
            "source": "calibration_truth",
            "rows": [{"stage": "prm_scores", "reduce": "min"}, {"stage": "orm_scores", "reduce": "last"}],
            "ns": [1, 2, 4],
            "votes": ["prm_scores/min"],
            "compare": [["best:prm_scores/min", "majority"]],
        },
        "report": {
            "use": "report",
            "title": "Mini",
            "steps": "steps",
            "labels": "calibration_truth",
            "scores": {"prm": "prm_scores", "orm": "orm_scores"},
            "selections": {"best of 4": "chosen"},
            "label_quality": "label_quality",
            "uncalibrated": "calibration_scores",
            "shown": 5,
        },
    }
    return {"name": "mini", "seed": 3, "stages": stages}


def _sample(source: str, choice: Json, sampling: Json, chunk: int) -> Json:
    return {"use": "sample", "source": source, "policy": choice, "n": 4, "sampling": sampling, "chunk": chunk}
