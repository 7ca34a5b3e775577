"""A data card: what a set of labelled traces is made of, and what a reader should be warned of.

A `CardTally` takes labelled traces one at a time and keeps counts only (and one short key per trace, to find repeats),
so a card of a set larger than memory can be made. Labels are read in their hard view, `StepLabel.good`.

Warnings are about what misled users of such data before: any-of-k labels of multiple-choice problems, which a guesser
passes; labels that the place of a step predicts; a verifier that could not decide; one class that is nearly everything;
repeats; problems that stand in a benchmark; failures.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from stepward.datasets.contamination import overlaps
from stepward.types import Json, LabeledTrace, Origin, Problem, content_key

MANY = 0.1
"""Share of undecided completions, or of repeats, above which a card warns."""
LOPSIDED = 0.95
PREDICTED, CLEARLY = 0.9, 0.05
"""A card warns where the place of a step tells a larger share of the labels than this, and so much more than the
commoner label does."""
FEWEST = 20
"""Labels at a place below which it says nothing."""
SHOWN = 12
"""Rows of a table."""
VOTERS = ("rollout", "tree")


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """Labels of one group and how many of them are good."""

    group: str
    labels: int
    good: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contamination:
    """Problems that share words with a list of others."""

    references: str
    """Name of the list."""
    size: int
    """Problems of the list."""
    problems: int
    """Problems of this set that share a long run of words with it."""
    pairs: tuple[tuple[str, ...], ...] = ()
    """The first few, as (problem, reference, words)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """What a set of labelled traces is made of."""

    problems: int
    traces: int
    steps: int
    labels: int
    good: int
    targets: Mapping[str, Json]
    """Labels by what they mean."""
    sources: Mapping[str, Json]
    """Labels by where they come from."""
    makers: Mapping[str, Json]
    """Labels by who made them, with revision and settings."""
    writers: Mapping[str, Json]
    """Traces by who wrote them."""
    kinds: Mapping[str, Json]
    """Problems by kind of answer."""
    verdicts: Mapping[str, Json]
    """Traces by verdict; "none" where there is none."""
    first_errors: Mapping[str, Json]
    """Traces by the 0-based place of their first error; "none" without one, "unknown" behind an unlabelled step."""
    by_position: tuple[Balance, ...]
    by_length: tuple[Balance, ...]
    """By the number of steps of the trace."""
    trials: int = 0
    """Completions or votes that the labels rest on."""
    counted: Mapping[str, Json] = field(default_factory=dict)
    """Undecided and failed completions, abstentions: they are in no label."""
    stopped: Mapping[str, Json] = field(default_factory=dict)
    """Traces by why their labeler stopped."""
    repeats: int = 0
    """Traces that stood there before, with the same problem."""
    disputed: int = 0
    """Repeats whose labels differ from those of the first."""
    contamination: tuple[Contamination, ...] = ()
    failures: Mapping[str, Json] = field(default_factory=dict)
    """Problems without labels, by error."""
    cost: Mapping[str, Json] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """What is known of a set besides its traces."""

    references: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    """By name, lists of problems that must not stand in the set."""
    failures: Mapping[str, int] = field(default_factory=dict)
    cost: Mapping[str, Json] = field(default_factory=dict)


class CardTally:
    """Counts labelled traces."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._groups: dict[str, Counter[str]] = {}
        self._good: dict[str, Counter[tuple[int, bool]]] = {"position": Counter(), "length": Counter()}
        self._problems: dict[str, Problem] = {}
        self._seen: dict[str, str] = {}

    def add(self, problem: Problem, labeled: LabeledTrace) -> None:
        """Count one trace."""
        if problem.id not in self._problems:
            self._problems[problem.id] = problem
            self._count("kinds", problem.answer_kind)
        self._counts.update(traces=1, steps=len(labeled.trace))
        self._count("writers", _written(labeled.trace.origin))
        self._count("verdicts", labeled.verdict.outcome if labeled.verdict else "none")
        self._count("first_errors", _first_error(labeled))
        for name in ("undecided", "failed", "abstained"):
            value = labeled.meta.get(name)
            self._count("counted", name, value if isinstance(value, int) else 0)
        if labeled.meta.get("stopped"):
            self._count("stopped", str(labeled.meta["stopped"]))
        self._labels(problem, labeled)
        self._repeat(labeled)

    def card(self, beside: Beside = Beside()) -> DataCard:
        """The card of everything that was counted."""
        card = DataCard(
            problems=len(self._problems),
            traces=self._counts["traces"],
            steps=self._counts["steps"],
            labels=self._counts["labels"],
            good=self._counts["good"],
            **{name: self._shares(name) for name in GROUPS},
            by_position=self._balances("position"),
            by_length=self._balances("length"),
            trials=self._counts["trials"],
            repeats=self._counts["repeats"],
            disputed=self._counts["disputed"],
            contamination=tuple(self._overlap(name, list(each)) for name, each in beside.references.items()),
            failures=dict(beside.failures),
            cost=beside.cost,
            warnings=(),
        )
        return _warned(card, self._counts)

    def _labels(self, problem: Problem, labeled: LabeledTrace) -> None:
        for position, label in enumerate(labeled.labels):
            if label is None:
                continue
            self._counts.update(labels=1, good=label.good, trials=label.trials or 0)
            guessed = problem.answer_kind == "choice" and label.source in VOTERS and (label.trials or 0) > 1
            self._counts.update(guessed=guessed)
            self._count("targets", label.target)
            self._count("sources", label.source)
            self._count("makers", _made(label.origin))
            self._good["position"][position, label.good] += 1
            self._good["length"][len(labeled.trace), label.good] += 1

    def _repeat(self, labeled: LabeledTrace) -> None:
        view = content_key([None if label is None else label.value for label in labeled.labels])
        first = self._seen.setdefault(labeled.trace.id, view)
        known = self._counts["traces"] - self._counts["repeats"] > len(self._seen)
        self._counts.update(repeats=known, disputed=known and first != view)

    def _count(self, group: str, name: str, times: int = 1) -> None:
        self._groups.setdefault(group, Counter())[name] += times

    def _shares(self, group: str) -> dict[str, Json]:
        counted = self._groups.get(group, Counter())
        return {name: count for name, count in counted.most_common() if count}

    def _balances(self, group: str) -> tuple[Balance, ...]:
        counted = self._good[group]
        places = sorted({place for place, _ in counted})
        return tuple(
            Balance(
                group=str(place), labels=counted[place, True] + counted[place, False], good=int(counted[place, True])
            )
            for place in places
        )

    def _overlap(self, name: str, references: Sequence[Problem]) -> Contamination:
        found = overlaps(self._problems.values(), references)
        pairs = tuple((each.problem_id, each.reference_id, each.words) for each in found[:SHOWN])
        hit = len({each.problem_id for each in found})
        return Contamination(references=name, size=len(references), problems=hit, pairs=pairs)


GROUPS = ("targets", "sources", "makers", "writers", "kinds", "verdicts", "first_errors", "counted", "stopped")


def _warned(card: DataCard, counts: Counter[str]) -> DataCard:
    found = [*_about_verdicts(card, counts), *_about_labels(card), *_about_origin(card)]
    return replace(card, warnings=tuple(found))


def _about_verdicts(card: DataCard, counts: Counter[str]) -> list[str]:
    found = []
    undecided = _number(card.counted.get("undecided"))
    asked = undecided + card.trials
    if undecided and undecided == asked:
        found.append(
            f"ALL {undecided:,} completions were undecided: the verifier decides nothing here; nothing is labelled"
        )
    elif undecided > MANY * asked:
        found.append(f"the verifier left {undecided / asked:.0%} of the completions undecided: they are in no label")
    if card.traces and set(card.verdicts) == {"undecided"}:
        found.append("the verdict on EVERY trace is undecided: is the verifier right for these problems?")
    if counts["guessed"]:
        found.append(
            f"{counts['guessed']:,} labels count completions of multiple-choice problems: a guess is right by chance, "
            "so one success of many says little; correct them for chance"
        )
    if card.failures:
        found.append(f"{sum(_number(n) for n in card.failures.values()):,} problems failed and are not in the set")
    return found


def _about_labels(card: DataCard) -> list[str]:
    if not card.labels:
        return ["no step is labelled"] if card.steps else ["the set is empty"]
    found = []
    common = max(card.good, card.labels - card.good) / card.labels
    places = [each for each in card.by_position if each.labels >= FEWEST]
    told = _share([max(each.good, each.labels - each.good) for each in places], places)
    usual = max(_share([each.good for each in places], places), _share([e.labels - e.good for e in places], places))
    if common > LOPSIDED:
        found.append(f"{common:.0%} of the labels are {'good' if 2 * card.good > card.labels else 'bad'}")
    elif told > max(PREDICTED, usual + CLEARLY):
        found.append(f"the place of a step alone tells {told:.0%} of the labels, the commoner label {usual:.0%}")
    if card.labels < (1 - MANY) * card.steps:
        found.append(f"{1 - card.labels / card.steps:.0%} of the steps have no label")
    if len(card.targets) > 1:
        found.append(f"labels of different meaning are mixed: {', '.join(card.targets)}")
    return found


def _about_origin(card: DataCard) -> list[str]:
    found = []
    if card.repeats > MANY * card.traces:
        found.append(
            f"{card.repeats / card.traces:.0%} of the traces are repeats; {card.disputed} of them differ in labels"
        )
    for each in card.contamination:
        if each.problems:
            found.append(f"{each.problems} problems share a long run of words with {each.references}")
    return found


def _share(parts: Sequence[int], groups: Sequence[Balance]) -> float:
    return sum(parts) / sum(each.labels for each in groups) if groups else 0.0


def _number(value: Json) -> int:
    return value if isinstance(value, int) else 0


def _first_error(labeled: LabeledTrace) -> str:
    for index, label in enumerate(labeled.labels):
        if label is None:
            return "unknown"
        if not label.good:
            return str(index)
    return "none"


def _written(origin: Origin) -> str:
    return f"{origin.maker} {origin.revision[:12]}".strip()


def _made(origin: Origin) -> str:
    settings = json.dumps(origin.settings, sort_keys=True) if origin.settings else ""
    return f"{_written(origin)} {settings}".strip()
