"""One calibrator a domain, because a scorer that is calibrated on mathematics is not on law.

    transform(p | domain) = f_domain(p),   f_pooled(p) where the domain had too few labels to be fitted alone

A domain is fitted on its own where it brings at least `fewest` labels and `fewest_each` of either class; all labels
together fit the pooled map. A domain that was never seen gets the pooled map or is refused, as `unseen` says: what a
pooled map is worth on a new domain nobody measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from stepward.calibrate.fits import FITS
from stepward.calibrate.maps import Calibrator
from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.metrics.checks import Flags, Floats, flags

Unseen = Literal["pooled", "refuse"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PerDomain:
    """A calibrator that asks for the problem's domain. Without one it is the map of the empty domain."""

    by_domain: Mapping[str, Calibrator]
    """Domains with a map of their own."""
    pooled: Calibrator
    small: tuple[str, ...] = ()
    """Domains that were seen and had too few labels: they use the pooled map."""
    unseen: Unseen = "pooled"
    """What a domain gets that was never seen."""

    def __post_init__(self) -> None:
        if self.unseen not in get_args(Unseen):
            raise ConfigError("an unseen domain is pooled or refused", got=self.unseen)
        if any(own.reads_raw != self.pooled.reads_raw for own in self.by_domain.values()):
            raise ConfigError("the maps of all domains must read scores of one kind")

    @property
    def reads_raw(self) -> bool:
        """As every map of it."""
        return self.pooled.reads_raw

    def used_for(self, domain: str) -> str:
        """Whose map `domain` gets: its own name, or "pooled". `ScoreError` where it is refused."""
        if domain in self.by_domain:
            return domain
        if self.unseen == "refuse" and domain not in self.small:
            raise ScoreError(
                f"this calibrator was not fitted for the domain {domain!r}",
                got=sorted({*self.by_domain, *self.small}),
                mend="calibrate with labels of that domain, or set unseen: pooled",
            )
        return "pooled"

    def at(self, domain: str) -> Calibrator:
        """The map of `domain`."""
        used = self.used_for(domain)
        return self.pooled if used == "pooled" else self.by_domain[used]

    def transform(self, probs_K: ArrayLike) -> Floats:
        """As for a problem that names no domain."""
        return self.at("").transform(probs_K)


def calibrator_for(calibrator: Calibrator, domain: str) -> Calibrator:
    """The map that a problem of `domain` gets; `ScoreError` where a `PerDomain` refuses it."""
    return calibrator.at(domain) if isinstance(calibrator, PerDomain) else calibrator


@dataclass(frozen=True, slots=True, kw_only=True)
class FitPerDomain:
    """How a `PerDomain` is fitted."""

    method: str = "platt"
    """A name of `FITS`."""
    fewest: int = 200
    """Labels that a domain needs for a map of its own."""
    fewest_each: int = 10
    """Of them good, and of them bad."""
    unseen: Unseen = "pooled"

    def __post_init__(self) -> None:
        if self.method not in FITS:
            raise ConfigError("there is no such calibration", got=self.method, mend=f"one of {', '.join(FITS)}")
        if self.fewest < 2 or self.fewest_each < 1:
            raise ConfigError("a domain needs at least two labels, one of each class", got=self)

    def fit(self, scores_K: ArrayLike, labels_K: ArrayLike, domain_K: Sequence[str]) -> PerDomain:
        """The pooled map and that of every domain with enough labels. `LabelError` on one class, or unequal counts."""
        fit, scores, good = FITS[self.method], np.asarray(scores_K, dtype=np.float64), flags(labels_K)
        if len(domain_K) != len(good):
            raise LabelError(f"{len(good)} labels need as many domains", got=len(domain_K))
        pooled = fit(scores, good)
        places = {domain: np.array([each == domain for each in domain_K]) for domain in sorted(set(domain_K))}
        large = {domain: place_K for domain, place_K in places.items() if self._enough(good[place_K])}
        return PerDomain(
            by_domain={domain: fit(scores[place_K], good[place_K]) for domain, place_K in large.items()},
            pooled=pooled,
            small=tuple(domain for domain in places if domain not in large),
            unseen=self.unseen,
        )

    def _enough(self, good_K: Flags) -> bool:
        fewer = min(int(good_K.sum()), int((~good_K).sum()))
        return len(good_K) >= self.fewest and fewer >= self.fewest_each
