"""A recipe small enough for tests, with every kind of stage that the quick start has."""

from stepward.types import Json

WORLD: dict[str, Json] = {"domains": ["ages"], "min_steps": 3, "max_steps": 4, "max_distractors": 0}


def mini_recipe(problems: int = 8, chunk: int = 4) -> dict[str, Json]:
    choice: dict[str, Json] = {"path": "quickstart"}
    sampling: Json = {"max_tokens": 40}
    descent: Json = {"epochs": 1, "batch_tokens": 1000, "save_every": 2, "evaluate_every": 2}
    stages: dict[str, Json] = {
        "problems": {"use": "world", "count": problems, "seed": 1, "world": WORLD},
        "traces": _sample("problems", choice, sampling, chunk),
        "labels": {
            "use": "label",
            "source": "traces",
            "labeler": {"use": "rollout", "n": 2, "sampling": sampling},
            "policy": choice,
            "concurrency": chunk,
        },
        "truth": {"use": "label", "source": "traces", "labeler": "world", "concurrency": chunk},
        "label_quality": {"use": "judge-labels", "labels": "labels", "truth": "truth"},
        "prm_raw": {"use": "train", "source": "truth", "backbone": "quickstart", "descent": descent},
        "orm": {"use": "train", "source": "labels", "backbone": "quickstart", "kind": "orm", "mode": "frozen"},
        "calibration_problems": {"use": "world", "count": 8, "seed": 2, "world": WORLD, "unlike": ["problems"]},
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
        "prm_scores": {"use": "calibrate-scores", "source": "calibration_scores", "model": "prm"},
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
