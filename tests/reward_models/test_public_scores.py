"""Scores of public checkpoints against plain implementations of what their references compute, one trace at a time."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.public.load import Opening, open_public

QWEN_SYSTEM = "answer the what ."


def scores_of(folder, format, pairs, **opening):
    model = open_public(folder, Opening(format=format, **opening))
    found = model.score_batch(pairs)
    assert {own.convention for own in found} == {format.convention}
    return [own.values for own in found]


def reference(folder, *, words=True):
    """Tokenizer, and a function from ids to logits over the vocabulary, or to last hidden states."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    opener = AutoModelForCausalLM if words else AutoModel
    model = opener.from_pretrained(folder, dtype=torch.float32).eval()

    def run(ids):
        with torch.no_grad():
            out = model(input_ids=torch.tensor([ids]))
        return (out.logits if words else out.last_hidden_state)[0].double()

    return tokenizer, run


def steps_of(trace):
    return [text.strip() for text in trace.step_texts]


def check(found, pairs, expected):
    assert len(found) == len(pairs)
    for values, (problem, trace) in zip(found, pairs, strict=True):
        assert list(values) == pytest.approx(expected(problem.text, steps_of(trace)) if len(trace) else [], abs=1e-5)


MATH_SHEPHERD = PRMFormat(
    name="math-shepherd", assembly="text", prompt="{problem} ", marker=" ки", between="\n", added=False,
    output="tokens", answers=(" +", " -"),
)  # fmt: skip


@pytest.mark.parametrize("kind", ["MistralForCausalLM", "LlamaForCausalLM", "Qwen2ForCausalLM"])
@pytest.mark.parametrize("tied", [False, True])
def test_two_answer_tokens_at_a_marker(make_public, pairs, kind, tied):
    folder = make_public(kind, tie_word_embeddings=tied)
    tokenizer, logits = reference(folder)
    plus, minus, mark = (tokenizer.convert_tokens_to_ids(token) for token in (" +", " -", " ки"))

    def expected(problem, steps):
        ids = tokenizer(f"{problem} " + "\n".join(f"{step} ки" for step in steps)).input_ids
        probabilities = logits(ids)[:, [plus, minus]].softmax(-1)[:, 0]
        return [probabilities[at].item() for at, id in enumerate(ids) if id == mark]

    check(scores_of(folder, MATH_SHEPHERD, pairs), pairs, expected)


def test_answer_turns_are_read_where_the_answer_is_predicted(make_public, pairs):
    folder = make_public("LlamaForCausalLM")
    format = PRMFormat(
        name="rlhflow", layout="turns", assembly="text", prompt="{problem} {step}", answer="+", marker="", added=False,
        read="before", output="tokens", answers=("+", "-"),
    )  # fmt: skip
    tokenizer, logits = reference(folder)
    plus, minus = tokenizer.convert_tokens_to_ids(["+", "-"])

    def expected(problem, steps):
        found, messages = [], []
        for index, step in enumerate(steps):
            messages.append({"role": "user", "content": step if index else f"{problem} {step}"})
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
            ids = tokenizer(text, add_special_tokens=False).input_ids
            found.append(logits(ids)[-1, [plus, minus]].softmax(-1)[0].item())
            messages.append({"role": "assistant", "content": "+"})
        return found

    check(scores_of(folder, format, pairs), pairs, expected)


def test_one_token_is_weighed_against_the_whole_vocabulary(make_public, pairs):
    folder = make_public("GraniteForCausalLM", logits_scaling=4.0, attention_multiplier=0.3)
    format = PRMFormat(
        name="granite", layout="turns", assembly="text", prompt="{problem} {step} answer ?", step="{step} answer ?",
        answer="Y", marker="", added=False, read="before", output="token", answers=("Y",),
    )  # fmt: skip
    tokenizer, logits = reference(folder)
    yes = tokenizer.convert_tokens_to_ids("Y")

    def expected(problem, steps):
        found, text = [], ""
        for index, step in enumerate(steps):
            asked = f"{step} answer ?" if index else f"{problem} {step} answer ?"
            text += f"<|im_start|>user\n{asked}<|im_end|>\n<|im_start|>assistant\n"
            found.append(logits(tokenizer(text).input_ids)[-1].softmax(-1)[yes].item())
            text += "Y<|im_end|>\n"
        return found

    check(scores_of(folder, format, pairs), pairs, expected)


def test_qwens_own_class_is_read_without_its_code(make_public, pairs, tmp_path):
    torch.manual_seed(9)
    head = {"score.0.weight": torch.randn(16, 16), "score.0.bias": torch.randn(16)}
    head |= {"score.2.weight": torch.randn(2, 16), "score.2.bias": torch.randn(2)}
    code = {"AutoConfig": "configuration_qwen2_rm.Qwen2RMConfig", "AutoModel": "modeling_qwen2_rm.Never"}
    says = {"architectures": ["Qwen2ForProcessRewardModel"], "auto_map": code}
    folder = make_public("Qwen2ForCausalLM", extra=head, drop=["lm_head"], says=says)
    for name in ("configuration_qwen2_rm", "modeling_qwen2_rm"):
        (folder / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Never: ...\n")
    format = PRMFormat(
        name="qwen2.5-math-prm", layout="chat", assembly="text", system=QWEN_SYSTEM, prompt="{problem}",
        marker="<extra_0>", added=False, output="classes", classes=(1,),
    )  # fmt: skip
    found = scores_of(folder, format, pairs)
    assert not (tmp_path / "ran").exists()
    tokenizer, states = reference(make_public("Qwen2ForCausalLM", name="plain"), words=False)
    mark = tokenizer.convert_tokens_to_ids("<extra_0>")

    def expected(problem, steps):
        content = {"system": QWEN_SYSTEM, "user": problem, "assistant": "<extra_0>".join(steps) + "<extra_0>"}
        messages = [{"role": role, "content": text} for role, text in content.items()]
        ids = tokenizer(tokenizer.apply_chat_template(messages, tokenize=False)).input_ids
        inner = (states(ids) @ head["score.0.weight"].double().T + head["score.0.bias"]).relu()
        labels = inner @ head["score.2.weight"].double().T + head["score.2.bias"]
        return [labels[at].softmax(-1)[1].item() for at, id in enumerate(ids) if id == mark]

    check(found, pairs, expected)


@pytest.mark.parametrize("convention", ["probability", "margin"])
def test_token_classification_joins_ids(make_public, pairs, convention):
    folder = make_public("Qwen2ForTokenClassification", num_labels=2)
    format = PRMFormat(
        name="trl", prompt="{problem}", marker="\n", added=False, output="classes", classes=(1,), convention=convention
    )
    tokenizer, states = reference(folder, words=False)
    weights = {name: tensor.double() for name, tensor in load_file(folder / "model.safetensors").items()}

    def expected(problem, steps):
        ids, reads = tokenizer(problem).input_ids, []
        for step in steps:
            ids = ids + tokenizer(step).input_ids + tokenizer("\n").input_ids
            reads.append(len(ids) - 1)
        p = (states(ids)[reads] @ weights["score.weight"].T + weights["score.bias"]).softmax(-1)
        return (p[:, 1] if convention == "probability" else p[:, 1] - p[:, 0]).tolist()

    check(scores_of(folder, format, pairs), pairs, expected)


@pytest.mark.parametrize("prefix", ["v_head.summary.", "v_head."])
@pytest.mark.parametrize("convention", ["probability", "logit"])
def test_value_heads_are_read_at_full_precision(make_public, pairs, prefix, convention):
    torch.manual_seed(4)
    weight, bias = torch.randn(1, 16), torch.randn(1)
    folder = make_public("Qwen2ForCausalLM", extra={f"{prefix}weight": weight, f"{prefix}bias": bias})
    format = PRMFormat(
        name="value", marker="\n", added=False, output="scalar", convention=convention, head_keys=("v_head.",)
    )
    tokenizer, states = reference(make_public("Qwen2ForCausalLM", name="plain"), words=False)

    def expected(problem, steps):
        ids, reads = tokenizer(problem + "\n").input_ids, []
        for step in steps:
            ids = ids + tokenizer(step).input_ids + tokenizer("\n").input_ids
            reads.append(len(ids) - 1)
        values = (states(ids)[reads] @ weight.double().T + bias)[:, 0]
        return (values.sigmoid() if convention == "probability" else values).tolist()

    check(scores_of(folder, format, pairs), pairs, expected)


def test_names_that_a_value_head_wrapper_prefixed_are_found(make_public, pairs):
    plain = make_public("LlamaForCausalLM", extra={"v_head.summary.weight": torch.ones(1, 16)}, name="plain")
    tensors = load_file(plain / "model.safetensors")
    renamed = {
        name if name.startswith("v_head") else f"pretrained_model.{name}": tensor for name, tensor in tensors.items()
    }
    wrapped = make_public("LlamaForCausalLM", extra=renamed, drop=["model.", "lm_head"], name="wrapped")
    format = PRMFormat(name="pqm", marker="[PRM]", added=False, output="scalar", convention="logit")
    assert scores_of(wrapped, format, pairs) == scores_of(plain, format, pairs)


def test_three_classes_are_read_before_separators_that_are_taken_out(make_public, pairs):
    torch.manual_seed(5)
    head = {"score_head.weight": torch.randn(3, 16), "score_head.bias": torch.randn(3)}
    folder = make_public("MistralForCausalLM", extra=head, drop=["lm_head"], says={"architectures": ["ReasonEval_7B"]})
    format = PRMFormat(
        name="reasoneval", prompt="Question :\n{problem}\nAnswer :\n", marker="<pad>", added=False, keep_marker=False,
        read="before", output="classes", classes=(1, 2), target="validity",
    )  # fmt: skip
    tokenizer, states = reference(make_public("MistralForCausalLM", name="plain"), words=False)

    def expected(problem, steps):
        ids, reads = tokenizer(f"Question :\n{problem}\nAnswer :\n").input_ids, []
        for step in steps:
            ids = ids + tokenizer(step).input_ids
            reads.append(len(ids) - 1)
        p = (states(ids)[reads] @ head["score_head.weight"].double().T + head["score_head.bias"]).softmax(-1)
        return (p[:, 1] + p[:, 2]).tolist()

    check(scores_of(folder, format, pairs), pairs, expected)


def test_the_mean_of_all_logits_is_one_row(make_public, pairs):
    folder = make_public("LlamaForCausalLM")
    format = PRMFormat(name="llemma", assembly="text", prompt="{problem}\n", marker=" ки", added=False,
                       output="mean_logits")  # fmt: skip
    tokenizer, logits = reference(folder)
    mark = tokenizer.convert_tokens_to_ids(" ки")

    def expected(problem, steps):
        ids = tokenizer(f"{problem}\n" + "".join(f"{step} ки" for step in steps)).input_ids
        means = logits(ids).mean(-1)
        return [means[at].sigmoid().item() for at, id in enumerate(ids) if id == mark]

    check(scores_of(folder, format, pairs), pairs, expected)


def test_the_text_part_of_a_model_with_images_is_enough(make_public, pairs):
    rope = {"rope_type": "default", "mrope_section": [2, 1, 1], "rope_theta": 1e4}
    vision = {"depth": 1, "embed_dim": 8, "hidden_size": 16, "num_heads": 2, "mlp_ratio": 2}
    text = {
        "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
        "num_key_value_heads": 2, "max_position_embeddings": 512, "initializer_range": 0.3, "rope_parameters": rope,
        "vocab_size": 100,
    }  # fmt: skip
    folder = make_public("Qwen2VLForConditionalGeneration", text_config=text, vision_config=vision)
    from transformers import Qwen2VLForConditionalGeneration

    whole = Qwen2VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    plus, minus, mark = (tokenizer.convert_tokens_to_ids(token) for token in (" +", " -", " ки"))

    def expected(problem, steps):
        ids = tokenizer(f"{problem} " + "\n".join(f"{step} ки" for step in steps)).input_ids
        with torch.no_grad():
            probabilities = whole(input_ids=torch.tensor([ids])).logits[0, :, [plus, minus]].softmax(-1)[:, 0]
        return [probabilities[at].item() for at, id in enumerate(ids) if id == mark]

    check(scores_of(folder, MATH_SHEPHERD, pairs), pairs, expected)
