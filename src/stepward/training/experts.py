"""A head per domain on the features of a frozen backbone, each the shared head plus a correction.

    logit_d(x) = logit_shared(x) + v_d . x + c_d,   v_d fitted on domain d alone, under a penalty chosen on its problems

The penalty decides how far an expert leaves the shared head: where a domain has little to say it stays. Fitting from
scratch (`correct_shared` False) forgets what other domains teach, which a few hundred labels seldom make up for.
The shared head has seen the domain's labels already, so cross-validation errs towards staying.

Degenerate cases: a domain of fewer than `fewest` labels, or of fewer than `fewest_each` of either class, gets no
expert and is named in `small`; where none is left, `LabelError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from stepward.errors import ConfigError, LabelError
from stepward.reward_models.heads import ScoreHead
from stepward.training.examples import Example
from stepward.training.frozen import fit_head
from stepward.training.spec import TrainSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class FitExperts:
    """How experts are fitted."""

    fewest: int = 200
    """Labels that a domain needs."""
    fewest_each: int = 10
    """Of them good (1/2 and above), and of them bad."""
    correct_shared: bool = True

    def fit(
        self,
        states_RW: Tensor,
        examples: Sequence[Example],
        domains: Mapping[str, str],
        spec: TrainSpec,
        shared: ScoreHead,
    ) -> FittedExperts:
        """One head a domain for the features of `examples`; `domains` names the domain of each problem's text hash.

        `shared` is the checkpoint's own head, as it stands in it. `ConfigError` for heads that are not linear.
        """
        if self.correct_shared and (shared.hidden or spec.head_hidden):
            raise ConfigError("a correction of a shared head needs linear heads", got=shared.hidden)
        own = _by_domain(examples, domains)
        large = {domain: rows for domain, rows in own.items() if self._enough([examples[i] for i in rows.traces])}
        if not large:
            raise LabelError(
                "no domain has labels enough for an expert", got={d: len(r.traces) for d, r in own.items()}
            )
        heads = {
            domain: self._head(states_RW[rows.reads], [examples[i] for i in rows.traces], spec, shared)
            for domain, rows in large.items()
        }
        return FittedExperts(heads=heads, small=tuple(domain for domain in own if domain not in large))

    def _enough(self, examples: Sequence[Example]) -> bool:
        targets = [slot.target for example in examples for slot in example.slots if slot.weight > 0]
        good = sum(target >= 0.5 for target in targets)
        return len(targets) >= self.fewest and min(good, len(targets) - good) >= self.fewest_each

    def _head(self, states_RW: Tensor, examples: Sequence[Example], spec: TrainSpec, shared: ScoreHead) -> ScoreHead:
        shift = spec.objective.logit_shift if spec.correct_prior else 0.0
        if not self.correct_shared:
            head = fit_head(states_RW, examples, spec).head
            head.shift(shift)
            return head
        with torch.no_grad():
            logits = (shared(states_RW)[:, 0] - shift).tolist()
        correction = fit_head(states_RW, _offset(examples, logits), spec).head
        return _sum(shared, correction)


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedExperts:
    """Heads by domain, and the domains that got none."""

    heads: Mapping[str, ScoreHead]
    small: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    traces: list[int]
    reads: list[int]


def _by_domain(examples: Sequence[Example], domains: Mapping[str, str]) -> dict[str, _Rows]:
    """By domain: which examples, and which rows of the features are theirs."""
    found: dict[str, _Rows] = {}
    at = 0
    for index, example in enumerate(examples):
        count = len(example.encoded.read_positions)
        rows = found.setdefault(domains.get(example.group, ""), _Rows([], []))
        rows.traces.append(index)
        rows.reads.extend(range(at, at + count))
        at += count
    found.pop("", None)
    return dict(sorted(found.items()))


def _offset(examples: Sequence[Example], logits: Sequence[float]) -> list[Example]:
    """The examples, their slots' logits starting at `logits`, one for each read position."""
    moved, at = [], 0
    for example in examples:
        slots = (replace(slot, offset=slot.offset + logits[at + slot.step]) for slot in example.slots)
        moved.append(replace(example, slots=tuple(slots)))
        at += len(example.encoded.read_positions)
    return moved


@torch.no_grad()
def _sum(first: ScoreHead, second: ScoreHead) -> ScoreHead:
    """The linear head whose logit is the sum of both."""
    head = ScoreHead(first.width)
    head.out.weight.copy_(first.out.weight + second.out.weight)
    head.out.bias.copy_(first.out.bias + second.out.bias)
    return head.eval()
