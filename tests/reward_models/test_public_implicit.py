"""Implicit reward models and models asked in passes, against plain implementations of the published code."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

from stepward.errors import ConfigError, ModelError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.formats.chats import EURUS, IMPLICIT, PATHFINDER
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.logprobs import token_logprobs
from stepward.reward_models.public.implicit import TraceLogprobs, counted, trace_logprobs
from stepward.reward_models.public.load import NO_REFERENCE, Opening, open_public, open_scorer

ALONE = replace(PATHFINDER, prompt="Question : {problem}", between=" \n\n", passes=(
    "Current Step : {step} Math : <extra> , Consistency : <extra>",
    "Current Step : {step} Math : {0} , Consistency : {1} , Answer : <extra>",
))  # fmt: skip


@pytest.fixture
def two(make_public):
    return make_public("Qwen2ForCausalLM", name="policy"), make_public("Qwen2ForCausalLM", name="start", seed=8)


def language_model(folder):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def run(ids):
        with torch.no_grad():
            return model(input_ids=torch.tensor([ids])).logits[0].double()

    return PreTrainedTokenizerFast.from_pretrained(folder), run


def logprobs(run, ids):
    return run(ids)[:-1].log_softmax(-1).gather(-1, torch.tensor(ids[1:])[:, None])[:, 0]


def published(folders, problem, steps, coefficient):
    """The card's code: shifted log-ratios, zero before the answer, summed up, read at length - 2 of each prefix."""
    (tokenizer, policy), (_, start) = (language_model(folder) for folder in folders)

    def ids_of(count):
        messages = [{"role": "user", "content": problem}, {"role": "assistant", "content": "\n\n".join(steps[:count])}]
        text = tokenizer.apply_chat_template(messages, tokenize=False).strip()
        return tokenizer(text + ("\n\n" if 0 < count < len(steps) else ""), add_special_tokens=False).input_ids

    ids, ends = ids_of(len(steps)), [len(ids_of(count)) - 2 for count in range(len(steps) + 1)]
    mask = torch.tensor([0] * ends[0] + [1] * (len(ids) - ends[0]))
    reward = coefficient * (logprobs(policy, ids) - logprobs(start, ids)) * mask[1:]
    return reward.cumsum(-1)[ends[1:]].tolist()


def test_the_published_reading_of_an_implicit_model_is_reproduced(two, pairs):
    format = replace(EURUS, coefficient=0.3)
    model = open_public(two[0], Opening(format=format, reference=two[1]))
    for (problem, trace), own in zip(pairs, model.score_batch(pairs), strict=True):
        steps = [f"Step {i}: {text.strip()}" for i, text in enumerate(trace.step_texts, 1)]
        expected = published(two, problem.text, steps, 0.3) if steps else []
        assert list(own.values) == pytest.approx(expected, abs=1e-5)
        assert own.convention == "log_ratio"


@pytest.mark.parametrize("reading", ["accumulated", "single"])
@pytest.mark.parametrize("referred", [True, False])
def test_sums_end_with_each_step(two, pairs, reading, referred):
    opening = Opening(format=IMPLICIT, reference=two[1] if referred else NO_REFERENCE, reading=reading)
    model = open_public(two[0], opening)
    (tokenizer, policy), (_, start) = (language_model(folder) for folder in two)
    for (problem, trace), own in zip(pairs, model.score_batch(pairs), strict=True):
        if not len(trace):
            assert own.values == ()
            continue
        head = f"<|im_start|>user\n{problem.text}<|im_end|>\n<|im_start|>assistant\n"
        ids, ends = tokenizer(head).input_ids, []
        first = len(ids) - 1
        for step in trace.step_texts:
            ids = ids + tokenizer(step.strip()).input_ids
            ends.append(len(ids))
            ids = ids + tokenizer("\n\n").input_ids
        ratios = logprobs(policy, ids) - (logprobs(start, ids) if referred else 0.0)
        sums = [0.05 * ratios[first - 1 : end - 1].sum().item() for end in ends]
        if reading == "single":
            sums = [value - before for value, before in zip(sums, [0.0, *sums], strict=False)]
        assert list(own.values) == pytest.approx(sums, abs=1e-5)


def test_a_second_model_is_named_where_one_is_read_and_nowhere_else(two, checkpoint):
    with pytest.raises(ModelError, match=r"against a reference model, and none is named.*Qwen2.5-Math-7B-Instruct"):
        open_scorer(two[0], Opening(format=EURUS))
    for format in (PATHFINDER, replace(PATHFINDER, passes=(), marker=" ки")):
        with pytest.raises(ModelError, match="reads one model"):
            open_scorer(two[0], Opening(format=format, reference=two[1]))
        with pytest.raises(ModelError, match="is a whole model"):
            open_scorer(two[0], Opening(format=format, base=two[1]))
    with pytest.raises(ConfigError, match="names its own reference"):
        open_scorer(checkpoint, Opening(reference=two[1]))


def test_the_reference_is_remembered_by_content_and_not_by_place(two, pairs, monkeypatch):
    model = open_public(two[0], Opening(format=IMPLICIT, reference=two[1]))
    side, passes = model.reader.reference, []
    inner = side._compute
    monkeypatch.setattr(side, "_compute", lambda encoded: passes.append(len(encoded)) or inner(encoded))
    first = model.score_batch(pairs)
    again = model.score_batch(pairs[::-1])[::-1]
    assert [own.values for own in again] == [pytest.approx(own.values, abs=1e-6) for own in first]
    assert passes[0] == 4 and sum(passes) == 4


def test_what_is_remembered_has_a_limit(two, pairs):
    backbone = Backbone.open(two[0], IMPLICIT)
    encoded = backbone.codec.encode_many([pair for pair in pairs if len(pair[1])])
    side = TraceLogprobs(backbone=backbone, remembered=max(len(counted(item)) for item in encoded))
    wanted = TraceLogprobs(backbone=backbone).of(encoded)
    for _ in range(2):
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(side.of(encoded), wanted, strict=True))
        assert 0 < sum(map(len, side._kept.values())) <= side.remembered


def test_token_logprobs_and_their_gradients_equal_full_logits(two, pairs):
    backbone = Backbone.open(two[0], IMPLICIT)
    encoded = backbone.codec.encode_many(pairs[:3])
    whole = AutoModelForCausalLM.from_pretrained(two[0], dtype=torch.float32).eval()
    backbone.model.zero_grad()
    torch.cat(trace_logprobs(backbone, encoded)).square().sum().backward()
    total = 0.0
    for item in encoded:
        logits = whole(input_ids=torch.tensor([item.ids])).logits[0, :-1].log_softmax(-1)
        own = logits.gather(-1, torch.tensor(item.ids[1:])[:, None])[:, 0]
        total = total + own[counted(item).start - 1 : counted(item).stop - 1].square().sum()
    total.backward()
    for name, weight in backbone.model.named_parameters():
        assert torch.allclose(weight.grad, whole.get_parameter(f"model.{name}").grad, atol=1e-3, rtol=1e-3), name


def test_slices_and_a_token_without_a_chance(two):
    backbone = Backbone.open(two[0], IMPLICIT)
    torch.manual_seed(0)
    states, ids = torch.randn(7, 16), torch.arange(7)
    with torch.no_grad():
        logits = backbone.unembedding(states)
        expected = logits.log_softmax(-1).gather(-1, ids[:, None])[:, 0]
        assert torch.allclose(token_logprobs(states, ids, backbone.unembedding, at_once=3), expected, atol=1e-6)
        logits[:, 20] = -torch.inf
        without = token_logprobs(states, ids, backbone.unembedding, never=20)
    assert torch.allclose(without, logits.log_softmax(-1).gather(-1, ids[:, None])[:, 0], atol=1e-6)


def test_a_reference_with_other_words_is_refused(two, tiny_folder):
    with pytest.raises(ModelError, match="share a vocabulary"):
        open_public(two[0], Opening(format=replace(IMPLICIT, layout="plain", generation_prompt=False, marker="\n"),
                                    reference=tiny_folder))  # fmt: skip


def test_every_step_is_asked_in_two_passes(make_public, pairs):
    folder = make_public("Qwen2ForCausalLM", seed=4)
    tokenizer, run = language_model(folder)
    good, bad = tokenizer.convert_tokens_to_ids(["<+>", "<->"])

    def ask(problem, before, question):
        said = "".join(f"{step} \n\n" for step in before)
        text = f"<|im_start|>user\nQuestion : {problem}<|im_end|>\n<|im_start|>assistant\n{said}{question}"
        ids = tokenizer(text).input_ids
        reads = [at - 1 for at, id in enumerate(ids) if id == tokenizer.convert_tokens_to_ids("<extra>")]
        return run(ids)[reads][:, [good, bad]].softmax(-1)[:, 0].tolist()

    asked, wrong = 0, 0
    scorer = open_scorer(folder, Opening(format=ALONE))
    for (problem, trace), own in zip(pairs, scorer.score_batch(pairs), strict=True):
        steps, expected = [text.strip() for text in trace.step_texts], []
        for index, step in enumerate(steps):
            kinds = ask(problem.text, steps[:index], ALONE.passes[0].replace("{step}", step))
            if min(kinds) < 0.5:
                expected.append(0.0)
                wrong += 1
                continue
            question = ALONE.passes[1].replace("{step}", step).replace("{0}", "<+>").replace("{1}", "<+>")
            expected += ask(problem.text, steps[:index], question)
            asked += 1
        assert list(own.values) == pytest.approx(expected, abs=1e-5)
        assert (own.spend.scorer_tokens > 0) == bool(steps)
    assert asked and wrong


def test_a_model_asked_in_passes_scores_steps_alike_whatever_follows(make_public, pairs, problem, make_trace):
    scorer = open_scorer(make_public("Qwen2ForCausalLM", seed=11), Opening(format=ALONE))
    short, long = make_trace("two .", "three ."), make_trace("two .", "three .", "so the answer is 9 9 9 .")
    first, second = scorer.score_batch([(problem, short), (problem, long)])
    assert second.values[:2] == pytest.approx(first.values, abs=1e-6)
    with pytest.raises(ModelError, match="open it with open_scorer"):
        open_public(scorer.reader.backbone.path, Opening(format=ALONE))


def test_a_format_of_ours_is_no_published_head(two):
    with pytest.raises(ModelError, match="is no token of"):
        open_public(two[0], Opening(format=STEPWARD_DEFAULT))
