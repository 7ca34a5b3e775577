"""What becomes of steps behind the first error: three rules against PARC's annotation, which knows what builds on what.

PARC says of each step whether it is wrong in itself, right but built on an earlier error ("Accumulation_Error"), or
right, and which earlier steps it builds on. The annotation was made by a model and checked by people. Rules, for steps
behind a trace's first error, given which steps are wrong in themselves and the premises:

    zero          every later step is bad (prefix correctness along the text)
    own error     a later step is bad if it is wrong in itself alone
    propagation   a later step is bad if it is wrong in itself or builds on a bad one

The reference is "wrong or built on an error"; premises are the file's own. F1 is of the bad steps; intervals are of a
bootstrap over problems.

    python benchmarks/error_propagation.py [FOLDER of PARC's JSON files]
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stepward.datasets.development import development_folder
from stepward.datasets.parc import Parc
from stepward.datasets.reading import Example, read
from stepward.metrics.bootstrap import bootstrap
from stepward.relabel.after_error import AfterError
from stepward.relabel.propagation import Propagation
from stepward.types import LabeledTrace

RULES: dict[str, Callable[[Example], LabeledTrace]] = {
    "zero": lambda x: AfterError(how="zero").relabel(x.problem, [x.labeled])[0],
    "own error": lambda x: x.labeled,
    "propagation": lambda x: Propagation().relabel(x.problem, [x.labeled])[0],
}


@dataclass(frozen=True)
class Step:
    """A step behind the first error: what the annotation says of it, and what each rule says."""

    bad: bool
    built_on_error: bool
    called: dict[str, bool]


def steps(example: Example) -> Iterator[Step]:
    """Those behind the first error."""
    labels = example.labeled.labels
    first = next((at for at, label in enumerate(labels) if label and label.note), len(labels))
    made = {name: rule(example).labels for name, rule in RULES.items()}
    for at in range(first + 1, len(labels)):
        label = labels[at]
        assert label is not None
        called = {name: not (found[at] and found[at].good) for name, found in made.items()}
        yield Step(bool(label.note), bool(label.note) and label.good, called)


def f1(rule: str) -> Callable[[Sequence[list[Step]]], float]:
    """F1 of bad steps by `rule`, of the steps of many problems."""

    def measured(groups: Sequence[list[Step]]) -> float:
        found = [step for group in groups for step in group]
        hit = sum(step.bad and step.called[rule] for step in found)
        return 2 * hit / max(1, sum(step.bad for step in found) + sum(step.called[rule] for step in found))

    return measured


def report(name: str, examples: Sequence[Example]) -> None:
    """Print one row a rule."""
    groups: dict[str, list[Step]] = {}
    for example in examples:
        groups.setdefault(example.problem.id, []).extend(steps(example))
    rows = [group for group in groups.values() if group]
    found = [step for group in rows for step in group]
    good = sum(not step.bad for step in found)
    built = sum(step.built_on_error for step in found)
    counts = f"{good} right again, {built} right in themselves but built on an error"
    print(f"\n{name}: {len(found)} steps behind the first error in {len(rows)} problems; {counts}")
    for rule in RULES:
        agree = sum(step.bad == step.called[rule] for step in found) / max(1, len(found))
        again = sum(not step.bad and not step.called[rule] for step in found)
        interval = bootstrap(f1(rule), rows, draws=500, seed=0)
        print(f"  {rule:12} agrees on {agree:.3f}   F1 of bad {interval}   right again found {again} of {good}")


def main() -> None:
    """Read every file and report by kind and over all."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else development_folder() / "parc"
    everything: list[Example] = []
    for kind in ("negatives", "positives_perturbed"):
        reading = read(Parc(target="validity"), *sorted(folder.glob(f"*_{kind}.json")))
        usable = [example for example in reading.items if "premises" in example.labeled.trace.meta]
        print(f"{kind}: {len(reading.items)} traces, {len(reading.items) - len(usable)} without usable premises")
        report(kind, usable)
        everything += usable
    report("all", everything)


if __name__ == "__main__":
    main()
