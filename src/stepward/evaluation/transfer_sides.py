"""Who teaches, who calibrates and who is judged, over several data sets that may share problems.

A problem's text decides its side, wherever it occurs:

    judged      it stands in a set that is kept for judging, in a domain that does not teach, or among the withheld
    not judged  it stands in a domain that brings a judged set of its own; it teaches or calibrates, by hash
    otherwise   by hash of its text among all three (`datasets.splits`)

The first rule that holds counts. What a domain brings on the wrong side is left out and counted: a problem that another
domain keeps for judging is never taught.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from stepward.datasets.splits import Split, normal_text
from stepward.errors import ConfigError
from stepward.types import LabeledTrace, Problem

Pair: TypeAlias = tuple[Problem, LabeledTrace]
Side = Literal["teach", "calibrate", "judge"]
SIDES: tuple[Side, ...] = ("teach", "calibrate", "judge")


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainPairs:
    """One domain's labelled traces."""

    name: str
    pairs: Sequence[Pair]
    judged: Sequence[Pair] = ()
    """Kept for judging; then none of `pairs` is judged."""
    teaches: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Dealt:
    """One domain's labelled traces by side."""

    sides: Mapping[Side, tuple[Pair, ...]]
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Traces on no side, by reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DealSides:
    """Shares of the problems, by hash of their text."""

    teach: float = 0.55
    calibrate: float = 0.15
    judge: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        shares: dict[str, float] = {name: getattr(self, name) for name in SIDES}
        Split(shares=shares, seed=self.seed)
        if min(shares.values()) <= 0:
            raise ConfigError("each side needs a share above 0", got=shares)

    def deal(self, domains: Sequence[DomainPairs], withheld: Sequence[Problem] = ()) -> dict[str, Dealt]:
        """By domain, its traces by side. Problems of `withheld` are judged where they occur, and teach nothing."""
        kept = {normal_text(problem.text) for problem in withheld}
        kept |= {normal_text(problem.text) for domain in domains for problem, _ in domain.judged}
        kept |= {normal_text(problem.text) for domain in domains if not domain.teaches for problem, _ in domain.pairs}
        taught = {normal_text(p.text) for domain in domains if domain.judged for p, _ in domain.pairs} - kept
        return {domain.name: self._domain(domain, kept, taught) for domain in domains}

    def side(self, text: str, kept: set[str], taught: set[str]) -> Side:
        """Where the problem of this text belongs."""
        if (normal := normal_text(text)) in kept:
            return "judge"
        both = self.teach + self.calibrate
        split = Split(shares={"teach": self.teach, "calibrate": self.calibrate, "judge": self.judge}, seed=self.seed)
        if normal in taught:
            split = Split(shares={"teach": self.teach / both, "calibrate": self.calibrate / both}, seed=self.seed)
        found = split.side(text)
        return next(side for side in SIDES if side == found)

    def _domain(self, domain: DomainPairs, kept: set[str], taught: set[str]) -> Dealt:
        found: dict[Side, list[Pair]] = {side: [] for side in SIDES}
        left: Counter[str] = Counter()
        for pair in domain.pairs:
            side = self.side(pair[0].text, kept, taught)
            if side == "judge" and domain.judged:
                left["the problem is kept for judging"] += 1
            else:
                found[side].append(pair)
        found["judge"] += domain.judged
        return Dealt(sides={side: tuple(pairs) for side, pairs in found.items()}, left_out=left)
