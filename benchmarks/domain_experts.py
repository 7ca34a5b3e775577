"""Heads per domain on one frozen SmolLM2-135M, against one head for all: a matrix with intervals, on experts' labels.

MR-Ben (biology, chemistry, maths, physics), problems split by the hash of their text: 55 % teach, 15 % calibrate, 30 %
judge. Features are those of the recipe human-steps-smollm2 (layers 16 and 21, mean over the step, bfloat16); they take
six minutes of one core once and are kept in the folder given.

    STEPWARD_DATA=... python benchmarks/domain_experts.py FOLDER
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from stepward.calibrate import FitPerDomain, PerDomain, fit_length_platt, fit_platt, problem_key
from stepward.combine.learned_logistic import FitLogistic
from stepward.combine.linear import Linear
from stepward.combine.log_linear import fit_log_linear
from stepward.combine.routing import fit_by_words
from stepward.combine.signals import Signals, aggregates
from stepward.datasets.mr_ben import MrBen
from stepward.datasets.reading import read
from stepward.evaluation.domains import judge_domains
from stepward.evaluation.steps import Judged, flatten
from stepward.metrics.bootstrap import ClusteredSteps, bootstrap_auroc, wilson
from stepward.metrics.calibration import ece
from stepward.policies.smollm2 import smollm2_folder
from stepward.reward_models.backbone import Backbone, open_codec
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.readout import Readout
from stepward.training.ensemble import fit_ensemble
from stepward.training.examples import Example, Slot, StepExamples
from stepward.training.experts import FitExperts
from stepward.training.features import FeatureStore
from stepward.training.frozen import fit_head
from stepward.training.spec import HeadFit, TrainSpec
from stepward.training.split import fraction
from stepward.types import LabeledTrace, Problem, StepScores, content_key

DOMAINS = ("biology", "chemistry", "math", "physics")
TOKENS_EACH, LONGEST, TRACES_EACH = 130_000, 700, 2
READOUT = Readout(layers=(16, 21), pool="mean")
SPEC = TrainSpec(
    mode="frozen", precision="bfloat16", readout=READOUT, head_fit=HeadFit(penalties=(0.1, 0.3, 1.0, 3.0, 10.0))
)
Pair = tuple[Problem, LabeledTrace]


@dataclass
class Side:
    """Labelled traces with their features, one side of the split."""

    pairs: list[Pair]
    examples: list[Example]
    states: torch.Tensor

    @property
    def domains(self) -> list[str]:
        return [problem.domain for problem, _ in self.pairs]

    def probabilities(self, head: ScoreHead) -> list[np.ndarray]:
        with torch.no_grad():
            flat = torch.sigmoid(head(self.states)[:, 0].double())
        counts = [len(example.encoded.read_positions) for example in self.examples]
        return [part.numpy() for part in flat.split(counts)]


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    teach, tune, judge = sides(folder)
    for name, side in (("teach", teach), ("calibrate", tune), ("judge", judge)):
        print(f"{name}: {len({p.id for p, _ in side.pairs})} problems, {len(side.pairs)} traces")
    domain_of = {problem_key(problem): problem.domain for problem, _ in teach.pairs}
    shared = fit_head(teach.states, teach.examples, SPEC)
    heads = {"one head for all": dict.fromkeys(DOMAINS, shared.head)}
    for name, fit in (
        ("expert, shared + correction", FitExperts()),
        ("expert, alone", FitExperts(correct_shared=False)),
    ):
        found = fit.fit(teach.states, teach.examples, domain_of, SPEC, shared.head)
        heads[name] = dict(found.heads)
    routed(teach, judge)
    matrix(heads, judge)
    compare(heads, tune, judge)
    print(f"\npenalty of the shared head {shared.penalty}")
    uncertainty(fit_ensemble(teach.states, teach.examples, SPEC, penalty=shared.penalty).heads, judge)
    hybrid(shared.head, teach, tune, judge)


def sides(folder: Path) -> list[Side]:
    """The chosen traces, read once, in three parts that share no problem text."""
    codec = open_codec(smollm2_folder(), STEPWARD_DEFAULT)
    pairs = [pair for domain in DOMAINS for pair in chosen(domain, codec)]
    examples = StepExamples().build(codec, pairs).examples
    backbone = Backbone.open(smollm2_folder(), STEPWARD_DEFAULT, precision="bfloat16")
    backbone.drop_above(READOUT.deepest(backbone.layers))
    store = FeatureStore(folder=folder)
    states = store.read(backbone, READOUT, [each.encoded for each in examples], progress=lambda told: print(told))
    parts = states.split([len(each.encoded.read_positions) for each in examples])
    place = [fraction(example.group, 7) for example in examples]
    found = []
    for low, high in ((0.0, 0.55), (0.55, 0.7), (0.7, 1.0)):
        own = [index for index, at in enumerate(place) if low <= at < high]
        found.append(Side([pairs[i] for i in own], [examples[i] for i in own], torch.cat([parts[i] for i in own])))
    return found


def chosen(domain: str, codec: object) -> list[Pair]:
    """Two solutions a problem, of problems in the order of their hash, up to `TOKENS_EACH` tokens."""
    data = Path(os.environ.get("STEPWARD_DATA", "../shared/data"))
    by_problem: dict[str, list[Pair]] = {}
    for example in read(MrBen(), data / "mr_ben" / f"{domain}.json").items:
        named = replace(example.problem, domain=domain)
        by_problem.setdefault(named.id, []).append((named, example.labeled))
    found, tokens = [], 0
    for own in (by_problem[key] for key in sorted(by_problem, key=content_key)):
        for problem, labeled in sorted(own, key=lambda pair: pair[1].trace.id)[:TRACES_EACH]:
            size = len(codec.encode(problem, labeled.trace))  # type: ignore[attr-defined]
            if size <= LONGEST and labeled.target is not None:
                found.append((problem, labeled))
                tokens += size
        if tokens >= TOKENS_EACH:
            break
    return found


def judged(side: Side, values: Sequence[np.ndarray]) -> list[Judged]:
    return [
        Judged(labeled=labeled, scores=StepScores(values=tuple(own.tolist())))
        for (_, labeled), own in zip(side.pairs, values, strict=True)
    ]


def routed(teach: Side, judge: Side) -> None:
    router = fit_by_words([problem for problem, _ in teach.pairs])
    problems = list({problem.id: problem for problem, _ in judge.pairs}.values())
    routes = [router.route(problem) for problem in problems]
    sure = [(route.domain, problem.domain) for route, problem in zip(routes, problems, strict=True) if route.domain]
    print(
        f"\nrouter by words: right {wilson(sum(a == b for a, b in sure), len(sure))}, unsure {len(routes) - len(sure)}"
    )


def matrix(heads: dict[str, dict[str, ScoreHead]], judge: Side) -> None:
    """AUROC of every head on every domain."""
    own = {domain: [i for i, each in enumerate(judge.domains) if each == domain] for domain in DOMAINS}
    rows = {"one head for all": heads["one head for all"][DOMAINS[0]]}
    rows |= {f"{domain} alone": head for domain, head in heads["expert, alone"].items()}
    print(f"\nAUROC of steps {'':12}" + "".join(f"{domain:>24}" for domain in DOMAINS))
    for name, head in rows.items():
        scores = judged(judge, judge.probabilities(head))
        cells = [bootstrap_auroc(flatten([scores[i] for i in own[domain]]), seed=0) for domain in DOMAINS]
        print(f"{name:27}" + "".join(f"{cell!s:>24}" for cell in cells))


def compare(heads: dict[str, dict[str, ScoreHead]], tune: Side, judge: Side) -> None:
    """Each problem by the head of its own domain, beside the one head, raw and calibrated together or by domain."""
    named = {}
    for name, by_domain in heads.items():
        raw = {id(side): by_own_domain(side, by_domain) for side in (tune, judge)}
        steps = flatten(judged(tune, raw[id(tune)]))
        domains = {labeled.trace.problem_id: problem.domain for problem, labeled in tune.pairs}
        apart = FitPerDomain(fewest=100).fit(steps.scores_S, steps.good_S, [domains[str(p)] for p in steps.problem_S])
        pooled = PerDomain(by_domain={}, pooled=fit_platt(steps.scores_S, steps.good_S))
        named[name] = judged(judge, raw[id(judge)])
        for kind, calibrator in (("Platt", pooled), ("Platt by domain", apart)):
            values = [
                calibrator.at(domain).transform(v) for domain, v in zip(judge.domains, raw[id(judge)], strict=True)
            ]
            named[f"{name}, {kind}"] = judged(judge, values)
    domain_of = {problem.id: problem.domain for problem, _ in judge.pairs}
    print(f"\n{'domain':10}{'scorer':50}{'steps':>6}{'AUROC':>22}{'gain':>24}{'ECE':>22}{'Brier':>22}")
    for row in judge_domains(named, domain_of, seed=0):
        gain = str(row.gain) if row.gain else ""
        print(f"{row.domain:10}{row.scorer:50}{row.steps:6}{row.auroc!s:>22}{gain:>24}{row.ece!s:>22}{row.brier!s:>22}")


def by_own_domain(side: Side, by_domain: dict[str, ScoreHead]) -> list[np.ndarray]:
    found = {domain: side.probabilities(head) for domain, head in by_domain.items()}
    return [found[domain][index] for index, domain in enumerate(side.domains)]


def uncertainty(heads: Sequence[ScoreHead], judge: Side) -> None:
    """Whether an ensemble's spread tells where its mean is wrong."""
    all_heads = [np.concatenate(judge.probabilities(head)) for head in heads]
    mean, spread = np.mean(all_heads, axis=0), np.std(all_heads, axis=0, ddof=1)
    labels = [label for _, labeled in judge.pairs for label in labeled.labels]
    problem = [labeled.trace.problem_id for _, labeled in judge.pairs for _ in labeled.labels]
    kept = [i for i, label in enumerate(labels) if label is not None]
    right = [bool((mean[i] >= 0.5) == labels[i].good) for i in kept]
    rows = ClusteredSteps(scores_S=-spread[kept], good_S=right, problem_S=[problem[i] for i in kept])
    distance = ClusteredSteps(scores_S=np.abs(mean[kept] - 0.5), good_S=right, problem_S=rows.problem_S)
    print(f"{len(heads)} heads: spread ranks right decisions first, AUROC {bootstrap_auroc(rows, seed=0)};")
    print(f"the distance of the mean from 1/2 does so with {bootstrap_auroc(distance, seed=0)}")


def hybrid(prm: ScoreHead, teach: Side, tune: Side, judge: Side) -> None:
    """An ORM on the last step, and ways to join it with the PRM: AUROC of whole traces."""
    orm = fit_head(
        teach.states, [outcome_example(e, p) for e, p in zip(teach.examples, teach.pairs, strict=True)], SPEC
    )
    signals = {id(side): with_outcome(side, prm, orm.head) for side in (tune, judge)}
    correct = {id(side): np.array([labeled.first_error is None for _, labeled in side.pairs]) for side in (tune, judge)}
    groups = {id(side): [problem.id for problem, _ in side.pairs] for side in (tune, judge)}
    fitted = fit_log_linear(signals[id(tune)], correct[id(tune)], groups[id(tune)])
    print("\nlog-linear: " + ", ".join(f"{name} {weight}" for name, weight in fitted.weights.items()))
    learned = FitLogistic(outcome=True, penalty=0.1).fit(signals[id(tune)], correct[id(tune)])
    ways = {
        "PRM, geometric mean": Linear(outcome=0.0),
        "PRM, min": Linear(outcome=0.0, reduce="min"),
        "ORM": Linear(outcome=1.0),
        "linear, half and half": Linear(outcome=0.5),
        "log-linear": fitted.combination,
        "learned on features": learned,
    }
    for name, way in ways.items():
        values = way.combine(signals[id(judge)])
        rows = ClusteredSteps(scores_S=values, good_S=correct[id(judge)], problem_S=groups[id(judge)])
        print(f"{name:24} AUROC of traces {bootstrap_auroc(rows, seed=0)}, ECE {ece(values, correct[id(judge)]):.3f}")
    product = {id(side): aggregates(signals[id(side)], "product") for side in (tune, judge)}
    steps = {id(side): [len(s.steps) for s in signals[id(side)]] for side in (tune, judge)}
    mapped = fit_length_platt(product[id(tune)], steps[id(tune)], correct[id(tune)])
    after = mapped.transform_traces(product[id(judge)], steps[id(judge)])
    before_ece, after_ece = ece(product[id(judge)], correct[id(judge)]), ece(after, correct[id(judge)])
    print(f"product as P(right): ECE {before_ece:.3f}, by Platt with log T (c = {mapped.c:.2f}) {after_ece:.3f}")


def outcome_example(example: Example, pair: Pair) -> Example:
    last = len(example.encoded.read_positions) - 1
    return replace(example, slots=(Slot(step=last, target=float(pair[1].first_error is None)),))


def with_outcome(side: Side, prm: ScoreHead, orm: ScoreHead) -> list[Signals]:
    steps, outcomes = side.probabilities(prm), side.probabilities(orm)
    return [Signals(steps=tuple(p.tolist()), outcome=float(o[-1])) for p, o in zip(steps, outcomes, strict=True)]


if __name__ == "__main__":
    sys.exit(__doc__) if len(sys.argv) < 2 else main(Path(sys.argv[1]))
