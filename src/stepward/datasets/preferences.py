r"""Preference rows from siblings: of two steps that follow one prefix, the better is `chosen`, the worse `rejected`.

    prompt     "{problem}\n" and each step of the prefix with "\n": what TRL's DPO and reward trainers put before both
    chosen, rejected        one step each, without its separator
    margin     difference of their values                  chosen_value, rejected_value     the values
    prefix     the steps of the prefix, as a list          problem                          the problem's text
    chosen_counts, rejected_counts   [k, n], null where there are no rollout counts

Which pairs are made is the rule of `stepward.pairs`, whose fields are the writer's; what it left out is counted, by
reason. TRL passes over the columns that it does not know; its reward trainer reads `margin`.

A neutral step has whatever value its importer gave it. Degenerate case: traces without siblings make no row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stepward.datasets.exchange import COUNTS, SOFT, LabelledRows, Written, bare_steps, contents
from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Row, read_rows
from stepward.datasets.writing import write_objects
from stepward.pairs import Pair, SiblingPairs
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
class PreferenceWriter(SiblingPairs):
    """Writes the pairs that its rule makes."""

    def write(self, path: Source, examples: Iterable[Example]) -> Written:
        """Write the pairs of all `examples` together. `LabelError` where labels of one problem differ in target."""
        kept, lost = list(examples), Counter[str]()
        for example in kept:
            bare_steps(example.labeled.trace, strip=True)  # refuses blank steps
            said = contents(example, len(example.labeled.trace))
            lost.update({name: count for name, count in said.items() if name not in (SOFT, COUNTS)})
        pairing = self.choose((example.problem, example.labeled) for example in kept)
        lost.update({**pairing.left_out, "proofs by counts of the order of pairs": pairing.uncounted})
        rows = write_objects(path, map(preference_row, pairing.pairs))
        return Written(rows=rows, lost={name: int(count) for name, count in sorted(lost.items()) if count})


def preference_row(pair: Pair) -> dict[str, Json]:
    """`pair` as a row."""
    row: dict[str, Json] = {
        "prompt": "".join(f"{text}\n" for text in (pair.problem.text, *pair.prefix)),
        "chosen": pair.chosen.text,
        "rejected": pair.rejected.text,
        "margin": pair.margin,
        "problem": pair.problem.text,
        "prefix": list(pair.prefix),
        "chosen_value": pair.chosen.value,
        "rejected_value": pair.rejected.value,
    }
    for name, side in (("chosen_counts", pair.chosen), ("rejected_counts", pair.rejected)):
        if side.counts is not None:
            row[name] = list(side.counts)
    return row
