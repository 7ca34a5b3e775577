"""What a language model thinks of given tokens, or of steps: log-probabilities, without ever holding all logits.

Full logits of a trace are tokens x vocabulary numbers: for 2,000 tokens of a 150,000-word vocabulary 1.2 GB in fp32,
and twice that in a backward pass. So hidden states go through the unembedding a few rows at a time, and only the log-
probability of the token that really stood there is kept. With gradients each slice is computed again in the backward
pass instead of being stored.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from stepward.reward_models.backbone import Backbone
from stepward.reward_models.token_batch import TokenBatch

AT_ONCE = 1024
"""Rows whose logits over the vocabulary are held at the same time."""


def token_logprobs(
    states_NH: Tensor, ids_N: Tensor, unembedding: nn.Module, *, never: int | None = None, at_once: int = AT_ONCE
) -> Tensor:
    """Natural log-probability of each token, [N] in fp32, at temperature 1.

    Row n of `states_NH` is the hidden state at the position *before* token n, where the model predicts it.
    `unembedding` maps states [R, H] to logits [R, V]; see `Backbone.unembedding`. The token `never`, such as a marker
    that the model was not taught, is taken out of the vocabulary: what is said of other tokens does not depend on it,
    and its own log-probability is minus infinity. Differentiable in states and unembedding.
    """
    found = [
        checkpoint(_slice, states, ids, unembedding, never, use_reentrant=False)
        if torch.is_grad_enabled()
        else _slice(states, ids, unembedding, never)
        for states, ids in zip(torch.split(states_NH, at_once), torch.split(ids_N, at_once), strict=True)
    ]
    return torch.cat(found)


def step_logprobs(backbone: Backbone, batch: TokenBatch, hidden_AH: Tensor, *, so_far: bool) -> Tensor:
    """[R, 1] in fp32: the log-probability of each step's own tokens, or of all steps so far. Differentiable.

    `hidden_AH` is the last hidden state at every place of the batch; a token that traces share is predicted once.
    """
    own, back = torch.unique(batch.own_N, return_inverse=True)
    before = torch.empty_like(own).scatter_(0, back, batch.before_N)
    format = backbone.codec.format
    never = backbone.codec.marker_id if format.added else None
    ids = batch.ids_BT.flatten()[own]
    logprobs_N = token_logprobs(hidden_AH[before], ids, backbone.unembedding, never=never)[back]
    sums_R = logprobs_N.new_zeros(len(batch.reads_R)).index_add(0, batch.steps_N, logprobs_N)
    if so_far:
        sums_R = torch.cat([trace.cumsum(0) for trace in torch.split(sums_R, list(batch.counts))])
    return sums_R.unsqueeze(1)


def _slice(states: Tensor, ids: Tensor, unembedding: nn.Module, never: int | None) -> Tensor:
    logits: Tensor = unembedding(states).float()
    if never is not None and never < logits.shape[-1]:
        logits = logits.index_fill(-1, torch.tensor([never], device=logits.device), -torch.inf)
    return logits.gather(-1, ids.unsqueeze(-1)).squeeze(-1) - logits.logsumexp(-1)
