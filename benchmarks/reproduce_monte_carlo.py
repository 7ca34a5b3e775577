"""The public Monte-Carlo samples, judged and counted again.

    python benchmarks/reproduce_monte_carlo.py

Needs the folder STEPWARD_DATA; about ten seconds on one core. Three parts, each exact where exact is possible:

1. 97 questions with 3 completions a prefix and an LLM's ratings: every completion judged against GSM8K's answer, and
   each difference between rating and verdict with its reason.
2. OmegaPRM's sampled trees: every state's value from the completions kept below it, the kept completions judged, and
   the prefix form against the tree form of the same run.
3. Math-Shepherd rows: read and written again byte for byte, labels against verdicts, and against arithmetic that the
   `checked` labeler finds false.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from stepward.datasets.development import development_folder
from stepward.datasets.gsm8k import Gsm8k
from stepward.datasets.math_shepherd import MathShepherd, MathShepherdWriter
from stepward.datasets.omega_prm import Cut, OmegaPrm
from stepward.datasets.rated_rollouts import RatedRollouts
from stepward.datasets.reading import Example, Tally, read
from stepward.evaluation.rejudging import Rejudged, differences, rejudge
from stepward.evaluation.tree_counts import leaves, states
from stepward.types import Problem
from stepward.verifiers.math import MathVerifier
from stepward.verifiers.steps.checked import CheckedLabeler

FOLDER = development_folder()
SAMPLES = FOLDER / "monte_carlo"


def main() -> None:
    gold = gsm8k_answers()
    asyncio.run(rated(gold))
    asyncio.run(trees())
    asyncio.run(shepherd(gold))


def gsm8k_answers() -> dict[str, str]:
    """By question in single spaces, GSM8K's answer."""
    files = [FOLDER / "problems" / f"gsm8k_{part}.jsonl" for part in ("train", "test")]
    return {plain(example.problem.text): example.problem.answer or "" for example in read(Gsm8k(), *files).items}


def plain(text: str) -> str:
    return " ".join(text.split())


async def rated(gold: dict[str, str]) -> None:
    path = SAMPLES / "test_data100_tgi_math_critic_path_math_critic2.jsonl"
    examples = read(RatedRollouts(), path).items
    found = await rejudge(examples, {each.problem.id: gold[plain(each.problem.text)] for each in examples})
    judged = [one for each in found for one in each.judged]
    outcomes = Counter(one.verdict.outcome for one in judged)
    agree = sum(one.rated_right == (one.verdict.correct is True) for one in judged)
    print(f"1. {len(found)} questions, {sum(len(each.labels) for each in found)} prefixes, {len(judged)} completions")
    print("   labels follow from the ratings (share of ratings >= 8; hard from 1/2 on): all, checked on reading")
    print(f"   references that state GSM8K's answer: {sum(each.reference_right for each in found)}")
    print(f"   verdicts: {dict(outcomes)}; rated right: {sum(one.rated_right for one in judged)}; agree: {agree}")
    print(f"   right, as written: {dict(spellings(found).most_common())}")
    print(f"   not right, though the right number stands elsewhere in it: {sum(one.elsewhere for one in judged)}")
    for reason, count in differences(found).most_common():
        print(f"   {count:5} {reason}")
    for name, last in (("before the end", False), ("whole solution", True)):
        print(f"   labels, {name}: {label_table(found, last)}")


def spellings(found: Sequence[Rejudged]) -> Counter[str]:
    """How right answers are written, against GSM8K's."""
    kinds: Counter[str] = Counter()
    for each in found:
        for one in each.judged:
            if one.verdict.correct:
                kinds[spelling(one.verdict.answer or "", each.gold)] += 1
    return kinds


def spelling(answer: str, gold: str) -> str:
    if answer == gold:
        return "the same"
    if answer.replace(",", "") == gold:
        return "a comma"
    return "a currency sign" if answer.replace(",", "").strip("$") == gold else "a unit, percent or decimals"


def label_table(found: Sequence[Rejudged], last: bool) -> str:
    """How rated and judged labels compare."""
    pairs = [
        (theirs, ours)
        for each in found
        for index, (theirs, ours) in enumerate(zip(each.example.labeled.labels, each.labels, strict=True))
        if theirs and ours and (index == len(each.labels) - 1) == last
    ]
    hard = Counter((2 * a.value >= 1, b.good) for a, b in pairs)
    soft = sum(a.value == b.value for a, b in pairs)
    steps = {(id(each), one.step) for each in found for one in each.judged if one.elsewhere and one.last == last}
    sure = sum(
        bool(label and label.good) or (id(each), index) not in steps
        for each in found
        for index, label in enumerate(each.labels)
        if (index == len(each.labels) - 1) == last
    )
    return (
        f"{len(pairs)}; same soft {soft}; hard theirs/ours: ++ {hard[True, True]}, +- {hard[True, False]}, "
        f"-+ {hard[False, True]}, -- {hard[False, False]}; ours hold under any reading {sure}"
    )


async def trees() -> None:
    print("2. OmegaPRM: value = right completions / n, n = 16 at the root and 32 elsewhere")
    shapes: dict[str, list[tuple[Problem, Cut]]] = {}
    for form in ("math-aps-tree", "math-aps"):
        tally = Tally()
        shapes[form] = list(OmegaPrm().trees(SAMPLES / f"samples_{form}.jsonl", tally))
        for problem, root in shapes[form]:
            counted = states(root)
            exact = sum(state.reproduced for state in counted)
            kept = await judged(problem, root)
            print(f"   {form}, answer {problem.answer}: {exact} of {len(counted)} states exact; {kept}")
        print(f"   {form}: {dict(tally.notes) or 'nothing merged'}")
    same_run(shapes)


async def judged(problem: Problem, root: Cut) -> str:
    verifier = MathVerifier(last_number=True, seconds=30.0)
    texts = ["\n\n".join(cut.text for cut in path) for path in leaves(root)]
    verdicts = Counter([(await verifier.verify(problem, text)).outcome for text in texts])
    quoted = sum((problem.answer or "") in text[-200:] for text in texts)
    return f"{len(texts)} kept completions {dict(verdicts)}, the answer's letters at the end of {quoted}"


def same_run(shapes: dict[str, list[tuple[Problem, Cut]]]) -> None:
    """Prefix rows against the tree of the same question, white space aside."""
    trees_by_question = {problem.text: root for problem, root in shapes["math-aps-tree"]}
    for line in (SAMPLES / "samples_math-aps.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        root = trees_by_question.get(row["question"].strip())
        rows = Counter(("".join(one["solution_prefix"].split()), one["mc_value"]) for one in row["reasoning_steps"])
        derived = Counter(prefixes(root, "".join(row["question"].split()))) if root else Counter()
        shared = sum((rows & derived).values())
        print(f"   prefixes of {row['final_answer']}: {sum(rows.values())} rows, {shared} are nodes of the tree file")


def prefixes(cut: Cut, before: str) -> Iterator[tuple[str, float]]:
    text = before + "".join(cut.text.split())
    yield text, cut.value
    for child in cut.children:
        yield from prefixes(child, text)


async def shepherd(gold: dict[str, str]) -> None:
    path = SAMPLES / "samples_math-shepherd.jsonl"
    examples = read(MathShepherd(), path).items
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / "again.jsonl"
        MathShepherdWriter().write(again, examples)
        pairs = zip(lines(path), lines(again), strict=True)
        same = sum(json.loads(a) == json.loads(b) for a, b in pairs)
        letters = sum(json.dumps(json.loads(b)) == a for a, b in zip(lines(path), lines(again), strict=True))
    monotone = sum(sorted(values(each), reverse=True) == values(each) for each in examples)
    print(f"3. Math-Shepherd: {len(examples)} rows; strings equal after reading and writing {same}")
    print(f"   lines equal byte for byte once non-ASCII letters are escaped as in the file {letters}")
    print(f"   labels never rise again: {monotone}")
    agree = 0
    checked: Counter[str] = Counter()
    for each in examples:
        problem = replace(each.problem, answer=gold[plain(each.problem.text)])
        verdict = await MathVerifier(seconds=30.0).verify(problem, each.labeled.trace.text)
        agree += verdict.correct == (values(each)[-1] == 1.0)
        said = await CheckedLabeler(processes=1).label(problem, each.labeled.trace)
        for label, value in zip(said.labels, values(each), strict=True):
            checked[f"{'false arithmetic' if label else 'no false arithmetic'}, {'+' if value else '-'}"] += 1
    print(f"   last label is the verdict on the answer: {agree}")
    print(f"   steps: {dict(checked)}")


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def values(example: Example) -> list[float]:
    return [label.value for label in example.labeled.labels if label is not None]


if __name__ == "__main__":
    main()
