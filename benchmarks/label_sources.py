"""What labels of each source are worth for the same policy tokens: against truth, and as teachers of a PRM.

Every source gets problem after problem of the procedural world, TRACES attempts each, until BUDGET policy tokens are
written, the attempts included: a cheap source labels more problems. Labels are compared with the world's exact truth.
Then two PRMs are taught by each source, heads on the frozen quick-start policy: `surprise` reads what the policy
thought of a step (the quick start's PRM), `states` reads hidden states and has to learn all from the labels. They are
judged on problems that nobody was trained on: AUROC of steps, first errors found at the threshold that is best on 60
further problems with truth, best of 16 by the lowest step score. Trainings are repeated on other problems; figures are
means over trainings, intervals are of a bootstrap over the test problems.

    python benchmarks/label_sources.py FOLDER [--budget 60000] [--trainings 2] [--development]

Draws and features are kept in FOLDER: a second run goes on, and the table is printed after every training.
--development takes other problems: settings were chosen there.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

import numpy as np
import torch
from replay import SAMPLING, WORLD, Attempts, Replay, draw_attempts, label

from stepward.config import build
from stepward.evaluation.label_quality import judge_labels
from stepward.evaluation.steps import Judged, flatten
from stepward.metrics.bootstrap import Interval, bootstrap_auroc, bootstrap_mean, bootstrap_ratio
from stepward.metrics.first_error import decode_threshold
from stepward.metrics.selection import best_of_n
from stepward.pipeline.parts import model_folder
from stepward.protocols import Consensus, Labeler, Relabeler
from stepward.reward_models.backbone import Backbone, open_codec
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.readout import Readout
from stepward.training.examples import StepExamples
from stepward.training.features import FeatureStore
from stepward.training.frozen import fit_head
from stepward.training.spec import HeadFit, TrainSpec
from stepward.types import Json, LabeledTrace, Problem, Spend, StepScores
from stepward.world.checker import WorldChecker

FIT = HeadFit(penalties=(0.03, 0.3), folds=3, iterations=60)
STUDENTS = {
    "surprise": TrainSpec(mode="frozen", readout=Readout(layers=(), surprise=True), head_hidden=8, head_fit=FIT),
    "states": TrainSpec(mode="frozen", readout=Readout(layers=(2, 4), pool="both"), head_fit=FIT),
}
PART = 16
"""Problems labelled together: what a source overshoots its budget by, at most, is taken off again."""
LIMIT = 1200
"""Problems at most: no source may run out."""
SAMPLES = 16
RIVAL = "rollout, hard"

Rows = list[tuple[Problem, list[LabeledTrace]]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Who labels, and what becomes of the labels."""

    name: str
    labeler: Json
    relabel: tuple[Json, ...] = ()
    second: Json = None
    """A second labeler, whose labels must agree with the first's."""
    consensus: Json = None
    view: Literal["hard", "soft"] = "hard"
    samples: int = 4
    """Attempts at a problem."""
    harvest: bool = False
    """Whether the labeler's own traces teach too."""

    def label(self, replay: Replay, attempts: Attempts, seed: int) -> Rows:
        rows = label(replay, seeded(self.labeler, seed), attempts, harvest=self.harvest)
        for spec in self.relabel:
            made = cast("Relabeler", build("relabeler", spec, "relabeler"))
            rows = [(problem, made.relabel(problem, labeled)) for problem, labeled in rows]
        if self.second is None:
            return rows
        agree = cast("Consensus", build("consensus", self.consensus, "consensus")).agree
        others = label(replay, seeded(self.second, seed), attempts)
        return [
            (problem, [replace(agree(problem, [a, b]), spend=a.spend + b.spend) for a, b in zip(one, two, strict=True)])
            for (problem, one), (_, two) in zip(rows, others, strict=True)
        ]


def seeded(spec: Json, seed: int) -> Labeler:
    made = cast("Labeler", build("labeler", spec, "labeler"))
    sampled = hasattr(made, "sampling")
    return cast("Labeler", replace(made, sampling=replace(SAMPLING, seed=seed))) if sampled else made  # type: ignore[type-var]


ROLLOUT: Json = {"use": "rollout", "n": 8}
ROOTED: Json = {"use": "rollout", "n": 8, "root": True}
SEARCH: Json = {"use": "first_error", "least": 0.08}
ENDS: Json = {
    "use": "first_error",
    "paths": False,
    "explore": 0,
    "least": 0.01,
    "most": 4,
    "confidence": 0.65,
    "beliefs": {"alive": [2.0, 2.0], "dead": [0.3, 3.0]},
}
HALVES: Json = {
    "use": "omega",
    "fill": "monotone",
    "root": False,
    "stop": {"first_success": True, "batch": 1, "most": 4},
}
GROWN: Json = {"use": "omega", "grow": {"searches": 8, "screen": 8}}
SOURCES = (
    Source(name="truth (ceiling)", labeler="world"),
    Source(name=RIVAL, labeler=ROLLOUT),
    Source(name="rollout, soft", labeler=ROLLOUT, view="soft"),
    Source(name="rollout, ratio >= 0.8", labeler=ROOTED, relabel=("ratio",)),
    Source(name="rollout, effective", labeler=ROOTED, relabel=("effective",)),
    Source(
        name="adaptive, any of 8",
        labeler={"use": "adaptive", "stop": {"first_success": True, "batch": 1, "most": 8}},
    ),
    Source(name="first error", labeler=SEARCH),
    Source(name="first error, soft", labeler={"use": "first_error", "least": 0.08, "labels": "soft"}, view="soft"),
    Source(name="first error, ends only", labeler=ENDS),
    Source(name="OmegaPRM, one search a trace", labeler=HALVES),
    Source(name="OmegaPRM, grown tree, soft", labeler=GROWN, view="soft", harvest=True),
    Source(name="tree values of 16, soft", labeler="tree_value", view="soft", samples=16),
    Source(name="outcome, spread", labeler={"use": "outcome", "spread": True}),
    Source(name="checked arithmetic", labeler={"use": "checked", "says": "claims", "algebra": False}),
    Source(
        name="consensus: rollout, first error",
        labeler=ROLLOUT,
        second=SEARCH,
        consensus={"use": "first_error", "target": "prefix"},
    ),
)


@dataclass(frozen=True, kw_only=True)
class Lot:
    """What a source made for its budget."""

    rows: Rows
    tokens: int

    @property
    def pairs(self) -> list[tuple[Problem, LabeledTrace]]:
        return [(problem, each) for problem, labeled in self.rows for each in labeled]


def spend_budget(source: Source, replay: Replay, problems: Sequence[Problem], budget: int, seed: int) -> Lot:
    """Labels of problems in order while they fit in `budget`, what the attempts cost included."""
    rows: Rows = []
    tokens = 0
    for start in range(0, len(problems), PART):
        attempts = draw_attempts(replay, problems[start : start + PART], source.samples)
        drawn = {problem.id: sum(trace.spend.policy_tokens for trace in traces) for problem, traces in attempts}
        for problem, labeled in source.label(replay, attempts, seed):
            price = drawn[problem.id] + sum((each.spend for each in labeled), Spend()).policy_tokens
            if tokens + price > budget:
                return Lot(rows=rows, tokens=tokens)
            tokens += price
            rows.append((problem, labeled))
    raise SystemExit(f"{source.name} spent {tokens} of {budget} tokens on {len(problems)} problems: raise LIMIT")


@dataclass(eq=False, kw_only=True)
class Bench:
    """The frozen backbone, its kept features, and the problems that judge."""

    folder: Path
    backbone: Backbone = field(init=False)

    def __post_init__(self) -> None:
        place = model_folder("quickstart")
        self.codec = open_codec(place, STEPWARD_DEFAULT)
        self.backbone = Backbone.open(place, STEPWARD_DEFAULT)
        self.store = FeatureStore(folder=self.folder / "features")

    def teach(self, student: str, view: Literal["hard", "soft"], lot: Lot) -> torch.nn.Module:
        spec = STUDENTS[student]
        examples = StepExamples(view=view).build(self.codec, lot.pairs)
        states = self.store.read(self.backbone, spec.readout, [each.encoded for each in examples.examples])
        return fit_head(states, examples.examples, spec).head

    def judge(self, student: str, head: torch.nn.Module, truth: Sequence[tuple[Problem, LabeledTrace]]) -> list[Judged]:
        encoded = self.codec.encode_many([(problem, labeled.trace) for problem, labeled in truth])
        states = self.store.read(self.backbone, STUDENTS[student].readout, encoded)
        with torch.no_grad():
            flat = torch.sigmoid(head(states)[:, 0].double()).numpy()
        parts = np.split(flat, np.cumsum([len(each.read_positions) for each in encoded])[:-1])
        return [
            Judged(labeled=labeled, scores=StepScores(values=tuple(own.tolist())))
            for (_, labeled), own in zip(truth, parts, strict=True)
        ]


def with_truth(replay: Replay, problems: Sequence[Problem], samples: int) -> list[tuple[Problem, LabeledTrace]]:
    checker = WorldChecker()
    attempts = draw_attempts(replay, problems, samples)
    return [(problem, checker.check(problem, trace)) for problem, traces in attempts for trace in traces if len(trace)]


def best_threshold(judged: Sequence[Judged]) -> float:
    """The threshold of step scores at which most first errors are found."""
    scores = np.concatenate([each.scores.values for each in judged])
    candidates = np.unique(np.quantile(scores, np.linspace(0, 1, 201)))
    return float(max(candidates, key=lambda tau: sum(found(each, float(tau)) for each in judged)))


def found(judged: Judged, tau: float) -> bool:
    return decode_threshold(judged.scores.values, tau) == judged.labeled.first_error


def chosen(judged: Sequence[Judged]) -> float:
    """Whether the attempt whose lowest score is highest is right, for the attempts at one problem."""
    right = [bool(each.labeled.verdict and each.labeled.verdict.correct) for each in judged]
    return best_of_n([min(each.scores.values) for each in judged], right, len(right))


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What one PRM is worth on the test problems, by problem."""

    judged: list[Judged]
    found: dict[str, list[bool]]
    best: dict[str, float]

    @classmethod
    def of(cls, judged: list[Judged], tau: float) -> Judgement:
        by_problem: dict[str, list[Judged]] = {}
        for each in judged:
            by_problem.setdefault(each.problem_id, []).append(each)
        return cls(
            judged=judged,
            found={key: [found(each, tau) for each in own] for key, own in by_problem.items()},
            best={key: chosen(own) for key, own in by_problem.items()},
        )


def over_problems(judgements: Sequence[Judgement], value: Callable[[Judgement, str], float]) -> list[float]:
    """Mean over trainings of a figure of each problem."""
    return [float(np.mean([value(each, key) for each in judgements])) for key in judgements[0].best]


def prm_figures(judgements: Sequence[Judgement], rival: Sequence[Judgement]) -> list[Interval]:
    """AUROC of steps, up to the first error; first errors found; best of 16; the last two less the rival's."""
    aurocs = [bootstrap_auroc(flatten(each.judged), draws=300, seed=0) for each in judgements]
    early = [bootstrap_auroc(flatten(each.judged, to_first_error=True), draws=300, seed=0) for each in judgements]
    sizes = [len(own) for own in rival[0].found.values()]
    hits, best = hits_of(judgements), best_of(judgements)
    return [
        averaged(aurocs),
        averaged(early),
        bootstrap_ratio(hits, sizes, seed=0),
        bootstrap_mean(best, seed=0),
        bootstrap_ratio(np.subtract(hits, hits_of(rival)), sizes, seed=0),
        bootstrap_mean(np.subtract(best, best_of(rival)), seed=0),
    ]


def hits_of(judgements: Sequence[Judgement]) -> list[float]:
    return over_problems(judgements, lambda each, key: sum(each.found[key]))


def best_of(judgements: Sequence[Judgement]) -> list[float]:
    return over_problems(judgements, lambda each, key: each.best[key])


def averaged(intervals: Iterable[Interval]) -> Interval:
    """Means of values and of bounds: as wide as one training's interval."""
    rows = list(intervals)
    value, low, high = (float(np.mean([getattr(each, name) for each in rows])) for name in ("value", "low", "high"))
    return Interval(value=value, low=low, high=high)


@dataclass
class Results:
    """What every source made and taught so far."""

    sources: Sequence[Source]
    lots: dict[str, list[Lot]] = field(default_factory=lambda: defaultdict(list))
    judged: dict[tuple[str, str], list[Judgement]] = field(default_factory=lambda: defaultdict(list))
    """By source and student."""

    def show(self, folder: Path, budget: int) -> None:
        """The tables, and the same as data."""
        trainings = len(self.lots[RIVAL])
        print(f"\n{budget} policy tokens a source, trainings so far: {trainings}\n")
        data: dict[str, Json] = {}
        print("| labels of | problems | steps | right | first error, of told | told |\n|---|---|---|---|---|---|")
        for source in self.sources:
            data[source.name] = cells = self._labels(source, trainings)
            print(f"| {source.name} | {' | '.join(cells)} |")
        for student in STUDENTS:
            print(f"\n| PRM `{student}` taught by | AUROC | up to first error | first error | best of 16 ", end="")
            print("| first error, less rollout hard | best of 16, less rollout hard |\n|---|---|---|---|---|---|---|")
            for source in self.sources:
                figures = prm_figures(self.judged[source.name, student], self.judged[RIVAL, student])
                data[f"{source.name}/{student}"] = [str(each) for each in figures]
                print(f"| {source.name} | {' | '.join(map(str, figures))} |")
        (folder / f"sources-{budget}.json").write_text(json.dumps(data, indent=1))

    def _labels(self, source: Source, trainings: int) -> list[str]:
        pairs = [pair for lot in self.lots[source.name] for pair in lot.pairs if len(pair[1].trace)]
        truth = [WorldChecker().check(problem, said.trace) for problem, said in pairs]
        quality = judge_labels([said for _, said in pairs], truth, seed=0)
        problems = np.mean([len(lot.rows) for lot in self.lots[source.name]])
        return [
            f"{problems:.0f}",
            f"{quality.steps / trainings:.0f}",
            str(quality.accuracy),
            str(quality.first_errors.accuracy),
            f"{quality.first_errors.told.value:.2f}",
        ]


def main(asked: argparse.Namespace) -> None:
    torch.set_num_threads(1)
    asked.folder.mkdir(parents=True, exist_ok=True)
    replay, bench = Replay(path=asked.folder / "draws.jsonl"), Bench(folder=asked.folder)
    shift = 50 if asked.development else 0
    test_problems, tune_problems = WORLD.draw(asked.test, 701 + shift), WORLD.draw(60, 721 + shift)
    test, tune = with_truth(replay, test_problems, SAMPLES), with_truth(replay, tune_problems, 4)
    unseen = {problem.id for problem in (*test_problems, *tune_problems)}
    results = Results([each for each in SOURCES if not asked.only or asked.only in each.name or each.name == RIVAL])
    for training in range(asked.trainings):
        problems = [problem for problem in WORLD.draw(LIMIT, 402 + shift + training) if problem.id not in unseen]
        for source in results.sources:
            lot = spend_budget(source, replay, problems, asked.budget, training)
            results.lots[source.name].append(lot)
            for student in STUDENTS:
                head = bench.teach(student, source.view, lot)
                tau = best_threshold(bench.judge(student, head, tune))
                judged = bench.judge(student, head, test)
                results.judged[source.name, student].append(Judgement.of(judged, tau))
            print(f"training {training}: {source.name}, {len(lot.rows)} problems, {lot.tokens} tokens", flush=True)
        results.show(asked.folder, asked.budget)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--budget", type=int, default=60_000)
    parser.add_argument("--trainings", type=int, default=2)
    parser.add_argument("--test", type=int, default=100, help="problems that judge")
    parser.add_argument("--development", action="store_true")
    parser.add_argument("--only", default="", help="sources whose name holds this, and the rival")
    main(parser.parse_args())
