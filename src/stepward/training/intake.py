"""Which traces become examples: repeats, and traces that are longer than the model reads.

One over-long trace among thousands is no reason to train on none, so it is left out and counted, never cut. Equal
traces (same problem text, text and steps) may be merged: a step's counts add up where every label has some, otherwise
its value is the mean.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from stepward.errors import LabelError
from stepward.reward_models.encoding.codec import Encoded, StepCodec
from stepward.types import LabeledTrace, Problem, StepLabel, content_key

Pair: TypeAlias = tuple[Problem, LabeledTrace]
ENDLESS = 1 << 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What is done with over-long and with repeated traces."""

    overlong: Literal["exclude", "error"] = "exclude"
    """Traces over the model's context: leave them out and count them, or raise `ModelError`."""
    repeats: Literal["keep", "merge"] = "keep"
    """Equal traces: each an example, which makes them weigh more, or merged into one."""

    def single(self, pairs: Sequence[Pair], notes: Counter[str]) -> list[Pair]:
        """`pairs`, merged where that is asked for; how many were merged is counted in `notes`."""
        if self.repeats == "keep":
            return list(pairs)
        groups: dict[str, list[Pair]] = {}
        for problem, labeled in pairs:
            spans = [[step.start, step.end] for step in labeled.trace.steps]
            groups.setdefault(content_key(problem.text, labeled.trace.text, spans), []).append((problem, labeled))
        if len(groups) < len(pairs):
            notes["repeated traces merged"] += len(pairs) - len(groups)
        return [_merged(group) for group in groups.values()]

    def encode(self, codec: StepCodec, pairs: Sequence[Pair], excluded: Counter[str]) -> list[Encoded | None]:
        """One record per pair, None where it is over-long, which is counted in `excluded`."""
        texts = [(problem, labeled.trace) for problem, labeled in pairs]
        if self.overlong == "error":
            return list(codec.encode_many(texts))
        found = replace(codec, context=ENDLESS).encode_many(texts)
        over = sum(len(item) > codec.context for item in found)
        if over:
            excluded[f"over {codec.context} tokens"] += over
        return [item if len(item) <= codec.context else None for item in found]


def _merged(group: Sequence[Pair]) -> Pair:
    problem, first = group[0]
    if len(group) == 1:
        return group[0]
    columns = zip(*(labeled.labels for _, labeled in group), strict=True)
    labels = tuple(_pooled([label for label in column if label is not None]) for column in columns)
    verdicts = [labeled.verdict for _, labeled in group if labeled.verdict is not None]
    verdict = next((own for own in verdicts if own.correct is not None), first.verdict)
    return problem, replace(first, labels=labels, verdict=verdict)


def _pooled(labels: Sequence[StepLabel]) -> StepLabel | None:
    if len(labels) < 2:
        return labels[0] if labels else None
    if len({label.target for label in labels}) > 1:
        raise LabelError("repeats of one trace have labels of different targets", mend="convert them explicitly")
    note = f"pooled from {len(labels)}"
    trials = [label.trials for label in labels]
    if None in trials:
        value = math.fsum(label.value for label in labels) / len(labels)
        return replace(labels[0], value=value, successes=None, trials=None, note=note)
    successes, whole = sum(label.successes or 0 for label in labels), sum(n or 0 for n in trials)
    return replace(labels[0], value=successes / whole, successes=successes, trials=whole, note=note)
