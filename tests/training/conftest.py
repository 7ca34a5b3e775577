from __future__ import annotations

import random
from pathlib import Path

import pytest

from stepward.reward_models.backbone import open_codec
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.tiny import TinyBackbone
from stepward.training.examples import StepExamples
from stepward.types import LabeledTrace, Problem, Step, StepLabel, Trace, Verdict

WORDS = [*"abcdefgh", "good", "bad", "what", "?"]


@pytest.fixture(scope="session")
def tiny_backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    return TinyBackbone().write(folder, [" ".join(["a", *WORDS]), *WORDS])


@pytest.fixture(scope="session")
def tiny_codec(tiny_backbone: Path):
    return open_codec(tiny_backbone, STEPWARD_DEFAULT)


def labeled(steps: list[str], labels: list[StepLabel | None], verdict: Verdict | None = None, problem: str = "p"):
    """A problem, and a labelled trace of it with exactly these steps."""
    spans, at = [], 0
    for text in steps:
        spans.append(Step(at, at + len(text)))
        at += len(text)
    trace = Trace(problem_id=problem, text="".join(steps), steps=tuple(spans))
    made = LabeledTrace(trace=trace, labels=tuple(labels), verdict=verdict)
    return Problem(id=problem, text=f"what {problem} ?"), made


@pytest.fixture(scope="session")
def make_labeled():
    return labeled


@pytest.fixture(scope="session")
def learnable():
    """Sixty traces of twenty problems, in which a step is good unless it says "bad"."""
    draw = random.Random(0)
    pairs = []
    for index in range(60):
        words = [draw.choice(["good", "bad"]) for _ in range(draw.randint(1, 4))]
        steps = [f"{draw.choice('abcd')} {word} {draw.choice('abcd')}\n" for word in words]
        labels = [StepLabel(target="validity", value=float(word == "good"), source="human") for word in words]
        outcome = "equal" if words[-1] == "good" else "different"
        pairs.append(labeled(steps, labels, Verdict(outcome=outcome), problem="abcdefgh"[index % 8] * (1 + index % 3)))
    return pairs


@pytest.fixture(scope="session")
def example_set(tiny_codec, learnable):
    return StepExamples().build(tiny_codec, learnable)
