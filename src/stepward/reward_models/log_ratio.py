"""Step scores without a head: how much likelier a trained language model finds a step than the model it came from.

    score of step k = beta x sum over tokens of  log pi(token) - log pi_ref(token)

over the own tokens of step k ("step"), or of all steps so far ("so_far"); step markers are no words and do not count.
Trained on outcomes with cross-entropy at the last step, "so_far" is an implicit PRM (arXiv 2412.01981); trained on
siblings with Bradley-Terry, "step" is DPO on step prefixes (arXiv 2406.18629), whose shared prefix cancels.

Training takes the first sum as its logit and the second as a fixed offset, computed once. Before training every score
is 0. Scores have no bounds, grow with length, and say nothing of what model and reference agree on. `implicit.py` reads
public checkpoints of this kind, which count separators too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from stepward.errors import ModelError, ScoreError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.checkpoint import Card
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.reader import StepReader


def pass_through() -> ScoreHead:
    """A head that says what it reads and does not learn: log-ratios are logits already."""
    head = ScoreHead(1)
    torch.nn.init.ones_(head.out.weight)
    return head.requires_grad_(False)


def check_policy(backbone: Backbone, *, full: bool) -> None:
    """Raise `ModelError` where a backbone predicts no words, or trained in full would be saved without what does."""
    if not backbone.causal:
        raise ModelError(f"{backbone.path} sees both ways and predicts no next word", mend="take a causal model")
    table = backbone.model.get_input_embeddings().weight  # type: ignore[operator]
    if full and backbone.unembedding.weight is not table:
        raise ModelError(
            f"{backbone.path} keeps its unembedding apart from its embedding, and a full checkpoint does not hold it",
            mend="train log-ratios with mode: lora",
        )


@dataclass(eq=False, kw_only=True)
class AgainstReference:
    """Reads steps as the difference of two readers of log-probabilities. Live state: holds both models."""

    policy: StepReader
    reference: StepReader

    @classmethod
    def open(cls, policy: StepReader, card: Card, folder: Path) -> AgainstReference:
        """`policy` against the backbone that `card` names, which lies in `folder`; `ModelError` where it does not."""
        backbone = Backbone.open(folder, card.format, precision=card.precision)
        if backbone.revision != card.backbone_revision:
            raise ModelError(
                f"{folder} is not the reference, whose weights have revision {card.backbone_revision}",
                got=backbone.revision,
                mend="pass backbone=... with the folder that the training started from",
            )
        backbone.model.to(policy.backbone.device)
        return cls(policy=policy, reference=StepReader(backbone=backbone, head=pass_through(), readout=card.readout))

    @property
    def backbone(self) -> Backbone:
        """The policy's."""
        return self.policy.backbone

    def logits(self, encoded: Sequence[Encoded]) -> list[tuple[float, ...]]:
        """One log-ratio per step of each trace, in order; `ScoreError` where one is not finite."""
        both = zip(self.policy.outputs(encoded), self.reference.outputs(encoded), strict=True)
        found = [tuple((own - other)[:, 0].tolist()) for own, other in both]
        if not all(math.isfinite(value) for own in found for value in own):
            raise ScoreError("a log-ratio is not finite", mend="check both models")
        return found

    def tokens(self, encoded: Sequence[Encoded]) -> list[int]:
        """Tokens of each trace that reading them together would compute now: each model reads them."""
        both = zip(self.policy.tokens(encoded), self.reference.tokens(encoded), strict=True)
        return [sum(own) for own in both]

    def flops(self, tokens: int) -> float:
        """Estimate for reading `tokens`, of which each model reads half."""
        return self.policy.flops(tokens)
