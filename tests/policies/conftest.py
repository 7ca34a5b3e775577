"""A tiny random Llama with a character tokenizer, saved as a model folder."""

from __future__ import annotations

from pathlib import Path

import pytest

CHARACTERS = ["<s>", "</s>", *"abcdefghijklmnop0123456789 +=.?", "\n", "\nS"]


def save_tiny(folder: Path, **changes: int) -> Path:
    torch = pytest.importorskip("torch")
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    rust = Tokenizer(models.WordLevel({text: at for at, text in enumerate(CHARACTERS)}, unk_token="?"))
    rust.pre_tokenizer = pre_tokenizers.Split(Regex(r"\nS|[\s\S]"), "isolated")
    rust.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(tokenizer_object=rust, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "max_position_embeddings": 96}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "bos_token_id": 0, "eos_token_id": 1}
    config = LlamaConfig(vocab_size=len(CHARACTERS), initializer_range=0.3, **sizes | heads | changes)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))
