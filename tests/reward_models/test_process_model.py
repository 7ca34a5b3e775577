from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM

from stepward.calibrate import Platt, to_json
from stepward.errors import ScoreError
from stepward.protocols import StepScorerEngine
from stepward.reward_models.checkpoint import set_calibrator
from stepward.reward_models.heads import ScoreHead, load_head
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.reader import length_batches
from stepward.reward_models.readout import Readout
from stepward.types import Spend


def values(scores):
    return [value for own in scores for value in own.values]


def test_it_is_an_engine_with_one_score_per_step(checkpoint, pairs):
    model = ProcessRewardModel.load(checkpoint)
    scores = model.score_batch(pairs)
    assert isinstance(model, StepScorerEngine)
    assert [len(own) for own in scores] == [len(trace) for _, trace in pairs]
    assert {(own.target, own.convention) for own in scores} == {("value", "probability")}
    assert len(set(values(scores))) > 8


def test_scores_equal_a_plain_forward_pass(checkpoint, tiny_folder, pairs):
    model = ProcessRewardModel.load(checkpoint)
    plain = AutoModelForCausalLM.from_pretrained(tiny_folder, dtype=torch.float32).model
    codec = model.codec
    newline = plain.embed_tokens.weight[codec.tokenizer.encode("\n")[0]]
    head = load_head(checkpoint / "head.safetensors", width=16, hidden=0)
    for (problem, trace), own in zip(pairs, model.score_batch(pairs), strict=True):
        ids = codec.tokenizer.encode(problem.text + "\n")
        for text, score in zip(trace.step_texts, own.values, strict=True):
            ids += [*codec.tokenizer.encode(text.strip()), codec.marker_id]
            known = torch.tensor([0 if i == codec.marker_id else i for i in ids])
            rows = torch.where(torch.tensor(ids)[:, None] == codec.marker_id, newline, plain.embed_tokens(known))
            with torch.no_grad():
                state = plain(inputs_embeds=rows[None]).last_hidden_state[0, -1]
                assert score == pytest.approx(torch.sigmoid(head(state[None]))[0].item(), abs=1e-5)


@pytest.mark.parametrize("pool, layers", [("read", (-1,)), ("both", (-1, 1)), ("mean", (2,))])
def test_scores_do_not_depend_on_batching_padding_or_order(make_checkpoint, pairs, pool, layers):
    model = ProcessRewardModel.load(make_checkpoint(readout=Readout(layers=layers, pool=pool)))
    alone = [model.score_batch([pair])[0].values for pair in pairs]
    for size in (1, 40, 10_000):
        model.reader.batch_tokens = size
        turned = model.score_batch(pairs[::-1])[::-1]
        for own, other in zip(alone, turned, strict=True):
            assert own == pytest.approx(other.values, abs=1e-5)


def test_layers_above_the_deepest_that_is_read_are_not_computed(make_checkpoint, pairs):
    readout = Readout(layers=(0, -3), pool="both")
    shallow = ProcessRewardModel.load(make_checkpoint("frozen", readout=readout))
    whole = ProcessRewardModel.load(make_checkpoint("full", readout=readout, mode="full"))
    assert shallow.reader.backbone.parameters < whole.reader.backbone.parameters
    assert values(shallow.score_batch(pairs)) == pytest.approx(values(whole.score_batch(pairs)), abs=1e-6)


def test_half_precision_moves_scores_a_little_and_says_so(make_checkpoint, pairs):
    exact, half = (
        ProcessRewardModel.load(make_checkpoint(precision, precision=precision))
        for precision in ("float32", "bfloat16")
    )
    assert values(half.score_batch(pairs)) == pytest.approx(values(exact.score_batch(pairs)), abs=0.05)
    assert half.origin.revision != exact.origin.revision


def test_a_later_step_does_not_change_earlier_scores(checkpoint, problem, make_trace):
    model = ProcessRewardModel.load(checkpoint)
    short, long = make_trace("two .", "three ."), make_trace("two .", "three .", "so the answer is 9 9 9 .")
    first, second = model.score_batch([(problem, short), (problem, long)])
    assert second.values[:2] == pytest.approx(first.values, abs=1e-5)


def test_a_trace_without_steps_costs_nothing(checkpoint, problem, make_trace):
    model = ProcessRewardModel.load(checkpoint)
    (scores,) = model.score_batch([(problem, make_trace())])
    assert scores.values == () and scores.spend == Spend()
    assert model.score_batch([]) == []


def test_spend_counts_each_shared_token_once_and_no_padding(checkpoint, pairs):
    model = ProcessRewardModel.load(checkpoint)
    seen: set[tuple[int, ...]] = set()
    for pair, own in zip(pairs, model.score_batch(pairs), strict=True):
        ids = model.codec.encode(*pair).ids if len(pair[1]) else ()
        fresh = {ids[: end + 1] for end in range(len(ids))} - seen
        seen |= fresh
        assert own.spend.scorer_tokens == len(fresh)
        assert own.spend.scorer_calls == (1 if fresh else 0)
        assert own.spend.flops == 2.0 * model.reader.backbone.parameters * len(fresh)


def test_a_checkpoints_calibrator_is_applied_and_raw_scores_stay_available(checkpoint, pairs):
    raw = ProcessRewardModel.load(checkpoint)
    before = values(raw.score_batch(pairs))
    calibrator = Platt(a=0.5, b=1.0)
    set_calibrator(checkpoint, to_json(calibrator))
    calibrated = ProcessRewardModel.load(checkpoint)
    assert values(calibrated.score_batch(pairs)) == pytest.approx(calibrator.transform(before).tolist())
    again = ProcessRewardModel.load(checkpoint, calibrated=False)
    assert values(again.score_batch(pairs)) == before
    assert calibrated.origin.revision != raw.origin.revision


def test_logits_that_are_not_finite_are_an_error(checkpoint, pairs):
    model = ProcessRewardModel.load(checkpoint)
    with torch.no_grad():
        model.reader.head.out.bias.fill_(float("nan"))
    with pytest.raises(ScoreError, match="not finite"):
        model.score_batch(pairs)


def test_batches_hold_their_tokens_and_miss_nothing():
    lengths = [5, 100, 7, 0, 30, 31, 8]
    batches = length_batches(lengths, 62)
    assert sorted(index for batch in batches for index in batch) == [0, 1, 2, 4, 5, 6]
    assert all(len(batch) * max(lengths[i] for i in batch) <= 62 for batch in batches if batch != [1])


@pytest.mark.parametrize("hidden", [0, 4])
def test_a_head_absorbs_the_standardisation_it_was_fitted_on(hidden):
    torch.manual_seed(0)
    head, states = ScoreHead(3, hidden), torch.randn(5, 3) * 10 + 3
    torch.nn.init.normal_(head.out.weight)
    mean, scale = states.mean(0), states.std(0)
    expected = head((states - mean) / scale)
    head.absorb(mean, scale)
    assert torch.allclose(head(states), expected, atol=1e-4)
