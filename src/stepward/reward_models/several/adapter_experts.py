"""A low-rank adapter per domain on one shared backbone: each expert is an ordinary checkpoint of mode lora.

The backbone's weights are held once; an adapter and a head are a few megabytes a domain. A router says which adapter is
switched on, traces of one expert are read together, and each trace is read once. The expert of the empty domain is the
shared one: it reads what no expert is for, and alone it is the single-model baseline (`score_shared`).

Degenerate case: adapters of another backbone, format, readout or precision are refused, not mixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stepward.combine.routing import Router, router_to_json
from stepward.errors import ModelError
from stepward.reward_models.backbone import Backbone, quiet
from stepward.reward_models.checkpoint import (
    ADAPTER,
    HEAD,
    Card,
    checkpoint_revision,
    load_checkpoint,
    read_card,
)
from stepward.reward_models.heads import load_head
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.reader import StepReader
from stepward.reward_models.several.experts import SHARED
from stepward.types import Json, Origin, Problem, StepScores, Trace, content_key

DEFAULT = "default"
"""What the library calls an adapter that was loaded without a name: the shared one."""


@dataclass(eq=False, kw_only=True)
class AdapterExperts:
    """A `StepScorerEngine` that routes. Live state: holds the weights, and switches adapters on them."""

    experts: Mapping[str, ProcessRewardModel]
    """By domain, the shared one under the empty domain; all on one backbone."""
    router: Router

    @classmethod
    def load(
        cls, folders: Mapping[str, Path], router: Router, *, device: str = "cpu", backbone: Path | None = None
    ) -> AdapterExperts:
        """One expert for each of `folders`, of which the one under "" is shared.

        `ModelError` where there is none under "", or they are not lora checkpoints of one backbone and format.
        """
        if SHARED not in folders:
            raise ModelError("experts need a shared one", got=sorted(folders), mend='name its folder under ""')
        cards = {domain: read_card(folder) for domain, folder in folders.items()}
        _check_alike(cards)
        shared = load_checkpoint(folders[SHARED], backbone=backbone)
        model: Any = shared.backbone.model
        for domain, folder in folders.items():
            if domain != SHARED:
                _load_adapter(model, folder, domain)
        model.to(device)
        experts = {domain: _expert(shared.backbone, folders[domain], card, device) for domain, card in cards.items()}
        return cls(experts=experts, router=router)

    @property
    def origin(self) -> Origin:
        """The shared expert's, with all experts and the router in the revision."""
        inner = self.experts[SHARED].origin
        revisions: dict[str, Json] = {domain: model.revision for domain, model in self.experts.items()}
        settings: dict[str, Json] = {**inner.settings, "experts": sorted(domain for domain in revisions if domain)}
        revision = content_key(revisions, router_to_json(self.router))
        return replace(inner, maker=f"{inner.maker}/experts", revision=revision, settings=settings)

    def score_batch(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """One record per pair, in order, by the expert that the router names. Raises as `ProcessRewardModel`."""
        routes = [self.router.route(problem).domain for problem, _ in pairs]
        routes = [domain if domain in self.experts else SHARED for domain in routes]
        found: dict[int, StepScores] = {}
        for domain in dict.fromkeys(routes):
            own = [index for index, route in enumerate(routes) if route == domain]
            found.update(zip(own, self._by(domain, [pairs[index] for index in own]), strict=True))
        return [found[index] for index in range(len(pairs))]

    def score_shared(self, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        """The single-model baseline: every pair by the shared expert."""
        return self._by(SHARED, pairs)

    def _by(self, domain: str, pairs: Sequence[tuple[Problem, Trace]]) -> list[StepScores]:
        expert = self.experts[domain]
        model: Any = expert.reader.backbone.model
        model.set_adapter(domain or DEFAULT)
        origin = self.origin
        settings: dict[str, Json] = {**origin.settings, "expert": domain}
        return [replace(own, scorer=replace(origin, settings=settings)) for own in expert.score_batch(pairs)]


def _expert(backbone: Backbone, folder: Path, card: Card, device: str) -> ProcessRewardModel:
    width = card.readout.width(backbone.width)
    head = load_head(folder / HEAD, width=width, hidden=card.head_hidden, outputs=card.outputs)
    reader = StepReader(backbone=backbone, head=head.to(device), readout=card.readout)
    return ProcessRewardModel(reader=reader, card=card, revision=checkpoint_revision(folder, card))


def _load_adapter(model: Any, folder: Path, domain: str) -> None:
    if not (folder / ADAPTER).is_file():
        raise ModelError(f"{folder / ADAPTER} is missing", mend="copy the adapter beside stepward.json")
    if domain == DEFAULT:
        raise ModelError("a domain cannot be called default: that is the shared adapter's name")
    with quiet():
        model.load_adapter(str(folder), adapter_name=domain)
    model.eval()


def _check_alike(cards: Mapping[str, Card]) -> None:
    """Raise `ModelError` unless all cards are of mode lora and agree in everything that one pass must share."""
    first = cards[SHARED]
    for domain, card in cards.items():
        if card.mode != "lora":
            raise ModelError(f"the expert for {domain!r} is no adapter", got=card.mode, mend="train it with mode lora")
        shared = [
            (each.backbone_revision, each.format, each.readout, each.precision, each.kind) for each in (first, card)
        ]
        if shared[0] != shared[1]:
            raise ModelError(f"the expert for {domain!r} does not share the backbone, format or readout of the others")
