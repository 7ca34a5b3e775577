"""Features of a frozen backbone, computed once and kept on disk: what the readout sees at every step.

Keyed by backbone revision, format and readout (a folder) and by the ids of each trace (a record), so a changed model
or text never meets old features. Shards are written whole or not at all: an interrupted pass goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from stepward.errors import ModelError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.reader import token_batches
from stepward.reward_models.readout import Readout, step_states
from stepward.storage.files import make_folder, write_atomic
from stepward.training.watch import Progress
from stepward.types import Json, content_key

KINDS = {"float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStore:
    """Where features lie. Results do not depend on what was stored before, up to the rounding of `dtype`."""

    folder: Path
    dtype: Literal["float16", "float32"] = "float32"
    batch_tokens: int = 8192
    """Most distinct, or padded, tokens of one forward pass."""
    shard_tokens: int = 65_536
    """Tokens whose features go into one file."""

    def read(
        self,
        backbone: Backbone,
        readout: Readout,
        encoded: Sequence[Encoded],
        *,
        progress: Progress | None = None,
    ) -> Tensor:
        """[R, width] in fp32: the features of every step of `encoded`, in order, computed where they are missing.

        Raises `ModelError` where a feature does not fit `dtype`.
        """
        reads: list[Json] = [backbone.codec.format.to_json(), repr(readout), backbone.precision, self.dtype]
        place = self.folder / content_key(backbone.revision, *reads)
        make_folder(place)
        keys = [content_key(item.ids, item.spans, item.read_positions) for item in encoded]
        known = _stored(place)
        missing = {key: item for key, item in zip(keys, encoded, strict=True) if key not in known}
        done, whole = 0, sum(map(len, missing.values()))
        for shard in self._shards(missing):
            fresh = self._compute(backbone, readout, shard)
            _write(place, fresh)
            known.update(fresh)
            done += sum(map(len, shard.values()))
            if progress is not None:
                progress({"feature_tokens": done, "feature_tokens_total": whole})
        return torch.cat([known[key] for key in keys]).float()

    def _shards(self, missing: Mapping[str, Encoded]) -> Iterator[dict[str, Encoded]]:
        shard: dict[str, Encoded] = {}
        for key, item in sorted(missing.items(), key=lambda pair: pair[1].ids):  # what shares a beginning, together
            shard[key] = item
            if sum(map(len, shard.values())) >= self.shard_tokens:
                yield shard
                shard = {}
        if shard:
            yield shard

    @torch.inference_mode()
    def _compute(self, backbone: Backbone, readout: Readout, shard: Mapping[str, Encoded]) -> dict[str, Tensor]:
        keys, items = list(shard), list(shard.values())
        found: dict[str, Tensor] = {}
        backbone.model.eval()
        for indexes, tokens in token_batches(backbone, items, self.batch_tokens):
            states = step_states(backbone, tokens, readout)
            kept = states.cpu().to(KINDS[self.dtype])
            if not bool(kept.isfinite().all()):
                raise ModelError(
                    f"features of {backbone.path} do not fit {self.dtype}",
                    got=float(states.abs().max()),
                    mend="store them as float32, or check the backbone",
                )
            own = torch.split(kept, list(tokens.counts))
            found.update(zip((keys[index] for index in indexes), own, strict=True))
        return found


def _write(place: Path, fresh: Mapping[str, Tensor]) -> None:
    index = {"keys": json.dumps(list(fresh)), "counts": json.dumps([len(states) for states in fresh.values()])}
    name = content_key(sorted(fresh)) + ".safetensors"
    write_atomic(place / name, save({"states": torch.cat(list(fresh.values())).contiguous()}, metadata=index))


def _stored(place: Path) -> dict[str, Tensor]:
    """Every record in the shards of `place`."""
    found: dict[str, Tensor] = {}
    for path in sorted(place.glob("*.safetensors")):
        try:
            with safe_open(path, framework="pt") as file:
                index, states = file.metadata(), file.get_tensor("states")
        except SafetensorError as error:
            raise ModelError(f"{path} is damaged", got=str(error), mend="delete it: it is computed again") from error
        found.update(zip(json.loads(index["keys"]), torch.split(states, json.loads(index["counts"])), strict=True))
    return found
