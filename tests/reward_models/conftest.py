from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

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


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL = ["<|im_start|>", "<|im_end|>", "<extra_0>", "[PRM]", "<extra>", "<+>", "<->", "<pad>", "<s>"]
MARKS = [" ки", "+", " +", "-", " -", "Y", " Y", "\n", "\n\n", " \n\n", " \n\n\n\n"]
SMALL = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.3,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}


def public_tokenizer():
    """A word tokenizer that knows the markers and special tokens of public reward models, with ChatML."""
    split = pre_tokenizers.Split(Regex(r" ?[а-я]+| ?\n+| ?[A-Za-z]+| ?\d| ?[^\sA-Za-z\d]"), "removed", invert=True)
    further = "system user assistant Question Answer Step Let Math Consistency Current"
    words = f"{WORDS} {further}".split()
    pieces = ["<unk>", *MARKS, *words, *(" " + word for word in words), " :", ":", " '", "'", ",", " ,", "s", " s"]
    vocabulary = {piece: index for index, piece in enumerate(dict.fromkeys(pieces))}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer, core.decoder = split, decoders.Fuse()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", pad_token="<pad>", additional_special_tokens=SPECIAL[:-2]
    )
    tokenizer.chat_template = CHATML
    return tokenizer


@pytest.fixture
def make_public(tmp_path: Path):
    """Writes a tiny random checkpoint of an architecture, with further tensors and other lines in its config."""

    def make(kind: str, *, extra=None, drop=(), says=None, name="public", seed=3, **config) -> Path:
        tokenizer, folder = public_tokenizer(), tmp_path / name
        torch.manual_seed(seed)
        architecture = getattr(transformers, kind)
        settings = architecture.config_class(**SMALL | {"vocab_size": len(tokenizer)} | config)
        architecture(settings).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        file = folder / "model.safetensors"
        kept = {key: tensor for key, tensor in load_file(file).items() if not key.startswith(tuple(drop))}
        save_file(kept | (extra or {}), file, metadata={"format": "pt"})
        record = json.loads((folder / "config.json").read_text()) | (says or {})
        (folder / "config.json").write_text(json.dumps(record))
        return folder

    return make
