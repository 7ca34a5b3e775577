"""Further heads on the features of a frozen backbone: an ensemble over resampled problems, or quantiles of the value.

    ensemble    head e is fitted with every problem counted n_e times, n_e drawn by a bootstrap over problems; its
                spread is what other problems might have taught
    quantiles   one head a level, by pinball loss on soft labels

Features are computed once, so a head costs seconds. All heads of an ensemble take the penalty that cross-validation
chose for the checkpoint's own head. Degenerate case: with one problem every draw is the same, and so is every head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from stepward.metrics.bootstrap import resamples
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.several.uncertain import Members
from stepward.training.examples import Example
from stepward.training.frozen import fit_head, fit_head_at
from stepward.training.objectives.contract import StepTargets
from stepward.training.objectives.pinball import Pinball
from stepward.training.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class FittedMembers:
    """Heads, and what `reward_models.several.uncertain.write_members` must say of them."""

    members: Members
    heads: tuple[ScoreHead, ...]


def fit_ensemble(
    states_RW: Tensor, examples: Sequence[Example], spec: TrainSpec, *, count: int = 8, penalty: float
) -> FittedMembers:
    """`count` heads for the features of `examples` ([R, width], in order), each on problems drawn with replacement.

    Class weight is given back as in training, where `spec.correct_prior` says so. `ConfigError` for fewer than two.
    """
    members = Members(how="ensemble", count=count, hidden=spec.head_hidden)
    place = {group: index for index, group in enumerate(sorted({example.group for example in examples}))}
    heads = []
    for times_P in resamples(len(place), count, spec.seed):
        drawn = [_counted(example, float(times_P[place[example.group]])) for example in examples]
        head = fit_head_at(states_RW, drawn, spec, penalty)
        if spec.correct_prior:
            head.shift(spec.objective.logit_shift)
        heads.append(head)
    return FittedMembers(members, tuple(heads))


def fit_quantiles(
    states_RW: Tensor,
    examples: Sequence[Example],
    spec: TrainSpec,
    *,
    levels: tuple[float, ...] = (0.1, 0.5, 0.9),
    smooth: float = 0.02,
) -> FittedMembers:
    """One head a level, its penalty chosen by cross-validation. `LabelError` for hard labels: build with view soft."""
    members = Members(how="quantiles", count=len(levels), hidden=spec.head_hidden, levels=levels)
    heads = []
    for level in levels:
        objective = Pinball(levels=(level,), smooth=smooth)
        objective.check(StepTargets.of(examples))
        heads.append(fit_head(states_RW, examples, replace(spec, objective=objective)).head)
    return FittedMembers(members, tuple(heads))


def _counted(example: Example, times: float) -> Example:
    return replace(example, slots=tuple(replace(slot, weight=slot.weight * times) for slot in example.slots))
