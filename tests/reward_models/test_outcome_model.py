from __future__ import annotations

import pytest

from stepward.errors import ModelError, TraceError
from stepward.protocols import StepScorerEngine
from stepward.reward_models.outcome import OutcomeRewardModel, PerPrefix


def test_an_outcome_score_is_read_at_the_last_step_end(make_checkpoint, pairs):
    model = OutcomeRewardModel.load(make_checkpoint(kind="orm"))
    judged = [pair for pair in pairs if len(pair[1])]
    steps = PerPrefix(outcome=model)
    per_prefix = steps.score_batch(judged)
    assert isinstance(steps, StepScorerEngine)
    assert [own.value for own in model.score_traces(judged)] == [own.values[-1] for own in per_prefix]
    assert {own.target for own in per_prefix} == {"value"}
    assert model.origin.maker == "scorer:orm" and steps.origin.maker != model.origin.maker


def test_a_trace_without_steps_has_no_outcome_score(make_checkpoint, pairs):
    model = OutcomeRewardModel.load(make_checkpoint(kind="orm"))
    with pytest.raises(TraceError, match="problem 'q' has no step"):
        model.score_traces(pairs)


def test_a_process_model_is_no_outcome_model(checkpoint):
    with pytest.raises(ModelError, match="no outcome reward model; got 'prm'"):
        OutcomeRewardModel.load(checkpoint)
