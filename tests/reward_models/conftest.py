from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from stepward.reward_models.backbone import Backbone
from stepward.reward_models.checkpoint import Card, Checkpoint
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.tiny import TinyBackbone
from stepward.types import Problem, Step, Trace

WORDS = "system user : two plus three is five so the answer four minus one what . ? 0 1 2 3 4 5 6 7 8 9"


def trace_of(*steps: str, problem_id: str = "p") -> Trace:
    """A trace whose steps are exactly `steps`."""
    spans, at = [], 0
    for text in steps:
        spans.append(Step(at, at + len(text)))
        at += len(text)
    return Trace(problem_id=problem_id, text="".join(steps), steps=tuple(spans))


@pytest.fixture(scope="session")
def make_trace():
    return trace_of


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spaced = " ".join(WORDS.split())
    return TinyBackbone().write(tmp_path_factory.mktemp("tiny") / "backbone", [spaced, *spaced.split()])


@pytest.fixture(scope="session")
def codec(tiny_folder: Path):
    from stepward.reward_models.backbone import open_codec

    return open_codec(tiny_folder, STEPWARD_DEFAULT)


@pytest.fixture
def checkpoint(tiny_folder: Path, tmp_path: Path) -> Path:
    """A frozen PRM with a random head."""
    return save_checkpoint(tiny_folder, tmp_path / "prm")


def save_checkpoint(source: Path, out: Path, **card) -> Path:
    opened = Backbone.open(source, STEPWARD_DEFAULT)
    settings = {"kind": "prm", "format": replace(STEPWARD_DEFAULT, target="value"), "mode": "frozen"}
    settings |= {"backbone": str(source), "backbone_revision": opened.revision} | card
    made = Card(**settings)
    torch.manual_seed(1)
    head = ScoreHead(made.readout.width(opened.width), made.head_hidden)
    torch.nn.init.normal_(head.out.weight, std=0.5)
    Checkpoint(card=made, backbone=opened, head=head).save(out)
    return out


@pytest.fixture
def make_checkpoint(tiny_folder: Path, tmp_path: Path):
    return lambda name="made", **card: save_checkpoint(tiny_folder, tmp_path / name, **card)


@pytest.fixture
def problem() -> Problem:
    return Problem(id="p", text="what is two plus three ?")


@pytest.fixture
def pairs(problem: Problem) -> list[tuple[Problem, Trace]]:
    other = Problem(id="q", text="what is four minus one ?")
    return [
        (problem, trace_of("two plus three is five .\n", "so the answer is 5 .\n")),
        (other, trace_of("four minus one is three .\n")),
        (problem, trace_of(*["two plus two is four .\n"] * 7)),
        (other, trace_of()),
        (other, trace_of("one .", " the answer is 3 9 9 .")),
    ]
