"""Example scores that authors published, recomputed from their weights.

STEPWARD_MODELS names a folder with the checkpoints below it as owner/name. Tolerance 0.02: the examples were computed
in half precision.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stepward.reward_models.formats.library import FORMATS
from stepward.types import Problem, Step, Trace

pytestmark = pytest.mark.gpu

DUCKS = (
    "Janet’s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck egg. How much in "
    "dollars does she make every day at the farmers' market?"
)
DUCK_STEPS = (
    "Janet's ducks lay 16 eggs per day.",
    "She eats three for breakfast every morning, so she has 16 - 3 = 13 eggs left.",
    "She bakes muffins for her friends every day with four eggs, so she has 13 - 4 = 9 eggs left.",
    "She sells the remainder at the farmers' market daily for $2 per fresh duck egg, so she makes 9 * $2 = ${} every "
    "day at the farmers' market. The answer is: {}",
)
BAGEL = (
    "For breakfast, Anna bought a bagel for $x and a glass of orange juice for $0.85. At lunch, Anna spent $4.65 on a "
    "sandwich and $1.15 on a carton of milk. How much more money did Anna spend on lunch than on breakfast? If we know "
    "the answer to the above question is 4, what is the value of unknown variable x?"
)
BAGEL_STEPS = (
    "At breakfast, Anna spent x dollars on a bagel and $0.85 on a glass of orange juice. The total cost of breakfast "
    "is x + $0.85.",
    "At lunch, Anna spent $4.65 on a sandwich and $1.15 on a carton of milk. The total cost of lunch is $4.65 + $1.15 "
    "= $5.80.",
    "To find out how much more money Anna spent on lunch than on breakfast, we subtract the cost of breakfast from the "
    "cost of lunch: $5.80 - (x + $0.85).",
    "We are given that the difference is $4, so we can write: $5.80 - (x + $0.85) = $4.",
    "Simplifying the left side, we get: $5.80 - x - $0.85 = $4.",
    "Adding -$0.85 to both sides, we get: $5.80 -x = $3.15.",
    "Subtracting $5.80 from both sides, we get: -x = -$2.65.",
    "Dividing both sides by -1, we get: x = $2.65.",
)


def steps_with(answer: str) -> tuple[str, ...]:
    return (*DUCK_STEPS[:3], DUCK_STEPS[3].format(answer, answer))


PUBLISHED = [
    (
        "math-shepherd",
        "peiyi9979/math-shepherd-mistral-7b-prm",
        DUCKS,
        steps_with("18"),
        (0.9955, 0.9958, 0.9983, 0.9957),
    ),
    (
        "math-shepherd",
        "peiyi9979/math-shepherd-mistral-7b-prm",
        DUCKS,
        steps_with("17"),
        (0.9955, 0.9958, 0.9983, 0.0240),
    ),
    (
        "granite-3.3-math-prm-v2",
        "ibm-granite/granite-3.3-8b-math-prm-v2",
        BAGEL,
        BAGEL_STEPS,
        (1.0, 1.0, 1.0, 0.996, 0.992, 0.085, 0.408, 0.852),
    ),
    (
        "fover-qwen",
        "ryokamoi/Qwen-2.5-7B-FoVer-PRM",
        "Calculate (1+1)*(1+2)",
        ("1+1=2", "1+2=3", "2*3=8"),
        (0.9099, 0.9998, 0.0123),
    ),
]


@pytest.mark.parametrize("format, name, problem, steps, scores", PUBLISHED)
def test_scores_are_those_of_the_model_card(
    format: str, name: str, problem: str, steps: tuple[str, ...], scores: tuple[float, ...]
) -> None:
    models = os.environ.get("STEPWARD_MODELS")
    if not models or not (Path(models) / name).is_dir():
        pytest.skip(f"needs the weights of {name} below the folder that STEPWARD_MODELS names")
    import torch

    from stepward.reward_models.public.load import Opening, open_public

    device = "cuda" if torch.cuda.is_available() else "cpu"
    opening = Opening(format=FORMATS[format], device=device, precision="bfloat16")
    text = "\n".join(steps)
    at, spans = 0, []
    for step in steps:
        end = min(at + len(step) + 1, len(text))
        spans.append(Step(at, end))
        at = end
    trace = Trace(problem_id="p", text=text, steps=tuple(spans))
    found = open_public(Path(models) / name, opening).score_batch([(Problem(id="p", text=problem), trace)])[0]
    assert found.values == pytest.approx(scores, abs=0.02)
