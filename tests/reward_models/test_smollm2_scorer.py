from __future__ import annotations

import json

import pytest
import torch

from stepward.datasets.development import find_development_folder
from stepward.errors import MissingExtraError
from stepward.policies.smollm2 import smollm2_folder
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.checkpoint import Card
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.reader import StepReader
from stepward.reward_models.readout import Readout
from stepward.types import Problem

pytestmark = pytest.mark.slow
READOUT = Readout(layers=(16, -1), pool="both")


@pytest.fixture(scope="module")
def model() -> ProcessRewardModel:
    try:
        folder = smollm2_folder()
    except MissingExtraError as error:
        pytest.skip(str(error))
    backbone = Backbone.open(folder, STEPWARD_DEFAULT)
    torch.manual_seed(0)
    head = ScoreHead(READOUT.width(backbone.width))
    torch.nn.init.normal_(head.out.weight, std=0.01)
    card = Card(
        kind="prm",
        format=STEPWARD_DEFAULT,
        mode="frozen",
        backbone=str(folder),
        backbone_revision=backbone.revision,
        readout=READOUT,
    )
    return ProcessRewardModel(reader=StepReader(backbone=backbone, head=head, readout=READOUT), card=card)


@pytest.fixture(scope="module")
def solutions(make_trace):
    folder = find_development_folder()
    if folder is None:
        pytest.skip("the development data folder is absent: set STEPWARD_DATA")
    rows = [json.loads(line) for line in (folder / "prm800k" / "dev.jsonl").read_text().splitlines()[:6]]
    traces = [make_trace(*(f"{step}\n\n" for step in row["steps"]), problem_id=row["id"]) for row in rows]
    return [(Problem(id=row["id"], text=row["problem"]), trace) for row, trace in zip(rows, traces, strict=True)]


def test_real_scores_do_not_depend_on_batching(model, solutions):
    together = model.score_batch(solutions)
    for pair, own in zip(solutions, together, strict=True):
        assert model.score_batch([pair])[0].values == pytest.approx(own.values, abs=1e-5)


def test_a_real_prefix_scores_as_its_whole(model, solutions, make_trace):
    problem, trace = solutions[0]
    prefix = make_trace(*trace.step_texts[:2], problem_id=problem.id)
    whole, part = model.score_batch([(problem, trace), (problem, prefix)])
    assert part.values == pytest.approx(whole.values[:2], abs=1e-5)


def test_a_real_marker_reads_like_a_newline(model, solutions):
    table = model.reader.backbone.model.get_input_embeddings().weight
    codec = model.codec
    newline = codec.tokenizer.encode("\n", add_special_tokens=False)
    assert len(newline) == 1 and torch.equal(table[codec.marker_id], table[newline[0]])
    assert codec.marker_id not in codec.encode(*solutions[0]).ids[: codec.encode(*solutions[0]).spans[0][1]]
