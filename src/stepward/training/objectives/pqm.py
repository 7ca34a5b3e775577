"""Q-value ranking (PQM): right steps rise, wrong ones sink below the start.

    L = 1/|Z| sum_{t in Z} log [ sum_{q <= t} e^{Q_cq} + sum_{w in W} e^{Q_w + zeta} ] - Q_ct

c_1, c_2, ... are a trace's right steps in order and c_0 is the start with Q = 0; W are its wrong steps, and zeta is how
far they shall sit below. Z = {0, 1, ...} where there is a wrong step, else {1, 2, ...}; logits are Q as they are, with
no sigmoid. A trace of one right step alone has the loss of one logit against 0; labels after the first error may stay.
A score ranks steps and is no probability: fit a calibrator before a threshold.

`published` computes what the authors' `ranking_loss` does: it counts e^{Q_ct} twice for every step but the trace's
first and adds 1e-5 to the sum. (Li and Li, arXiv 2410.11287; code WindyLee0822/Process_Q_Model.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stepward.errors import ConfigError
from stepward.training.objectives.contract import Ranking, StepTargets, check_hard

LEAST = -1e9
"""Stands for log 0: finite, so that gradients of what is left out are 0 and not undefined."""
PUBLISHED_TERM = 1e-5


@dataclass(frozen=True, slots=True, kw_only=True)
class QValueRanking(Ranking):
    """Needs hard labels. Raises `ConfigError` where `zeta` is negative."""

    zeta: float = 4.0
    published: bool = False

    def __post_init__(self) -> None:
        if not self.zeta >= 0:
            raise ConfigError("pqm.zeta must be at least 0", got=self.zeta, mend="4 is the authors' default")

    def losses(self, logits_S: Tensor, targets: StepTargets) -> Tensor:
        """One loss per slot, [S], in nats: at every slot that of its whole trace."""
        counted_S = targets.weights_S > 0
        losses = logits_S.new_zeros(len(logits_S))
        if not bool(counted_S.any()):
            return losses + 0.0 * logits_S
        kept = targets.where(counted_S)
        rows, columns = _places(kept.traces_S)
        shape = (int(rows[-1]) + 1, int(columns.max()) + 1)
        places, good_S = (rows, columns), kept.targets_S >= 0.5
        values_NK = logits_S.new_full(shape, LEAST).index_put(places, logits_S[counted_S])
        good_NK = torch.zeros(shape, dtype=torch.bool, device=rows.device).index_put(places, good_S)
        bad_NK = torch.zeros_like(good_NK).index_put(places, ~good_S)
        return losses.masked_scatter(counted_S, self._rows(values_NK, good_NK, bad_NK)[rows])

    def check(self, targets: StepTargets) -> None:
        """Raise `LabelError` where a label is soft."""
        check_hard("pqm", targets)

    def _rows(self, values_NK: Tensor, good_NK: Tensor, bad_NK: Tensor) -> Tensor:
        """The loss of each trace, [N]; columns are its slots in order."""
        start_N1 = values_NK.new_zeros((len(values_NK), 1))
        above = torch.cat([start_N1, values_NK.masked_fill(~good_NK, LEAST)], dim=1)
        below_N1 = (values_NK + self.zeta).masked_fill(~bad_NK, LEAST).logsumexp(dim=1, keepdim=True)
        sums = torch.logaddexp(above.logcumsumexp(dim=1), below_N1)
        if self.published:
            twice = torch.cat([sums.new_full((len(sums), 2), LEAST), above[:, 2:]], dim=1)
            sums = torch.logaddexp(sums, twice).logaddexp(sums.new_tensor(math.log(PUBLISHED_TERM)))
        counts = torch.cat([bad_NK.any(dim=1, keepdim=True), good_NK], dim=1)
        terms = torch.where(counts, sums - above, torch.zeros_like(sums))
        return terms.sum(dim=1) / counts.sum(dim=1)


def _places(traces_S: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of each slot, where every trace is a row: slots of a trace stand side by side."""
    _, rows, counts = torch.unique_consecutive(traces_S, return_inverse=True, return_counts=True)
    starts = counts.cumsum(0) - counts
    return rows, torch.arange(len(rows), device=rows.device) - starts[rows]
