"""Consensus on the first error: a trace is kept if all labellings call the same step the first wrong one, or none.

Rollouts and a judge err differently: rollouts miss errors that a completer mends, a judge raises false alarms. Where
both name one step, both are mostly right (40 % of traces in the paper; F1 40.2 -> 66.5 with hard labels).

    E_i = first step that labelling i calls bad, or none        kept iff E_1 = E_2 = ...

Labels stand up to and with that step; nothing is said of the steps behind it. With `band` b > 0 traces whose locations
differ by at most b are kept too, with the first labelling's location and `weight` (training multiplies by it); "none"
is near nothing but none. The record's `meta` says how it went: agree, near, differ or unknown (an unlabelled step
before the first bad one).

Degenerate case: on short traces agreement by chance is not small; report kappa beside the rate
(`evaluation.agreement`). Paper: The Lessons of Developing PRMs, arXiv 2501.07301.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stepward.errors import ConfigError
from stepward.relabel.agreement.ballot import Hard, assembled, check_target, compared, kept, origin_of
from stepward.relabel.hard import Location, first_error
from stepward.types import Json, LabeledTrace, Problem


@dataclass(frozen=True, kw_only=True)
class FirstErrorConsensus:
    """Keeps a trace iff the first errors of all its labellings agree."""

    target: Hard | None = None
    """What the agreed labels mean; see `ballot.py`."""
    band: int = 0
    """Steps that locations may be apart."""
    weight: float = 0.5
    """Of a trace whose locations are apart, within the band."""

    def __post_init__(self) -> None:
        check_target(self.target)
        if self.band < 0 or not 0 < self.weight <= 1:
            raise ConfigError("band must be at least 0 and weight in (0, 1]", got=(self.band, self.weight))

    def agree(self, problem: Problem, labellings: Sequence[LabeledTrace]) -> LabeledTrace:
        """The trace with labels up to the agreed first error; without any where there is none."""
        calls = compared(problem, labellings, self.target)
        found = [first_error(each) for each in calls]
        how = self._compare(found)
        meta: dict[str, Json] = {"agreement": how, "first_errors": list(found)}
        if how == "near":
            meta["weight"] = self.weight
        said = calls[0] if how in ("agree", "near") else (None,) * len(calls[0])
        end = found[0] + 1 if isinstance(found[0], int) else len(said)
        settings: dict[str, Json] = {"band": self.band, "weight": self.weight}
        origin = origin_of("first_error", settings, labellings)
        labels = kept(labellings, [*said[:end], *(None,) * (len(said) - end)], self.target, origin)
        return assembled(labellings, labels, meta)

    def _compare(self, found: Sequence[Location]) -> str:
        if "unknown" in found:
            return "unknown"
        if len(set(found)) == 1:
            return "agree"
        places = [each for each in found if isinstance(each, int)]
        near = len(places) == len(found) and max(places) - min(places) <= self.band
        return "near" if near else "differ"
