from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest

from stepward.errors import ModelError
from stepward.reward_models.formats.detect import detect_format


@pytest.fixture
def folder(tmp_path: Path):
    def write(
        name: str = "model",
        config: dict[str, Any] | None = None,
        weights: tuple[str, ...] = (),
        tokens: tuple[str, ...] = (),
    ) -> Path:
        made = tmp_path / name
        made.mkdir(parents=True)
        (made / "config.json").write_text(json.dumps(config or {}))
        if weights:
            shape = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
            header = json.dumps({"__metadata__": {}, **dict.fromkeys(weights, shape)}).encode()
            (made / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
        if tokens:
            entries = {str(index): {"content": token} for index, token in enumerate(tokens)}
            (made / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": entries}))
        return made

    return write


QWEN = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"}
LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
MISTRAL = {"architectures": ["MistralForCausalLM"], "model_type": "mistral"}
CLASSES = {"architectures": ["Qwen2ForTokenClassification"], "model_type": "qwen2"}
PROCESS = {"architectures": ["Qwen2ForProcessRewardModel"], "model_type": "qwen2"}


@pytest.mark.parametrize(
    "name, config, weights, format",
    [
        ("peiyi9979/math-shepherd-mistral-7b-prm", MISTRAL, (), "math-shepherd"),
        ("downloads/math-shepherd-mistral-7b-prm", MISTRAL, (), "math-shepherd"),
        ("models--RLHFlow--Llama3.1-8B-PRM-Deepseek-Data/snapshots/0ab1", LLAMA, (), "rlhflow-deepseek"),
        ("x", {**LLAMA, "_name_or_path": "RLHFlow/Llama3.1-8B-PRM-Mistral-Data"}, (), "rlhflow-mistral"),
        ("Qwen/Qwen2.5-Math-7B-PRM800K", PROCESS, ("score.0.weight",), "qwen2.5-math-prm800k"),
        ("jinachris/Qwen2.5-Math-7B-PRM800K", CLASSES, ("score.weight",), "pure"),
        ("local/Qwen2.5-Math-7B-PRM800K", CLASSES, ("score.weight",), "pure"),
        ("Gen-Verse/ReasonFlux-PRM-7B", PROCESS, ("score.0.weight",), "reasonflux-prm"),
        ("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-1.5B", QWEN, ("v_head.summary.weight",), "skywork"),
        ("ibm-granite/granite-3.3-8b-math-prm-v2", {"model_type": "granite"}, (), "granite-3.3-math-prm-v2"),
        ("dmis-lab/llama-3.1-medprm-reward-v1.0", LLAMA, (), "med-prm"),
        ("PRIME-RL/EurusPRM-Stage2", QWEN, (), "eurus"),
        ("HuggingFaceH4/Qwen2.5-Math-7B-Instruct-PRM-0.2", CLASSES, (), "trl-blank-line"),
        ("GAIR/ReasonEval-34B", {"model_type": "llama"}, ("score_head.weight",), "reasoneval-34b"),
    ],
)
def test_a_published_name_tells_the_format(folder, name, config, weights, format) -> None:
    assert detect_format(folder(name, config, weights)).name == format


@pytest.mark.parametrize(
    "config, weights, tokens, format",
    [
        ({"model_type": "mistral"}, ("model.norm.weight", "score_head.weight"), (), "reasoneval-7b"),
        (QWEN, ("v_head.weight",), ("<end_of_step>",), "rstar-ppm"),
        (LLAMA, ("v_head.weight",), ("[PRM]",), "pqm"),
        (QWEN, (), ("<extra>", "<+>", "<->"), "pathfinder-prm"),
        ({"architectures": ["UrsaForTokenClassification"]}, ("score.weight",), (), "ursa-rm"),
    ],
)
def test_what_only_one_family_holds_tells_the_format(folder, config, weights, tokens, format) -> None:
    assert detect_format(folder("nameless", config, weights, tokens)).name == format


@pytest.mark.parametrize(
    "config, weights, names",
    [
        (PROCESS, ("score.0.weight",), ["qwen2.5-math-prm", "qwen2.5-math-prm800k", "reasonflux-prm"]),
        (CLASSES, ("score.weight",), ["pure", "trl", "trl-blank-line"]),
        (QWEN, ("v_head.weight",), ["rstar-ppm", "skywork"]),
    ],
)
def test_what_several_families_hold_is_an_error_that_lists_them(folder, config, weights, names) -> None:
    with pytest.raises(ModelError, match="could be of several formats") as caught:
        detect_format(folder("nameless", config, weights))
    assert f"name its format (--format, format=): {', '.join(names)}" in str(caught.value)


def test_a_plain_language_model_is_no_format_of_its_own(folder) -> None:
    with pytest.raises(ModelError, match=r"does not tell its format; .*MistralForCausalLM.*format=.: math-shepherd"):
        detect_format(folder("nameless", MISTRAL, ("lm_head.weight",)))


def test_a_name_that_the_weights_deny_is_not_believed(folder) -> None:
    with pytest.raises(ModelError, match="name its format"):
        detect_format(folder("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-7B", QWEN, ("lm_head.weight",)))


def test_our_own_card_tells_the_format(checkpoint: Path) -> None:
    assert detect_format(checkpoint).name == "stepward"


def test_weights_in_shards_are_read_from_their_index(folder) -> None:
    made = folder("nameless", {"model_type": "llama"})
    (made / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"score_head.weight": "1"}}))
    assert detect_format(made).name == "reasoneval-34b"


def test_an_adapter_without_a_configuration_is_told_by_its_name(tmp_path: Path) -> None:
    made = tmp_path / "granite-3.3-8b-lora-math-prm"
    made.mkdir()
    (made / "adapter_config.json").write_text("{}")
    assert detect_format(made).name == "granite-3.3-lora-math-prm"


def test_folders_that_are_no_models_and_damaged_files_are_named(folder, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no config\.json"):
        detect_format(tmp_path)
    made = folder("broken", QWEN)
    (made / "model.safetensors").write_bytes(b"\x05\x00")
    with pytest.raises(ModelError, match="is no safetensors file"):
        detect_format(made)
    (made / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"config\.json cannot be read"):
        detect_format(made)
