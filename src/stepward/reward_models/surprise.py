"""What a language model thought of each step while it was written: a slip is a token that it found unlikely.

For step k with token log-probabilities l_t, at temperature 1: the least l_t, their mean, and over all steps so far the
least and the sum (no lower than `LEAST_SUM`). The first two say where a slip is; the other two remember one, as a
prefix label does. It reads best where the backbone is, or is close to, the policy that wrote the trace. It cannot see
an error that the model itself believes in, and it takes a rare but right wording for a slip.

Needs tied embeddings, since a backbone is loaded without its language-model head. Related: log-ratios of policy and
reference as process rewards (arXiv 2412.01981), confidence as a step signal (arXiv 2502.13943).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from stepward.errors import ModelError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.token_batch import TokenBatch

SURPRISES = 4
"""Numbers per step."""
TOTALS = 2
"""How many of them, the last ones, are about all steps so far. To go on behind a step no more need be known of it: no
log-probability is above 0, so a sum that fell to its limit stays there."""
LEAST_SUM = -60.0
AT_ONCE = 2048
"""Tokens whose logits over the vocabulary are held at the same time."""


def surprises(backbone: Backbone, batch: TokenBatch, hidden_AH: Tensor) -> Tensor:
    """[R, 4] in fp32; `hidden_AH` holds one state for each place of the batch.

    `ModelError` where the backbone has no tied embeddings to predict tokens with.
    """
    logprobs = _logprobs(backbone, batch, hidden_AH)
    reads, counts = len(batch.reads_R), list(batch.counts)
    least_R = logprobs.new_zeros(reads).scatter_reduce(0, batch.steps_N, logprobs, "amin", include_self=False)
    sum_R = logprobs.new_zeros(reads).index_add(0, batch.steps_N, logprobs)
    mean_R = sum_R / torch.bincount(batch.steps_N, minlength=reads)
    least_so_far = torch.cat([own.cummin(0).values for own in torch.split(least_R, counts)])
    sum_so_far = torch.cat([own.cumsum(0) for own in torch.split(sum_R, counts)])
    if batch.totals is not None:
        steps = torch.tensor(counts, device=hidden_AH.device)
        least_before, sum_before = batch.totals.repeat_interleave(steps, dim=0).unbind(-1)
        least_so_far, sum_so_far = torch.minimum(least_so_far, least_before), sum_so_far + sum_before
    return torch.stack([least_R, mean_R, least_so_far, sum_so_far.clamp(min=LEAST_SUM)], dim=-1)


def _logprobs(backbone: Backbone, batch: TokenBatch, hidden_AH: Tensor) -> Tensor:
    """Natural log-probability of every token that belongs to a step, in the order of `batch.own_N`."""
    model: Any = backbone.model
    if not model.config.tie_word_embeddings:
        raise ModelError(
            f"a readout with surprise needs a backbone with tied embeddings; {backbone.path} has none",
            mend="read hidden layers instead: readout.surprise = false",
        )
    table_VH = model.get_input_embeddings().weight
    own, back = torch.unique(batch.own_N, return_inverse=True)  # a token that traces share is predicted once
    before = torch.empty_like(own).scatter_(0, back, batch.before_N)
    found = []
    for here, there in zip(torch.split(own, AT_ONCE), torch.split(before, AT_ONCE), strict=True):
        logits = (hidden_AH[there] @ table_VH.T).float()
        if backbone.codec.format.added:
            logits[:, backbone.codec.marker_id] = -torch.inf  # no word of the language that the model was taught
        ids = batch.ids_BT.flatten()[here].unsqueeze(-1)
        found.append(logits.log_softmax(-1).gather(-1, ids).squeeze(-1))
    return torch.cat(found)[back]
