"""What public reward models say at a read position, as one logit in fp32: [R, width] -> [R, 1].

With z the outputs there (logits of words, of labels, or one number):
    TokenPair     z[good] - z[bad]                                    two answer tokens
    TokenShare    z[good] - log sum exp of all other words            probability of one word
    Classes       log sum exp z[good] - log sum exp z[the others]     labels of a classifier
    Scalar        the number                                          value heads
    MeanLogit     mean of z over the vocabulary

The sigmoid of each is the probability that its reference computes by a softmax, with no probability that rounds to 0
or 1 on the way.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from stepward.reward_models.unembedding import Unembedding

AT_ONCE = 256
"""Read positions whose logits over the vocabulary are held at the same time."""


class TokenPair(nn.Module):
    """The good answer token against the bad one. Only their two rows of the unembedding are kept."""

    def __init__(self, unembedding: Unembedding, good: int, bad: int) -> None:
        super().__init__()
        weight, bias = unembedding.rows((good, bad))
        self.two = Unembedding(weight, bias, divisor=unembedding.divisor, cap=unembedding.cap)

    def forward(self, states: Tensor) -> Tensor:
        """[R, width] -> [R, 1]."""
        logits: Tensor = self.two(states)
        return logits[:, :1] - logits[:, 1:]


class TokenShare(nn.Module):
    """One answer token against the whole vocabulary: exact and stable, a few rows at a time."""

    def __init__(self, unembedding: Unembedding, good: int) -> None:
        super().__init__()
        weight, bias = unembedding.weight.detach(), unembedding.bias
        own = None if bias is None else bias.detach().float()
        self.all = Unembedding(weight.float(), own, divisor=unembedding.divisor, cap=unembedding.cap)
        self.good = good

    def forward(self, states: Tensor) -> Tensor:
        """[R, width] -> [R, 1]."""
        return torch.cat([self._odds(part) for part in torch.split(states, AT_ONCE)])

    def _odds(self, states: Tensor) -> Tensor:
        logits: Tensor = self.all(states)
        good = logits[:, self.good : self.good + 1]
        others = logits.index_fill(-1, torch.tensor([self.good], device=logits.device), -torch.inf)
        return good - others.logsumexp(-1, keepdim=True)


class MeanLogit(nn.Module):
    """The mean logit of all words: one row, the mean of the unembedding's rows."""

    def __init__(self, unembedding: Unembedding) -> None:
        super().__init__()
        weight, bias = unembedding.weight.detach().float(), unembedding.bias
        mean = None if bias is None else bias.detach().float().mean(0, keepdim=True)
        self.one = Unembedding(weight.mean(0, keepdim=True), mean, divisor=unembedding.divisor)

    def forward(self, states: Tensor) -> Tensor:
        """[R, width] -> [R, 1]."""
        logit: Tensor = self.one(states)
        return logit


class Classes(nn.Module):
    """Labels of a classifier; `good` are the indexes that mean a good step."""

    def __init__(self, layers: nn.Module, labels: int, good: Sequence[int]) -> None:
        super().__init__()
        self.layers, self.labels, self.good = layers, labels, tuple(good)
        self.others = tuple(index for index in range(labels) if index not in self.good)

    def forward(self, states: Tensor) -> Tensor:
        """[R, width] -> [R, 1]."""
        logits: Tensor = self.layers(states.float())
        good, others = logits[:, list(self.good)], logits[:, list(self.others)]
        return good.logsumexp(-1, keepdim=True) - others.logsumexp(-1, keepdim=True)


class Scalar(nn.Module):
    """A value head: one number."""

    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, states: Tensor) -> Tensor:
        """[R, width] -> [R, 1]."""
        value: Tensor = self.layers(states.float())
        return value
