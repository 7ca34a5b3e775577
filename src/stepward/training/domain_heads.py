"""Heads for a cross-domain matrix on the features of one frozen backbone: everything that one pass over the data gives.

    single     taught by all domains that teach together
    alone      one a domain, taught by it alone: a row of the matrix
    corrected  one a domain, the single head plus a correction that its domain teaches (`experts.py`)
    left out   one a domain, taught by all the others: what a domain without labels gets

Each is fitted on teaching problems, its penalty by cross-validation among them, and calibrated (Platt) on calibration
problems of the domains that taught it. Neither sees a judged problem.

Degenerate cases: a domain without labels enough gets no expert and a reason; a calibration side of one class, or one
that would turn the order of the scores round, leaves a head uncalibrated, which is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from stepward.calibrate import Calibrator, Platt, fit_platt
from stepward.errors import LabelError
from stepward.metrics.checks import Floats
from stepward.reward_models.heads import ScoreHead
from stepward.training.domain_features import DomainPart
from stepward.training.experts import FitExperts
from stepward.training.frozen import fit_head
from stepward.training.spec import TrainSpec
from stepward.types import Origin, StepScores

Parts = Mapping[str, DomainPart]


@dataclass(frozen=True, eq=False, kw_only=True)
class CalibratedHead:
    """A head and the map fitted on what it says of calibration problems."""

    head: ScoreHead
    calibrator: Calibrator | None = None
    note: str = ""
    """Why there is no calibrator."""

    def scores(self, part: DomainPart, maker: str) -> list[StepScores]:
        """One record a trace of `part`."""
        values = _probabilities(self.head, part)
        found = values if self.calibrator is None else self.calibrator.transform(values)
        ends = np.cumsum([len(each.encoded.read_positions) for each in part.examples])[:-1]
        origin = Origin(maker=f"scorer:{maker}")
        return [StepScores(values=tuple(own.tolist()), scorer=origin) for own in np.split(found, ends)]


@dataclass(frozen=True, eq=False, kw_only=True)
class DomainHeads:
    """Every head, by domain where there are several."""

    single: CalibratedHead
    alone: Mapping[str, CalibratedHead]
    corrected: Mapping[str, CalibratedHead]
    left_out: Mapping[str, CalibratedHead]
    together: tuple[str, ...]
    """The domains that taught the single head."""
    refused: Mapping[str, str] = field(default_factory=dict)
    """By domain, why it has no expert."""


@dataclass(frozen=True, kw_only=True)
class FitDomainHeads:
    """How the heads are fitted."""

    spec: TrainSpec
    experts: FitExperts = FitExperts()
    """What a domain needs for an expert; both ways of teaching one are used."""

    def fit(
        self, teach: Parts, calibrate: Parts, together: Sequence[str], told: Callable[[str], None] = lambda name: None
    ) -> DomainHeads:
        """The heads that `teach` teaches, by domain; `told` hears the name of each before it is fitted.

        `LabelError` where fewer than two domains teach together, or all their labels are of one class.
        """
        if len(together) < 2:
            raise LabelError(
                "a cross-domain matrix needs at least two domains that teach", got=list(together), mend="name another"
            )
        told("single")
        single = self._head(teach, calibrate, together)
        alone: dict[str, CalibratedHead] = {}
        corrected: dict[str, CalibratedHead] = {}
        left_out: dict[str, CalibratedHead] = {}
        refused: dict[str, str] = {}
        for name, part in teach.items():
            told(name)
            try:
                alone[name] = self._expert(name, part, calibrate, None)
                if name in together:
                    corrected[name] = self._expert(name, part, calibrate, single.head)
            except LabelError as error:
                refused[name] = error.what
            others = [other for other in together if other != name]
            if name in together and _classes(teach, others) == 2:
                left_out[name] = self._head(teach, calibrate, others)
        return DomainHeads(
            single=single,
            alone=alone,
            corrected=corrected,
            left_out=left_out,
            together=tuple(together),
            refused=refused,
        )

    def _head(self, teach: Parts, calibrate: Parts, names: Sequence[str]) -> CalibratedHead:
        if _classes(teach, names) < 2:
            raise LabelError("teaching needs right and wrong steps", got=list(names), mend="label more traces")
        examples = [example for name in names for example in teach[name].examples]
        states = torch.cat([teach[name].states for name in names])
        return _calibrated(fit_head(states, examples, self.spec).head, [calibrate[n] for n in names if n in calibrate])

    def _expert(self, name: str, part: DomainPart, calibrate: Parts, shared: ScoreHead | None) -> CalibratedHead:
        """The head of one domain: a correction of `shared`, or taught alone where there is none."""
        how = replace(self.experts, correct_shared=shared is not None)
        domain_of = {example.group: name for example in part.examples}
        start = shared if shared is not None else ScoreHead(part.states.shape[1])
        found = how.fit(part.states, part.examples, domain_of, self.spec, start)
        return _calibrated(found.heads[name], [calibrate[name]] if name in calibrate else [])


def _calibrated(head: ScoreHead, parts: Sequence[DomainPart]) -> CalibratedHead:
    probs: list[Floats] = []
    good: list[bool] = []
    for part in parts:
        values = iter(_probabilities(head, part).tolist())
        for _, labeled in part.pairs:
            rows = [(next(values), label) for label in labeled.labels]
            probs += [np.array([value]) for value, label in rows if label is not None]
            good += [label.good for _, label in rows if label is not None]
    if len(set(good)) < 2:
        return CalibratedHead(head=head, note="its calibration side has no right and wrong steps")
    found: Platt = fit_platt(np.concatenate(probs), good)
    if found.a <= 0:
        return CalibratedHead(head=head, note="calibration would turn its order round")
    return CalibratedHead(head=head, calibrator=found)


@torch.no_grad()
def _probabilities(head: ScoreHead, part: DomainPart) -> Floats:
    """[R]: one a step."""
    return np.asarray(torch.sigmoid(head(part.states)[:, 0].double()).numpy())


def _classes(parts: Parts, names: Sequence[str]) -> int:
    targets = {slot.target >= 0.5 for name in names for example in parts[name].examples for slot in example.slots}
    return len(targets)
