"""Cross-entropy through a known label noise (forward correction).

    L = -log sum_i T[i, y] p_i,   T[i, j] = Pr[ label j | truth i ],   p_1 = p = sigmoid(logit), p_0 = 1 - p

With fn = T[1, 0] (a good step labelled bad) and fp = T[0, 1] (a bad one labelled good) the label is good with
probability r = (1 - fn) p + fp (1 - p), and L is the cross-entropy of r. Its minimum is the *true* p, although the
labels are wrong: a label can no longer push p beyond what its noise supports. fn = fp = 0 is plain cross-entropy.
Rollout labels are noisy by class: with success rate t of a good prefix and K rollouts, fn = (1 - t)^K under the any-
success rule, and for questions with m choices fp is at least 1 - (1 - 1/m)^K. `noise_rates` counts both on a slice
that people labelled. (Patrini et al., arXiv 1609.03683.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from stepward.errors import ConfigError, LabelError
from stepward.training.objectives.contract import Pointwise, StepTargets


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseCorrected(Pointwise):
    """Raises `ConfigError` unless both rates lie in [0, 1) and sum to less than 1."""

    false_bad: float = 0.0
    """fn: share of good steps that are labelled bad."""
    false_good: float = 0.0
    """fp: share of bad steps that are labelled good."""

    def __post_init__(self) -> None:
        if min(self.false_bad, self.false_good) < 0 or not self.false_bad + self.false_good < 1:
            raise ConfigError(
                "noisy needs false_bad and false_good of at least 0 whose sum is below 1",
                got=(self.false_bad, self.false_good),
                mend="from 1 on labels say the opposite of the truth, or nothing",
            )

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S], in nats."""
        good, bad = logsigmoid(logits_S), logsigmoid(-logits_S)
        labelled_good = _mixed(good, 1.0 - self.false_bad, bad, self.false_good)
        labelled_bad = _mixed(bad, 1.0 - self.false_good, good, self.false_bad)
        return -(targets.targets_S * labelled_good + (1.0 - targets.targets_S) * labelled_bad)


def noise_rates(labels: Sequence[bool], truth: Sequence[bool]) -> NoiseCorrected:
    """The correction for labels as noisy as `labels` are against `truth`; half an error is added to each class.

    Raises `LabelError` where one class does not occur in `truth`.
    """
    pairs = list(zip(truth, labels, strict=True))
    good, bad = sum(t for t, _ in pairs), sum(not t for t, _ in pairs)
    if not (good and bad):
        raise LabelError("noise rates need good and bad steps", got={"good": good, "bad": bad})
    false_bad = sum(t and not label for t, label in pairs)
    false_good = sum(label and not t for t, label in pairs)
    return NoiseCorrected(false_bad=(false_bad + 0.5) / (good + 1), false_good=(false_good + 0.5) / (bad + 1))


def _mixed(one: Tensor, share: float, other: Tensor, rest: float) -> Tensor:
    """log(share e^one + rest e^other)."""
    return torch.logaddexp(one + log(share), other + log(rest)) if rest > 0 else one + (log(share) if share else -inf)
