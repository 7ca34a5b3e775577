r"""Preference rows from siblings: of two steps that follow one prefix, the better is `chosen`, the worse `rejected`.

    prompt     "{problem}\n" and each step of the prefix with "\n": what TRL's DPO and reward trainers put before both
    chosen, rejected        one step each, without its separator
    margin     difference of their values                  chosen_value, rejected_value     the values
    prefix     the steps of the prefix, as a list          problem                          the problem's text
    chosen_counts, rejected_counts   [k, n], null where there are no rollout counts

Only siblings are paired: steps after different prefixes differ in more than themselves. A step that several traces
share counts once, with the mean of its values and the sum of its counts. `take="extremes"` writes the best against
the worst of each place (as rStar-Math does), "all" every pair. A pair needs more than `margin` between its values,
and where `sigmas` is above 0 also so many standard errors: with p = (k + 1) / (n + 2), d >= sigmas sqrt(p1 (1 - p1)
/ n1 + p2 (1 - p2) / n2).

A neutral step has whatever value its importer gave it. Degenerate case: traces without siblings make no row; the
labelled steps that no row holds are counted. Papers: rStar-Math, arXiv 2501.04519; Step-DPO, arXiv 2406.18629.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

from stepward.datasets.exchange import COUNTS, SOFT, LabelledRows, Written, bare_steps, contents
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Row, read_rows
from stepward.datasets.writing import write_objects
from stepward.errors import ConfigError, LabelError
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, Target, content_key
from stepward.types import Source as LabelSource

COLUMNS = Columns(
    required=("prompt", "chosen", "rejected"),
    optional=(
        *("problem", "prefix", "margin", "chosen_value", "rejected_value"),
        *("chosen_counts", "rejected_counts"),
    ),
)
LABELER = Origin(maker="unknown:preferences")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences(LabelledRows):
    """Reads preference rows as two examples each, labelled on their last step: value 1 and 0 where the row has none.

    A row without `problem` and `prefix` has its whole `prompt` for a problem.
    """

    target: Target = "value"
    source: LabelSource = "converted"

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """The chosen, then the rejected trace of each row."""
        for row in read_rows(path, COLUMNS, tally, self.extra):
            text = row.filled("problem" if row.has("problem") else "prompt")
            problem = Problem(id=f"pair-{content_key(text)}", text=text)
            for name, value in (("chosen", 1.0), ("rejected", 0.0)):
                yield self._example(row, problem, name, value)

    def _example(self, row: Row, problem: Problem, name: str, value: float) -> Example:
        prefix = [str(step) for step in row.texts("prefix")] if row.has("prefix") and row.items("prefix") else []
        with row.blame(name):
            trace = from_steps(problem.id, [*prefix, row.text(name)], self.separator, meta=dict(row.extras))
            counts = row.integers(f"{name}_counts") if row.has(f"{name}_counts") else None
            if counts is not None and len(counts) != 2:
                raise row.error(f"{name}_counts", "must be [successes, trials]", got=counts)
            label = StepLabel(
                target=self.target,
                value=row.number(f"{name}_value") if row.has(f"{name}_value") else value,
                source=self.source,
                successes=counts[0] if counts else None,
                trials=counts[1] if counts else None,
                origin=LABELER,
            )
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=(None,) * len(prefix) + (label,)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceWriter:
    """Writes pairs of siblings."""

    take: Literal["extremes", "all"] = "extremes"
    margin: float = 0.0
    sigmas: float = 0.0

    def __post_init__(self) -> None:
        if self.take not in ("extremes", "all") or not 0 <= self.margin < 2 or not self.sigmas >= 0:
            raise ConfigError(
                'take must be "extremes" or "all", margin within [0, 2), sigmas at least 0',
                got=(self.take, self.margin, self.sigmas),
            )

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write the pairs of all `examples` together. `LabelError` where labels of one problem differ in target."""
        kept, lost = list(examples), Counter[str]()
        for example in kept:
            said = contents(example, len(example.labeled.trace))
            lost.update({name: count for name, count in said.items() if name not in (SOFT, COUNTS)})
        places = _places(kept)
        rows = write_objects(path, (row for place in places for row in self._rows(place, lost)))
        return Written(rows=rows, lost={name: int(count) for name, count in sorted(lost.items()) if count})

    def _rows(self, place: Place, lost: Counter[str]) -> Iterator[dict[str, Json]]:
        judged = sorted((each for each in place.siblings.values() if each.labels), key=lambda each: -each.value)
        ends = [judged[0], judged[-1]] if len(judged) > 1 else []
        pairs = list(combinations(judged if self.take == "all" else ends, 2))
        kept = [pair for pair in pairs if self._clear(*pair, lost)]
        in_a_row = {each.text for pair in kept for each in pair}
        lost["labelled steps in no pair"] += len(judged) - len(in_a_row)
        for good, bad in kept:
            yield _row(place, good, bad)

    def _clear(self, good: Sibling, bad: Sibling, lost: Counter[str]) -> bool:
        gap = good.value - bad.value
        if self.sigmas and (good.counts is None or bad.counts is None):
            lost["pairs without counts, so of unknown significance"] += 1
            return False
        least = self.sigmas * math.sqrt(good.variance + bad.variance) if self.sigmas else 0.0
        clear = gap > self.margin and gap >= least
        lost["pairs within the margin"] += not clear
        return clear


@dataclass(slots=True)
class Sibling:
    """One step after a place, and every label that it got."""

    text: str
    labels: list[StepLabel] = field(default_factory=list)

    @property
    def value(self) -> float:
        """Mean over the labels."""
        return math.fsum(label.value for label in self.labels) / len(self.labels)

    @property
    def counts(self) -> tuple[int, int] | None:
        """Sum of the rollout counts; None where a label has none."""
        if any(label.trials is None for label in self.labels):
            return None
        return sum(label.successes or 0 for label in self.labels), sum(label.trials or 0 for label in self.labels)

    @property
    def variance(self) -> float:
        """Squared standard error of the share of successes, which is held from 0 and 1 by one more of each."""
        successes, trials = self.counts or (0, 1)
        share = (successes + 1) / (trials + 2)
        return share * (1 - share) / trials


@dataclass(slots=True)
class Place:
    """A prefix of solutions to one problem, and the steps that follow it."""

    problem: Problem
    prefix: tuple[str, ...]
    siblings: dict[str, Sibling] = field(default_factory=dict)


def _places(examples: Iterable[Example]) -> Sequence[Place]:
    """Every prefix of `examples`, in order of first sight. Steps agree where their text without white space does."""
    places: dict[tuple[str, tuple[str, ...]], Place] = {}
    targets: dict[str, str] = {}
    for example in examples:
        problem, labeled = example.problem, example.labeled
        target = labeled.target
        if target is not None and targets.setdefault(problem.id, target) != target:
            raise LabelError(
                f"the labels of problem {problem.id!r} have different targets",
                got=[targets[problem.id], target],
                mend="pair each kind by itself: values of different meaning do not compare",
            )
        texts = bare_steps(labeled.trace, strip=True)
        for index, (text, label) in enumerate(zip(texts, labeled.labels, strict=True)):
            place = places.setdefault((problem.id, texts[:index]), Place(problem, texts[:index]))
            sibling = place.siblings.setdefault(text, Sibling(text))
            if label is not None:
                sibling.labels.append(label)
    return list(places.values())


def _row(place: Place, good: Sibling, bad: Sibling) -> dict[str, Json]:
    row: dict[str, Json] = {
        "prompt": "".join(f"{text}\n" for text in (place.problem.text, *place.prefix)),
        "chosen": good.text,
        "rejected": bad.text,
        "margin": good.value - bad.value,
        "problem": place.problem.text,
        "prefix": list(place.prefix),
        "chosen_value": good.value,
        "rejected_value": bad.value,
    }
    for name, side in (("chosen_counts", good), ("rejected_counts", bad)):
        if side.counts is not None:
            row[name] = list(side.counts)
    return row
