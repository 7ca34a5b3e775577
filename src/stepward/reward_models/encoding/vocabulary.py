"""Which ids a format's marker, answers and opening have in a tokenizer; checked against those that were published."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stepward.errors import ModelError
from stepward.reward_models.formats.record import PRMFormat

NO_MARKER = -1
"""Where a format reads without one."""
OWN = "use the tokenizer that was published with the checkpoint"


def ids_of(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """The ids of each text alone, without anything around them."""
    return list(tokenizer(texts, add_special_tokens=False).input_ids) if texts else []


def named(tokenizer: Any, format: PRMFormat) -> PRMFormat:
    """`format` with the names of special tokens filled in; `ModelError` for one that the tokenizer has not."""
    prompt, marker = format.prompt, format.marker
    for name in ("bos", "eos", "pad"):
        slot = f"{{{name}}}"
        if slot not in prompt + marker:
            continue
        token = getattr(tokenizer, f"{name}_token", None)
        if not token:
            raise ModelError(f"format {format.name!r} writes a {name} token, and this tokenizer has none", mend=OWN)
        prompt, marker = prompt.replace(slot, token), marker.replace(slot, token)
    return replace(format, prompt=prompt, marker=marker)


def marker_of(tokenizer: Any, words: PRMFormat) -> int:
    """Last id of the marker (for turns, of the answer; NO_MARKER for none) where it stands behind a word.

    Raises `ModelError` where the tokenizer splits it, or gives it other ids than published.
    """
    if words.layout == "turns" or not words.marker:
        return (ids_of(tokenizer, [words.answer])[0] or [NO_MARKER])[-1]
    before, ids = ids_of(tokenizer, ["a", f"a{words.marker}"])
    if words.assembly == "ids" or ids[: len(before)] != before:
        ids, before = ids_of(tokenizer, [words.marker])[0], []
    ids = ids[len(before) :]
    if words.marker != getattr(tokenizer, "unk_token", None):  # some pad with it
        _known(tokenizer, ids, f"the marker {words.marker!r} of format {words.name!r}")
    if not ids or (words.one_token and len(ids) != 1):
        raise ModelError(
            f"the marker {words.marker!r} of format {words.name!r} must be one token",
            got=ids,
            mend="use the checkpoint's own tokenizer, or a format whose marker is added",
        )
    _expect(tuple(ids), words.marker_ids, f"the marker {words.marker!r} of format {words.name!r}")
    return ids[-1]


def answers_of(tokenizer: Any, format: PRMFormat) -> tuple[int, ...]:
    """One id per answer of the format; `ModelError` where two are one, or other than published."""
    piece = 0 if format.answer_piece == "first" else -1
    ids = tuple(own[piece] for own in ids_of(tokenizer, list(format.answers)))
    what = f"the answers {list(format.answers)} of format {format.name!r}"
    _known(tokenizer, ids, what)
    _expect(ids, format.answer_ids, what)
    if len(set(ids)) < len(ids):
        raise ModelError(f"{what} have one id, so no score can tell them apart", got=list(ids), mend=OWN)
    return ids


def opening_of(tokenizer: Any, format: PRMFormat) -> tuple[int, ...]:
    """The ids that stand before everything else."""
    bos = tokenizer.bos_token_id
    if format.opening == "none" or bos is None or (format.opening == "auto" and format.chat):
        return ()
    return (bos,) if format.opening == "bos" or tokenizer("a").input_ids[:1] == [bos] else ()


def control_of(tokenizer: Any) -> re.Pattern[str] | None:
    """What would act as a special token of the tokenizer inside a text; None where it has none."""
    added = [str(token) for token in getattr(tokenizer, "added_tokens_decoder", {}).values() if token.special]
    texts = sorted({*added, *tokenizer.all_special_tokens}, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, texts))) if texts else None


def _known(tokenizer: Any, ids: Sequence[int], what: str) -> None:
    if getattr(tokenizer, "unk_token_id", None) in ids:
        raise ModelError(f"{what} cannot be written in this tokenizer: it reads unknown text", mend=OWN)


def _expect(ids: tuple[int, ...], published: tuple[int, ...], what: str) -> None:
    if published and ids != published:
        raise ModelError(
            f"{what} must have the ids {list(published)}", got=list(ids), mend=f"this is another tokenizer: {OWN}"
        )
