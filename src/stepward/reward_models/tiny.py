"""A random Llama of a few thousand weights with a word tokenizer, written as a model folder.

For tests, examples and rehearsals: every path that a real backbone takes, in milliseconds and without a download.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from stepward.reward_models.backbone import quiet

PIECES = r" ?[A-Za-z]+| ?\d|\n| ?[^\sA-Za-z\d]"


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyBackbone:
    """Size and seed of the model."""

    hidden: int = 16
    layers: int = 2
    heads: int = 2
    context: int = 256
    seed: int = 0

    def write(self, folder: Path, texts: Sequence[str]) -> Path:
        """Write model and tokenizer, whose words are those of `texts`, into `folder`, which is returned."""
        tokenizer = _tokenizer(texts)
        torch.manual_seed(self.seed)
        model = LlamaForCausalLM(
            LlamaConfig(
                tie_word_embeddings=True,
                vocab_size=len(tokenizer),
                hidden_size=self.hidden,
                intermediate_size=2 * self.hidden,
                num_hidden_layers=self.layers,
                num_attention_heads=self.heads,
                num_key_value_heads=self.heads,
                max_position_embeddings=self.context,
                initializer_range=0.2,
                bos_token_id=None,
                eos_token_id=None,
                pad_token_id=None,
            )
        )
        with quiet():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        return folder


def _tokenizer(texts: Sequence[str]) -> Any:
    split = pre_tokenizers.Split(Regex(PIECES), "removed", invert=True)
    words = sorted({piece for text in texts for piece, _ in split.pre_tokenize_str(text)} | {"\n"})
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["<unk>", *words])}, unk_token="<unk>"))
    core.pre_tokenizer = split
    core.decoder = decoders.Fuse()
    kind: Any = PreTrainedTokenizerFast
    return kind(tokenizer_object=core, unk_token="<unk>")
