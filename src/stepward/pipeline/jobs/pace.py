"""What a labelling job says while it runs: labels a second, tokens a label, what is undecided, failed and disputed."""

from __future__ import annotations

import time

from stepward.pipeline.labels.labelling import spend_of
from stepward.pipeline.workshop import Progress
from stepward.storage.ledger import Ledger

PERIOD = 0.1
"""Seconds between two looks at the figures."""


class Pace:
    """Follows a job and tells `progress` of it."""

    def __init__(self, progress: Progress, stage: str) -> None:
        self.progress, self.stage = progress, stage
        self._total = 0
        self._started, self._before, self._told = 0.0, 0.0, 0.0

    def begin(self, total: int) -> None:
        """The job starts, with `total` problems."""
        self._total = total
        self.progress.begin(self.stage, total, "problems")
        self._started, self._told = 0.0, 0.0

    def moved(self, done: int, ledger: Ledger) -> None:
        """`done` problems are dealt with."""
        now = time.monotonic()
        if not self._started:
            self._started, self._before = now, ledger.totals().get("labels", 0.0)
        if now - self._told < PERIOD and done < self._total:
            return
        self._told = now
        totals = ledger.totals()
        self.progress.advance(done, spend_of(totals), self._note(totals, ledger.count_failed(), now))

    def _note(self, totals: dict[str, float], failed: int, now: float) -> str:
        labels, voted = totals.get("labels", 0.0), totals.get("voted", 0.0)
        spend = spend_of(totals)
        parts = []
        if now > self._started:
            parts.append(f"{(labels - self._before) / (now - self._started):,.1f} labels/s")
        for tokens, what in ((spend.policy_tokens, "written"), (spend.scorer_tokens, "scored")):
            if labels and tokens:
                parts.append(f"{tokens / labels:,.0f} tokens {what}/label")
        if voted:
            parts.append(f"{totals.get('split', 0.0) / voted:.0%} split")
        counted = {
            "undecided": totals.get("undecided", 0.0),
            "failed": failed,
            "asked again": totals.get("asked again", 0),
        }
        parts += [f"{count:,.0f} {what}" for what, count in counted.items() if count]
        return ", ".join(parts)
