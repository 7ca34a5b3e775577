"""An exported reward model scores as ours, in transformers and in TRL's layout, without any of our code."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from stepward.errors import ConfigError, ModelError
from stepward.reward_models.backbone import Backbone, quiet
from stepward.reward_models.checkpoint import Card, Checkpoint, load_checkpoint
from stepward.reward_models.export import export_token_classifier
from stepward.reward_models.formats.detect import detect_format
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.readout import Readout

Pairs = list[tuple[Any, Any]]


def classifier(folder: Path) -> Any:
    from transformers import AutoModelForTokenClassification

    return AutoModelForTokenClassification.from_pretrained(folder).eval()


@torch.inference_mode()
def foreign_scores(folder: Path, checkpoint: Path, pairs: Pairs) -> list[list[float]]:
    """What plain transformers says of our ids at our read positions."""
    model, codec = classifier(folder), ProcessRewardModel.load(checkpoint).codec
    return [
        model(torch.tensor([e.ids])).logits[0].softmax(-1)[list(e.read_positions), 1].tolist()
        if e.read_positions
        else []
        for e in codec.encode_many(pairs)
    ]


def close(found: list[list[float]], scores: list[Any]) -> bool:
    wanted = [list(own.values) for own in scores]
    return [len(a) for a in found] == [len(b) for b in wanted] and all(
        abs(a - b) < 1e-5 for one, other in zip(found, wanted, strict=True) for a, b in zip(one, other, strict=True)
    )


CALIBRATORS = {
    "none": None,
    "temperature": {"calibrator": "temperature", "t": 0.5},
    "platt": {"calibrator": "platt", "a": 1.5, "b": -0.75},
}


@pytest.mark.parametrize("calibrator", CALIBRATORS.values(), ids=CALIBRATORS)
def test_transformers_scores_the_exported_folder_as_we_do(make_checkpoint, tmp_path, pairs, calibrator):
    checkpoint = make_checkpoint(calibrator=calibrator)
    done = export_token_classifier(checkpoint, tmp_path / "out")
    ours = ProcessRewardModel.load(checkpoint).score_batch(pairs)
    assert done.architecture == "LlamaForTokenClassification"
    assert close(foreign_scores(done.folder, checkpoint, pairs), ours)
    assert len({round(value, 3) for own in ours for value in own.values}) > 3


def test_a_calibrator_is_left_out_where_asked_and_said(make_checkpoint, tmp_path, pairs):
    checkpoint = make_checkpoint(calibrator=CALIBRATORS["platt"])
    done = export_token_classifier(checkpoint, tmp_path / "out", calibrated=False)
    assert close(
        foreign_scores(done.folder, checkpoint, pairs),
        ProcessRewardModel.load(checkpoint, calibrated=False).score_batch(pairs),
    )
    assert done.notes == ("the calibrator was left out: scores are raw",)


def test_a_head_of_bad_steps_is_turned_round(make_checkpoint, tmp_path, pairs):
    checkpoint = make_checkpoint(format=replace(STEPWARD_DEFAULT, polarity="bad"))
    done = export_token_classifier(checkpoint, tmp_path / "out")
    assert close(foreign_scores(done.folder, checkpoint, pairs), ProcessRewardModel.load(checkpoint).score_batch(pairs))


def saved(folder: Path, tiny: Path, adapt: Any, **settings: Any) -> Path:
    """A checkpoint whose backbone was changed by `adapt`."""
    opened = Backbone.open(tiny, STEPWARD_DEFAULT)
    opened.model = adapt(opened.model)
    made = {"format": STEPWARD_DEFAULT, "backbone": str(tiny), "backbone_revision": opened.revision} | settings
    card = Card(kind="prm", **made)
    head = ScoreHead(opened.width, outputs=card.outputs)
    torch.nn.init.normal_(head.out.weight, std=0.5)
    Checkpoint(card=card, backbone=opened, head=head).save(folder)
    return folder


def adapted(model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    with quiet():
        found = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"]))
    for name, weight in found.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    return found


def moved(model: Any) -> Any:
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return model


@pytest.mark.parametrize(("mode", "adapt"), [("lora", adapted), ("full", moved)])
def test_trained_weights_are_merged_into_the_exported_model(tiny_folder, tmp_path, pairs, mode, adapt):
    torch.manual_seed(0)
    checkpoint = saved(tmp_path / "prm", tiny_folder, adapt, mode=mode)
    done = export_token_classifier(checkpoint, tmp_path / "out")
    assert close(foreign_scores(done.folder, checkpoint, pairs), ProcessRewardModel.load(checkpoint).score_batch(pairs))
    names = {name for name, _ in classifier(done.folder).named_parameters()}
    assert not any("lora" in name for name in names)


@pytest.fixture
def opening(tiny_folder: Path, tmp_path: Path) -> Path:
    """The tiny backbone with a tokenizer that puts a word before every text, as Llama's does."""
    from tokenizers.processors import TemplateProcessing
    from transformers import AutoTokenizer

    folder = tmp_path / "opening"
    shutil.copytree(tiny_folder, folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"bos_token": "system"})
    words = [("system", tokenizer.convert_tokens_to_ids("system"))]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="system $A", special_tokens=words)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("backbone", ["tiny_folder", "opening"])
def test_the_readme_reads_scores_with_transformers_alone(backbone, tmp_path, problem, make_trace, request):
    format = replace(STEPWARD_DEFAULT, target="value")
    checkpoint = saved(tmp_path / "prm", request.getfixturevalue(backbone), moved, mode="full", format=format)
    assert bool(ProcessRewardModel.load(checkpoint).codec.opening) == (backbone == "opening")
    done = export_token_classifier(checkpoint, tmp_path / "out")
    text = (done.folder / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    told = "two plus three is five .", "so the answer is 5 ."
    code = code.replace('folder = "."', f"folder = {str(done.folder)!r}")
    code = re.sub(r"problem = .*", f"problem = {problem.text!r}", code)
    found: dict[str, Any] = {}
    exec(re.sub(r"steps = .*", f"steps = {list(told)!r}", code), found)
    trace = make_trace(told[0] + "\n", told[1])
    (ours,) = ProcessRewardModel.load(checkpoint).score_batch([(problem, trace)])
    assert found["scores"].tolist() == pytest.approx(list(ours.values), abs=1e-5)
    assert "a solution that begins so ends right" in text  # this checkpoint's target is value


def test_the_folder_says_how_it_is_read(make_checkpoint, tmp_path):
    done = export_token_classifier(make_checkpoint(), tmp_path / "out")
    config = json.loads((done.folder / "config.json").read_text())
    assert config["id2label"] == {"0": "wrong", "1": "right"}
    assert not config.get("_model_name_or_path") and str(tmp_path) not in json.dumps(config)
    assert detect_format(done.folder) == done.format
    assert (done.format.output, done.format.classes, done.format.added) == ("classes", (1,), False)


def test_our_own_loader_of_public_models_scores_the_exported_folder_as_before(make_checkpoint, tmp_path, pairs):
    from stepward.reward_models.public.load import open_public

    checkpoint = make_checkpoint(calibrator=CALIBRATORS["platt"])
    done = export_token_classifier(checkpoint, tmp_path / "out")
    found = open_public(done.folder).score_batch(pairs)
    assert close([list(own.values) for own in found], ProcessRewardModel.load(checkpoint).score_batch(pairs))


BETA = {"calibrator": "beta", "a": 1.0, "b": 1.0, "c": 0.0}


@pytest.mark.parametrize(
    ("card", "pattern"),
    [
        ({"calibrator": BETA}, r"Beta calibrator is no line.*calibrated=False"),
        ({"head_hidden": 4}, "head has two layers"),
        ({"readout": Readout(layers=(1,))}, "more than the last layer at the marker"),
        ({"readout": Readout(layers=(-1, 1))}, "more than the last layer"),
        ({"readout": Readout(pool="mean")}, "more than the last layer"),
        ({"readout": Readout(surprise=True)}, "more than the last layer"),
        ({"format": replace(STEPWARD_DEFAULT, read="before")}, "is a chat, joins texts, or is read elsewhere"),
        ({"format": replace(STEPWARD_DEFAULT, step="Step {number}: {step}")}, "is a chat, joins texts"),
        ({"format": replace(STEPWARD_DEFAULT, convention="logit")}, "its scores are a logit"),
    ],
)
def test_what_a_token_classifier_cannot_say_is_refused(make_checkpoint, tmp_path, card, pattern):
    with pytest.raises(ModelError, match=pattern):
        export_token_classifier(make_checkpoint(**card), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_head_of_two_outputs_is_refused(tiny_folder, tmp_path):
    checkpoint = saved(tmp_path / "prm", tiny_folder, moved, mode="full", second="value")
    with pytest.raises(ModelError, match="head has two outputs"):
        export_token_classifier(checkpoint, tmp_path / "out")


@pytest.fixture
def looking_ahead(tiny_folder: Path, tmp_path: Path) -> Path:
    """A folder of a tiny bidirectional encoder with the words of the tiny backbone."""
    from transformers import AutoTokenizer, BertConfig, BertModel

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_folder)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        initializer_range=0.5,
        max_position_embeddings=256,
    )
    folder = tmp_path / "encoder"
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_an_encoder_is_exported_where_it_reads_whole_traces_and_refused_where_it_reads_prefixes(
    looking_ahead, tmp_path, pairs
):
    checkpoint = saved(tmp_path / "prm", looking_ahead, moved, mode="full", sees="trace")
    done = export_token_classifier(checkpoint, tmp_path / "out")
    ours = ProcessRewardModel.load(checkpoint).score_batch(pairs)
    assert done.architecture == "BertForTokenClassification"
    assert close(foreign_scores(done.folder, checkpoint, pairs), ours)
    prefixes = saved(tmp_path / "prefixes", looking_ahead, moved, mode="full")
    with pytest.raises(ModelError, match="each step is read by itself"):
        export_token_classifier(prefixes, tmp_path / "other")


def test_a_classifier_with_layers_of_its_own_is_refused(tiny_folder, tmp_path):
    from transformers import AutoTokenizer, ModernBertConfig, ModernBertModel

    tokenizer: Any = AutoTokenizer.from_pretrained(tiny_folder)
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=None,
        cls_token_id=None,
        sep_token_id=None,
    )
    ModernBertModel(config).save_pretrained(tmp_path / "encoder")
    tokenizer.save_pretrained(tmp_path / "encoder")
    checkpoint = saved(tmp_path / "prm", tmp_path / "encoder", moved, mode="full", sees="trace")
    with pytest.raises(ModelError, match="more than a linear head on the last layer"):
        export_token_classifier(checkpoint, tmp_path / "out")


def test_a_folder_with_files_is_not_written_over(make_checkpoint, tmp_path):
    checkpoint = make_checkpoint()
    with pytest.raises(ConfigError, match="is not empty"):
        export_token_classifier(checkpoint, checkpoint)


def test_the_last_layer_may_be_named_by_its_number(make_checkpoint, tmp_path):
    assert export_token_classifier(make_checkpoint(readout=Readout(layers=(2,))), tmp_path / "out").folder.is_dir()


def test_an_outcome_model_says_where_its_score_stands_and_problems_that_taught_it_travel(make_checkpoint, tmp_path):
    checkpoint = make_checkpoint(kind="orm")
    (checkpoint / "trained_on.txt").write_text("abc\n")
    done = export_token_classifier(checkpoint, tmp_path / "out")
    assert any("at the last marker" in note for note in done.notes)
    assert (done.folder / "trained_on.txt").read_text() == "abc\n"


def test_a_bos_token_that_our_ids_do_not_have_is_not_named_by_the_exported_tokenizer(make_checkpoint, tmp_path):
    from transformers import AutoTokenizer

    checkpoint = make_checkpoint()
    found: Any = AutoTokenizer.from_pretrained(checkpoint)
    found.add_special_tokens({"bos_token": "two"})
    found.save_pretrained(checkpoint)
    assert load_checkpoint(checkpoint).backbone.codec.opening == ()
    tokenizer: Any = AutoTokenizer.from_pretrained(export_token_classifier(checkpoint, tmp_path / "out").folder)
    assert tokenizer.bos_token is None
    assert tokenizer.pad_token is not None
