"""How often the `checked` labeler is right when it calls a step wrong, and how many wrong steps it finds.

    python benchmarks/checked_steps.py [0 | 1 | injected]

Steps that people labelled (in the folder STEPWARD_DATA): PRM800K train, Verify-then-Generate, MR-Ben's mathematics and
PARC (its labels were made by a model and checked by people). Problems are halved by the hash of their id; the rules
were written looking at half 0 alone, so half 1 (the default) is what the figures mean. `injected` takes PRMBench's
training form instead: errors that a model put into right PRM800K solutions. Beside the labeler stands a
common stand-in: one regular expression for "a op b = c", compared as floats.

    precision    of the steps called wrong, those that people call wrong
    alarms       of the steps that people call right, those called wrong
    recall       of the steps that people call wrong, those called wrong; then of those whose named error is calculation

Intervals are bootstrapped over problems. Then every step called wrong that people call right is printed with the claim:
each can be checked by hand. About a minute on one core.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isclose

from stepward.datasets.development import development_folder
from stepward.datasets.mr_ben import MrBen
from stepward.datasets.parc import Parc
from stepward.datasets.prm800k import Prm800k
from stepward.datasets.prmbench import PrmBench
from stepward.datasets.reading import Example, read
from stepward.datasets.repeats import one_per_trace
from stepward.datasets.verify_then_generate import VerifyThenGenerate
from stepward.metrics.bootstrap import bootstrap_ratio
from stepward.verifiers.steps.checked import CheckedLabeler

NAIVE = re.compile(r"(-?\d+(?:\.\d+)?)\s*([-+*/x×÷])\s*\$?(\d+(?:\.\d+)?)\s*=\s*\$?(-?\d+(?:\.\d+)?)")
CALCULATION = ("Mathematical_Error", "Calculation error")


@dataclass(frozen=True, slots=True)
class Call:
    """One labelled step: what people say, and what was found wrong with it by either checker."""

    problem: str
    right: bool
    calculation: bool
    ours: str
    naive: str
    text: str


def main() -> None:
    chosen = sys.argv[1] if len(sys.argv) > 1 else "1"
    everything: list[Call] = []
    print(f"{chosen}; precision, alarms, recall, recall of calculation errors; ours, then the stand-in\n")
    for name, examples in [injected()] if chosen == "injected" else sources():
        distinct = one_per_trace(examples).examples
        kept = [each for each in distinct if chosen in ("injected", str(side(each.problem.id)))]
        found = asyncio.run(calls(kept))
        report(name, found)
        everything += found
    report("all", everything)
    print("\ncalled wrong by us, right by people:")
    for call in everything:
        if call.ours and call.right:
            print(f"  {call.ours}   in: {' '.join(call.text.split())[:160]!r}")


def sources() -> Iterator[tuple[str, Sequence[Example]]]:
    folder = development_folder()
    yield "prm800k train", read(Prm800k(), folder / "prm800k" / "train.jsonl").items
    yield "verify-then-generate", read(VerifyThenGenerate(), folder / "verify_then_generate" / "dataset.json").items
    yield "mr-ben maths", read(MrBen(), folder / "mr_ben" / "math.json").items
    yield "parc", read(Parc(), *sorted((folder / "parc").glob("*.json"))).items


def injected() -> tuple[str, Sequence[Example]]:
    files = sorted((development_folder() / "prmbench_train").glob("*.jsonl"))
    return "prmbench train", read(PrmBench(), *files).items


def side(problem_id: str) -> int:
    return hashlib.sha256(problem_id.encode()).digest()[-1] % 2


async def calls(examples: Sequence[Example]) -> list[Call]:
    labeler = CheckedLabeler(processes=1)
    found = []
    for example in examples:
        said = await labeler.label(example.problem, example.labeled.trace)
        category = str(example.labeled.trace.meta.get("error_category", ""))
        steps = zip(example.labeled.labels, said.labels, example.labeled.trace.step_texts, strict=True)
        for truth, ours, text in steps:
            if truth is not None:
                named = f"{truth.note} {category}"
                calculation = not truth.good and any(name in named for name in CALCULATION)
                note = ours.note if ours else ""
                found.append(Call(example.problem.id, truth.good, calculation, note, naive_fault(text), text))
    return found


def naive_fault(text: str) -> str:
    """The first "a op b = c" that does not hold in floating point."""
    for found in NAIVE.finditer(text.replace(",", "")):
        left, sign, right, result = found.groups()
        a, b = float(left), float(right)
        value = {"+": a + b, "-": a - b, "/": a / b if b else 0.0, "÷": a / b if b else 0.0}.get(sign, a * b)
        if not isclose(value, float(result), rel_tol=1e-6):
            return found.group()
    return ""


def report(name: str, found: Sequence[Call]) -> None:
    wrong = sum(not call.right for call in found)
    named = sum(call.calculation for call in found)
    print(f"{name}: {len(found)} steps, {wrong} wrong, {named} of them named calculation errors")
    print("  checked " + figures(found, lambda call: bool(call.ours)))
    print("  stand-in" + figures(found, lambda call: bool(call.naive)), flush=True)


def figures(found: Sequence[Call], called: Callable[[Call], bool]) -> str:
    accused = [call for call in found if called(call)]
    shares = (
        share(accused, lambda call: not call.right),
        share([call for call in found if call.right], called),
        share([call for call in found if not call.right], called),
        share([call for call in found if call.calculation], called),
    )
    return f" {len(accused):4} called   " + "   ".join(shares)


def share(calls: Sequence[Call], counts: Callable[[Call], bool]) -> str:
    if not calls:
        return "none"
    sums: dict[str, int] = defaultdict(int)
    sizes: dict[str, int] = defaultdict(int)
    for call in calls:
        sums[call.problem] += counts(call)
        sizes[call.problem] += 1
    return str(bootstrap_ratio(list(sums.values()), list(sizes.values()), seed=0))


if __name__ == "__main__":
    main()
