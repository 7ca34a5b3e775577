"""What is no published reward model is refused with the reason and the mend; adapters and encoders."""

from __future__ import annotations

import json
from dataclasses import replace

import peft
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

import stepward
from stepward.cli.main import app
from stepward.errors import ConfigError, ModelError, ScoreError
from stepward.reward_models.backbone import Backbone, quiet
from stepward.reward_models.checkpoint import Card, Checkpoint
from stepward.reward_models.encoder import PrefixReader, prefix_rows
from stepward.reward_models.formats.chats import QWEN_PRM
from stepward.reward_models.formats.library import get_format
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.outcome import OutcomeRewardModel, PerPrefix
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.public.load import Opening, open_public, open_scorer

TWO_TOKENS = PRMFormat(
    name="two-tokens", assembly="text", prompt="{problem} ", marker=" ки", added=False, output="tokens",
    answers=(" +", " -"),
)  # fmt: skip
LABELS = PRMFormat(name="labels", prompt="{problem}", marker="\n", added=False, output="classes", classes=(1,))
VALUE = replace(LABELS, name="value", output="scalar", classes=())
QWEN = replace(QWEN_PRM, name="tiny-qwen", marker_ids=(), system="answer the what .")


def test_a_folder_is_opened_by_what_it_says_of_itself(make_public, pairs):
    torch.manual_seed(9)
    head = {"score.0.weight": torch.randn(16, 16), "score.0.bias": torch.randn(16)}
    head |= {"score.2.weight": torch.randn(2, 16), "score.2.bias": torch.randn(2)}
    says = {"architectures": ["Qwen2ForProcessRewardModel"]}
    folder = make_public("Qwen2ForCausalLM", extra=head, drop=["lm_head"], says=says, name="some-model")
    by_hand = ProcessRewardModel.load(folder, format=QWEN)
    assert by_hand.origin.maker == "scorer:some-model"
    assert by_hand.origin.settings["format"] == "tiny-qwen"
    assert open_scorer(folder, Opening(format=QWEN)).origin == by_hand.origin
    assert [s.values for s in open_scorer(folder, Opening(format=QWEN)).score_batch(pairs)] == [
        s.values for s in by_hand.score_batch(pairs)
    ]
    save_file(load_file(folder / "model.safetensors") | {"score.2.bias": torch.zeros(2)}, folder / "model.safetensors",
              metadata={"format": "pt"})  # fmt: skip
    assert open_scorer(folder, Opening(format=QWEN)).origin.revision != by_hand.origin.revision


def test_the_command_and_the_call_open_published_models(make_public, tmp_path, problem):
    head = {"score.weight": torch.linspace(-1, 1, 32).reshape(2, 16)}
    folder, file = make_public("Qwen2ForCausalLM", extra=head, drop=["lm_head"]), tmp_path / "mine.yaml"
    file.write_text('name: mine\nprompt: "{problem}"\nmarker: "\\n"\nadded: false\noutput: classes\nclasses: [1]\n')
    solution = tmp_path / "solution.txt"
    solution.write_text("two plus three is five .\nso the answer is 5 .\n")
    arguments = ["score", "--problem", problem.text, "--trace", str(solution), "--model", str(folder), "--json"]
    shown = CliRunner().invoke(app, [*arguments, "--format", str(file), "--segmenter", "newline"])
    assert shown.exit_code == 0, shown.output
    (found,) = json.loads(shown.stdout)
    model = open_scorer(folder, Opening(format=get_format(str(file))))
    called = stepward.score(problem, solution.read_text(), model=model, segmenter="newline")
    assert found["scores"] == pytest.approx(called.values, abs=1e-6)
    assert found["scorer"]["maker"] == "scorer:public"


def test_a_checkpoint_of_ours_goes_through_the_same_door(checkpoint, pairs):
    ours = open_scorer(checkpoint)
    assert [s.values for s in ours.score_batch(pairs)] == [
        s.values for s in ProcessRewardModel.load(checkpoint).score_batch(pairs)
    ]
    with pytest.raises(ConfigError, match="has its own format"):
        open_scorer(checkpoint, Opening(format=LABELS))


@pytest.mark.parametrize(
    "extra, format, reason",
    [
        ({}, LABELS, "holds no head under any of score"),
        ({}, VALUE, "holds no head under any of v_head"),
        ({"score.weight": torch.ones(2, 8)}, LABELS, "reads 8 numbers, not 16"),
        ({"score.weight": torch.ones(1, 16)}, LABELS, r"classes \(1,\) are none of the head's 1"),
        ({"score.weight": torch.ones(2, 16)}, VALUE, "one output, this one 2"),
        ({"score.dense.weight": torch.ones(2, 16), "score.out.weight": torch.ones(2, 2)}, LABELS, "unknown kind"),
        ({"score.weight": torch.full((2, 16), torch.nan)}, LABELS, "not finite"),
        ({"score.weight": torch.ones(16)}, LABELS, "no linear layer"),
    ],
)
def test_a_head_that_is_missing_or_misshapen_is_refused(make_public, extra, format, reason):
    folder = make_public("Qwen2ForCausalLM", extra=extra)
    with pytest.raises(ModelError, match=reason):
        open_public(folder, Opening(format=format))


def test_a_pickled_head_is_named_and_not_opened(make_public):
    folder = make_public("LlamaForCausalLM")
    (folder / "added_params.bin").write_bytes(b"not read")
    with pytest.raises(ModelError, match=r"pickled file.*added_params.bin.*save_file"):
        open_public(folder, Opening(format=LABELS))


def test_words_are_not_read_from_a_classifier_or_without_a_head(make_public):
    classifier = make_public("Qwen2ForTokenClassification", tie_word_embeddings=True)
    with pytest.raises(ModelError, match="holds no language model"):
        open_public(classifier, Opening(format=TWO_TOKENS))
    headless = make_public("LlamaForCausalLM", drop=["lm_head"], tie_word_embeddings=False, name="headless")
    with pytest.raises(ModelError, match="lacks the language-model head"):
        open_public(headless, Opening(format=TWO_TOKENS))


def test_a_marker_or_answer_that_the_model_has_not_is_refused(make_public):
    folder = make_public("LlamaForCausalLM")
    with pytest.raises(ModelError, match="must have the ids"):
        open_public(folder, Opening(format=replace(TWO_TOKENS, marker_ids=(12902,))))
    with pytest.raises(ModelError, match=r"<\|step_end\|>.* is no token of"):
        open_public(folder, Opening(format=replace(TWO_TOKENS, assembly="ids", marker="<|step_end|>", added=True)))
    small = make_public("LlamaForCausalLM", vocab_size=20, name="small")
    with pytest.raises(ModelError, match="is no token of"):
        open_public(small, Opening(format=replace(LABELS, marker="<extra_0>")))


def test_code_of_a_checkpoint_runs_for_a_named_commit_alone(make_public):
    folder = make_public("LlamaForCausalLM")
    for named, reason in [("True", "full commit"), (f"me/model@{'a' * 40}", "no record of a download")]:
        with pytest.raises(ModelError, match=reason):
            open_public(folder, Opening(format=TWO_TOKENS, trust_remote_code=named))
    record = folder / ".cache/huggingface/download/config.json.metadata"
    record.parent.mkdir(parents=True)
    record.write_text("b" * 40 + "\nrest\n")
    with pytest.raises(ModelError, match="is not known to be"):
        open_public(folder, Opening(format=TWO_TOKENS, trust_remote_code=f"me/model@{'a' * 40}"))
    record.write_text("a" * 40 + "\nrest\n")
    assert open_public(folder, Opening(format=TWO_TOKENS, trust_remote_code=f"me/model@{'a' * 40}"))


def test_a_model_type_that_is_not_known_is_refused_without_asking(make_public):
    code = {"AutoConfig": "x.Config", "AutoModel": "x.Model"}
    folder = make_public("LlamaForCausalLM", says={"model_type": "something_new", "auto_map": code})
    (folder / "x.py").write_text("raise SystemExit\n")
    with pytest.raises(ModelError, match="could not be loaded"):
        open_public(folder, Opening(format=TWO_TOKENS))


@pytest.fixture
def adapter(make_public, tmp_path):
    base, folder = make_public("Qwen2ForCausalLM", name="base"), tmp_path / "adapter"
    model = transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    config = peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    merged = make_public("Qwen2ForCausalLM", name="merged")
    with quiet():
        adapted = peft.get_peft_model(model, config)
        adapted.save_pretrained(folder)
        adapted.merge_and_unload().save_pretrained(merged)
    return base, folder, merged


def test_an_adapter_scores_as_the_model_it_makes_of_its_base(adapter, pairs):
    base, folder, merged = adapter
    found = open_public(folder, Opening(format=TWO_TOKENS, base=base)).score_batch(pairs)
    expected = open_public(merged, Opening(format=TWO_TOKENS)).score_batch(pairs)
    plain = open_public(base, Opening(format=TWO_TOKENS)).score_batch(pairs)
    for own, other, without in zip(found, expected, plain, strict=True):
        assert own.values == pytest.approx(other.values, abs=1e-5)
        assert not own.values or own.values != pytest.approx(without.values, abs=1e-3)
    assert found[0].scorer.revision != expected[0].scorer.revision


def test_an_adapter_that_does_not_fit_or_has_no_base_is_refused(adapter, make_public):
    base, folder, _ = adapter
    card = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(card | {"base_model_name_or_path": "some/model"}))
    with pytest.raises(ModelError, match=r"its base model is not here; got 'some/model'"):
        open_public(folder, Opening(format=TWO_TOKENS))
    shallow = make_public("Qwen2ForCausalLM", name="shallow", num_hidden_layers=1, layer_types=["full_attention"])
    with pytest.raises(ModelError, match="does not fit its base model"):
        open_public(folder, Opening(format=TWO_TOKENS, base=shallow))
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"holds no adapter_model.safetensors; got \['adapter_model.bin'\]"):
        open_public(folder, Opening(format=TWO_TOKENS, base=base))


@pytest.fixture
def encoder(make_public):
    return make_public("ModernBertModel", num_key_value_heads=None, name="encoder", cls_token_id=None,
                       sep_token_id=None, initializer_cutoff_factor=2.0)  # fmt: skip


def taught(folder, out, **card):
    opened = Backbone.open(folder, STEPWARD_DEFAULT)
    assert not opened.causal
    settings = {"kind": "prm", "format": STEPWARD_DEFAULT, "mode": "frozen", "backbone": str(folder)}
    made = Card(**settings | {"backbone_revision": opened.revision} | card)
    torch.manual_seed(2)
    head = ScoreHead(opened.width)
    torch.nn.init.normal_(head.out.weight, std=2.0)
    Checkpoint(card=made, backbone=opened, head=head).save(out)
    return out


def test_an_encoder_taught_on_prefixes_never_sees_what_follows(encoder, tmp_path, pairs, problem, make_trace):
    model = ProcessRewardModel.load(taught(encoder, tmp_path / "prefix"))
    assert isinstance(model.reader, PrefixReader)
    short, long = make_trace("two .", "three ."), make_trace("two .", "three .", "so the answer is 9 9 9 .")
    first, second = model.score_batch([(problem, short), (problem, long)])
    assert second.values[:2] == pytest.approx(first.values, abs=1e-5)
    assert first.check_online().sees == "prefix"
    assert first.spend.scorer_tokens == sum(map(len, prefix_rows(model.codec.encode(problem, short))))
    assert [len(own) for own in model.score_batch(pairs)] == [len(trace) for _, trace in pairs]


def test_an_encoder_taught_on_whole_traces_says_so_and_is_refused_for_prefixes(encoder, tmp_path, problem, make_trace):
    folder = taught(encoder, tmp_path / "trace", sees="trace", kind="orm")
    model = ProcessRewardModel.load(folder)
    short, long = make_trace("two .", "three ."), make_trace("two .", "three .", "so the answer is 9 9 9 .")
    first, second = model.score_batch([(problem, short), (problem, long)])
    assert second.values[:2] != pytest.approx(first.values, abs=1e-4)
    with pytest.raises(ScoreError, match="depend on the steps that follow"):
        first.check_online()
    with pytest.raises(ScoreError, match="depend on the steps that follow"):
        PerPrefix(outcome=OutcomeRewardModel.load(folder)).score_batch([(problem, short)])


def test_both_modes_agree_on_the_last_step(encoder, tmp_path, pairs):
    whole = ProcessRewardModel.load(taught(encoder, tmp_path / "trace", sees="trace")).score_batch(pairs)
    prefix = ProcessRewardModel.load(taught(encoder, tmp_path / "prefix")).score_batch(pairs)
    for one, other in zip(whole, prefix, strict=True):
        assert one.values[-1:] == pytest.approx(other.values[-1:], abs=1e-5)


def test_a_long_trace_is_scored_in_windows_and_says_what_was_left_out(make_public, problem, make_trace):
    torch.manual_seed(3)
    folder = make_public("LlamaForCausalLM", extra={"score.weight": torch.randn(2, 16)})
    windowed = replace(LABELS, overflow="window", context=20)
    trace = make_trace(*["two plus three is five .\n"] * 6)
    (found,) = open_public(folder, Opening(format=windowed)).score_batch([(problem, trace)])
    (whole,) = open_public(folder, Opening(format=LABELS)).score_batch([(problem, trace)])
    assert len(found) == len(trace)
    assert found.values[0] == pytest.approx(whole.values[0], abs=1e-6)
    assert found.values[-1] != pytest.approx(whole.values[-1], abs=1e-6)
    assert found.scorer.settings["windows"] > 1 and found.scorer.settings["dropped_tokens"] > 0
    assert "windows" not in whole.scorer.settings


def test_a_published_encoder_reads_whole_traces_and_says_so(make_public, problem, make_trace):
    folder = make_public("BertForTokenClassification", num_key_value_heads=None)
    model = open_public(folder, Opening(format=replace(LABELS, head_keys=("classifier.",))))
    short, long = make_trace("two .", "three ."), make_trace("two .", "three .", "so the answer is 9 9 9 .")
    first, second = model.score_batch([(problem, short), (problem, long)])
    assert second.values[:2] != pytest.approx(first.values, abs=1e-4)
    assert first.sees == "trace"
