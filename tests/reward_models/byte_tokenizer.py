"""A tokenizer of bytes that knows any text, with a few merges: what published markers and answers need, and traps.

Nothing splits its text before merging, so a merge crosses any boundary that a format does not guard.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from real_tokenizers import CHATML, _byte_letters
from tokenizers import AddedToken, Tokenizer, decoders, models
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerFast

SPECIAL = ("<s>", "<pad>", "<|im_start|>", "<|im_end|>", "<extra_0>", "<extra>", "<+>", "<->", "<prm>", "[PRM]")
WORDS = (" ки", " и", " \n\n\n\n\n", "\n\n", "+", "correct", "incorrect", "Yes", "No", "Y")


def byte_tokenizer(words: Iterable[str] = WORDS, *, special: tuple[str, ...] = SPECIAL) -> Any:
    """The tokenizer; each of `words` is one token wherever it stands, ahead of those that come later."""
    letters = _byte_letters()
    vocabulary = {letter: index for index, letter in enumerate(letters)}
    merges: list[tuple[str, str]] = []
    for word in words:
        text = "".join(letters[byte] for byte in word.encode())
        for cut in range(1, len(text)):
            left, right = text[:cut], text[cut]
            if left + right not in vocabulary:
                vocabulary[left + right] = len(vocabulary)
                merges.append((left, right))
    core = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
    core.pre_tokenizer = ByteLevel(add_prefix_space=False, use_regex=False)
    core.decoder = decoders.ByteLevel()
    core.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    kind: Any = PreTrainedTokenizerFast
    named = {"bos_token": "<s>", "pad_token": "<pad>"} if "<s>" in special else {}
    made = kind(tokenizer_object=core, clean_up_tokenization_spaces=False, **named)
    made.chat_template = CHATML
    return made
