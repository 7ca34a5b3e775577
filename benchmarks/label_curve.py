"""How often labels name the first wrong step, for what they cost: the curve of docs/labels.md.

Traces of the procedural world by the quick-start policy, whose truth is exact. The rivals are rollouts of fixed K from
every prefix: `alone`, each trace for itself, which is what public code does, and `shared`, each distinct prefix once,
which is our own. Every labeler sees the same completions, kept in FOLDER (drawing them takes most of the time; a second
run needs no model). Labels of all sampling seeds are pooled; intervals are of a bootstrap over problems.

    python benchmarks/label_curve.py FOLDER [--problems 100] [--problem-seed 402] [--seeds 3] [--values 30] [--svg FILE]

Settings were chosen with --problem-seed 301 --problems 60 --seeds 1.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from replay import SAMPLING, WORLD, Attempts, Replay, draw_attempts, label

from stepward.config import build
from stepward.evaluation.label_quality import FirstErrors, first_error_difference, judge_first_errors
from stepward.evaluation.value_quality import judge_values
from stepward.metrics.bootstrap import Interval, bootstrap_ratio
from stepward.protocols import Labeler, Relabeler, Resources
from stepward.reports.model import Curve, Figure
from stepward.reports.plots import save
from stepward.types import Json, LabeledTrace, Problem, Spend, Trace
from stepward.world.checker import WorldChecker

FIXED = (1, 2, 4, 8, 16, 32)
RIVAL = "fixed, shared: K 8"


@dataclass(frozen=True, kw_only=True)
class Alone:
    """Labels each trace for itself: nothing is shared between the traces of a problem."""

    inner: Labeler

    async def label(self, problem: Problem, trace: Trace, resources: Resources) -> LabeledTrace:
        return await self.inner.label(problem, trace, resources)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One labeler with one setting."""

    family: str
    setting: str
    spec: dict[str, Json]
    alone: bool = False

    @property
    def name(self) -> str:
        return f"{self.family}: {self.setting}"

    def labeler(self, seed: int) -> Labeler:
        sampling = replace(SAMPLING, seed=seed)
        made = cast("Labeler", build("labeler", self.spec, "labeler"))
        seeded = cast("Labeler", replace(made, sampling=sampling))  # type: ignore[type-var]
        return Alone(inner=seeded) if self.alone else seeded


def stop(**settings: Json) -> dict[str, Json]:
    return {"stop": settings}


BELIEFS: dict[str, Json] = {"alive": [2.0, 2.0], "dead": [0.3, 3.0]}
HALVES: dict[str, Json] = {"use": "omega", "fill": "monotone", "root": False}

ARMS: tuple[Arm, ...] = (
    *(Arm(family="fixed, alone", setting=f"K {n}", spec={"use": "rollout", "n": n}, alone=True) for n in FIXED),
    *(Arm(family="fixed, shared", setting=f"K {n}", spec={"use": "rollout", "n": n}) for n in FIXED),
    *(
        Arm(
            family="adaptive",
            setting=f"any success of {n}",
            spec={"use": "adaptive"} | stop(first_success=True, batch=1, most=n),
        )
        for n in (2, 4, 8, 16)
    ),
    *(
        Arm(family="OmegaPRM", setting=f"any success of {n}", spec=HALVES | stop(first_success=True, batch=1, most=n))
        for n in (2, 3, 4, 8)
    ),
    Arm(
        family="OmegaPRM, problem asked",
        setting="any success of 4",
        spec=HALVES | stop(first_success=True, batch=1, most=4) | {"root": True},
    ),
    Arm(family="OmegaPRM, as published", setting="k 8", spec={"use": "omega", "fill": "monotone", "k": 8}),
    *(
        Arm(
            family="first error, ends only",
            setting=f"sure at {sure}",
            spec={
                "use": "first_error",
                "paths": False,
                "explore": 0,
                "least": 0.01,
                "most": most,
                "confidence": sure,
                "beliefs": BELIEFS,
            },
        )
        for sure, most in ((0.55, 4), (0.6, 4), (0.65, 4), (0.75, 6))
    ),
    *(
        Arm(
            family="first error",
            setting=f"explore {explore}, least 0.08",
            spec={"use": "first_error", "explore": explore, "least": 0.08},
        )
        for explore in (1, 2, 4, 8)
    ),
    Arm(family="first error, defaults", setting="explore 4, least 0.04", spec={"use": "first_error"}),
)


@dataclass
class Measured:
    """What one arm came to: the same traces once for each sampling seed."""

    arm: Arm
    labels: list[LabeledTrace] = field(default_factory=list)
    truth: list[LabeledTrace] = field(default_factory=list)

    def add(self, rows: Sequence[tuple[Problem, list[LabeledTrace]]]) -> None:
        for problem, found in rows:
            self.labels += found
            self.truth += [WorldChecker().check(problem, each.trace) for each in found]

    def first_errors(self) -> FirstErrors:
        return judge_first_errors(self.labels, self.truth, seed=0)

    @property
    def spend(self) -> Spend:
        return sum((each.spend for each in self.labels), Spend())

    def tokens(self) -> dict[str, int]:
        by_problem: dict[str, int] = defaultdict(int)
        for each in self.labels:
            by_problem[each.trace.problem_id] += each.spend.policy_tokens
        return by_problem

    def ratio(self, other: Measured) -> Interval:
        """Its policy tokens over the other's, with an interval over problems."""
        mine, theirs = self.tokens(), other.tokens()
        return bootstrap_ratio([mine[key] for key in theirs], list(theirs.values()), seed=0)


def measure(replay: Replay, arms: Sequence[Arm], attempts: Attempts, seeds: int) -> Iterator[Measured]:
    for arm in arms:
        found = Measured(arm=arm)
        for seed in range(seeds):
            found.add(label(replay, arm.labeler(seed), attempts))
        yield found


def wrong_only(attempts: Attempts) -> Attempts:
    """The traces whose answer is wrong."""
    checker = WorldChecker()
    kept = [(p, [t for t in traces if not checker.check(p, t).verdict.correct]) for p, traces in attempts]  # type: ignore[union-attr]
    return [(problem, traces) for problem, traces in kept if traces]


def report(title: str, rows: Sequence[Measured]) -> list[dict[str, Json]]:
    """A line per arm, and the same as data."""
    rival = next(row for row in rows if row.arm.name == RIVAL)
    traces = len(rival.labels)
    print(f"\n{title}: {traces} labellings of traces\n")
    print(
        f"{'labeler':44}{'tokens':>8}{'prompt':>8}  {'first error found':22}{'of wrong':>9}{'of right':>9}"
        f"  {'less ' + RIVAL:26}tokens over its"
    )
    data: list[dict[str, Json]] = []
    for row in rows:
        told = row.first_errors()
        less = first_error_difference(row.labels, rival.labels, rival.truth, seed=0)
        ratio = row.ratio(rival)
        tokens, prompts = row.spend.policy_tokens / traces, row.spend.prompt_tokens / traces
        print(
            f"{row.arm.name:44}{tokens:8.1f}{prompts:8.0f}  {told.found!s:22}{told.found_of_wrong.value:9.3f}"
            f"{told.found_of_right.value:9.3f}  {less!s:26}{ratio}"
        )
        data.append(
            {
                "family": row.arm.family,
                "name": row.arm.name,
                "tokens": tokens,
                "found": [told.found.value, told.found.low, told.found.high],
            }
        )
    return data


SOFT: tuple[tuple[str, dict[str, Json], Json], ...] = (
    *((f"fixed, K {n}: share", {"use": "rollout", "n": n}, None) for n in (2, 4, 8, 16)),
    *((f"fixed, K {n}: posterior mean", {"use": "rollout", "n": n}, "posterior_mean") for n in (2, 4, 8, 16)),
    *(
        (
            f"any success of 8: {value}",
            {"use": "adaptive", "value": value} | stop(first_success=True, batch=1, most=8),
            None,
        )
        for value in ("share", "posterior")
    ),
)
REFERENCE_DRAWS, REFERENCE_SEED = 256, 77


def report_values(replay: Replay, attempts: Attempts, seeds: int) -> None:
    """Soft labels against values from `REFERENCE_DRAWS` other completions; steps that end a trace are left out."""
    reference = Arm(family="", setting="", spec={"use": "rollout", "n": REFERENCE_DRAWS}).labeler(REFERENCE_SEED)
    values = [open_steps(each) for _, found in label(replay, reference, attempts) for each in found]
    print(f"\nsoft labels of {len(values)} traces against {REFERENCE_DRAWS} other completions\n")
    print(f"{'label':34}{'squared error':28}{'bias':28}calibration error")
    for name, spec, relabeler in SOFT:
        made = cast("Relabeler", build("relabeler", relabeler, "relabeler")) if relabeler else None
        said: list[LabeledTrace] = []
        for seed in range(seeds):
            for problem, found in label(replay, Arm(family="", setting="", spec=spec).labeler(seed), attempts):
                said += made.relabel(problem, found) if made else found
        told = judge_values(said, values * seeds, seed=0)
        print(f"{name:34}{told.squared_error!s:28}{told.bias!s:28}{told.calibration_error:.3f}")


def open_steps(labeled: LabeledTrace) -> LabeledTrace:
    """Without the label of the step that ends the trace: that is its verdict, the same for everybody."""
    return replace(labeled, labels=(*labeled.labels[:-1], None) if len(labeled.trace) else ())


def figure(data: Sequence[dict[str, Json]]) -> Figure:
    """A line per family; one with a single setting stands in the table alone."""
    families: dict[str, list[dict[str, Json]]] = defaultdict(list)
    for row in data:
        families[str(row["family"])].append(row)
    return Figure(
        title="First errors found per policy token",
        x_label="policy tokens to label one trace",
        y_label="share of traces whose first error, or its absence, is named exactly",
        curves=tuple(_curve(family, rows) for family, rows in families.items() if len(rows) > 1),
        log_x=True,
    )


def _curve(family: str, rows: Sequence[dict[str, Json]]) -> Curve:
    ordered = sorted(rows, key=lambda row: cast("float", row["tokens"]))
    found = [cast("list[float]", row["found"]) for row in ordered]
    return Curve(
        name=family,
        xs=tuple(max(1.0, cast("float", row["tokens"])) for row in ordered),
        ys=tuple(each[0] for each in found),
        lows=tuple(each[1] for each in found),
        highs=tuple(each[2] for each in found),
        style="reference" if family == "fixed, alone" else "line",
    )


def main(asked: argparse.Namespace) -> None:
    asked.folder.mkdir(parents=True, exist_ok=True)
    replay = Replay(path=asked.folder / "draws.jsonl")
    attempts = draw_attempts(replay, WORLD.draw(asked.problems, asked.problem_seed))
    arms = [arm for arm in ARMS if not asked.only or asked.only in arm.name or arm.name == RIVAL]
    data = report("all traces", list(measure(replay, arms, attempts, asked.seeds)))
    report("traces with a wrong answer, one sampling seed", list(measure(replay, arms, wrong_only(attempts), 1)))
    (asked.folder / f"curve-{asked.problem_seed}.json").write_text(json.dumps(data, indent=1))
    if asked.values:
        report_values(replay, attempts[: asked.values], asked.seeds)
    if asked.svg:
        drawn = save(figure(data), asked.svg).read_text()
        asked.svg.write_text(drawn.replace("fill: none", "fill: #ffffff", 1))  # its own ground: pages may be dark


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--problems", type=int, default=100)
    parser.add_argument("--problem-seed", type=int, default=402)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="arms whose name holds this, and the rival")
    parser.add_argument("--values", type=int, default=0, help="problems on which soft labels are judged, at 256 draws")
    parser.add_argument("--svg", type=Path)
    main(parser.parse_args())
