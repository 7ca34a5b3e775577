"""Joins step scores and outcome scores into one number per trace, behind gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stepward.calibrate import problem_folds, problem_key, refuse_shared_problems
from stepward.codec import to_json
from stepward.combine.boosted_trees import FitTrees
from stepward.combine.gates import Evidence, GatedPool, Gates, gate_pool, gate_report, ordered_pool
from stepward.combine.learned_logistic import FitLogistic
from stepward.combine.linear import Linear
from stepward.combine.log_linear import fit_log_linear
from stepward.combine.rank_mean import RankMean
from stepward.combine.records import to_json as combination_to_json
from stepward.combine.risk import RiskControl, Threshold
from stepward.combine.signals import Combination, Fitted, Signals
from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.pipeline.workshop import Workshop
from stepward.types import Json, Origin, StepScores, Trace, TraceScore, content_key

How = Literal["linear", "rank_mean", "log_linear", "learned_logistic", "boosted_trees"]
FITTED = ("log_linear", "learned_logistic", "boosted_trees")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Stages that tell of the same traces."""

    labels: str
    """Traces, and verdicts that say which are right."""
    steps: str
    """Step scores, probabilities."""
    outcomes: str = ""
    """Scores by an ORM, of which each trace's last counts; none for a combination of step scores alone."""


@dataclass(frozen=True, kw_only=True)
class CombineScores:
    """One number for each trace of `on` that passes the gates, as `combined`; `fit` names data of other problems."""

    on: Scored
    how: How = "linear"
    outcome_share: float = 0.5
    """w_o of linear and rank_mean."""
    reduce: str = "geometric_mean"
    """Of the step scores, for linear, rank_mean and log_linear."""
    fit: Scored | None = None
    """What the others learn from; refused where it shares a problem with `on`."""
    gates: Gates = Gates()
    risk: RiskControl | None = None
    """Gate out what scores below a threshold that keeps this promise; fitted on half of `fit`'s problems."""

    def __post_init__(self) -> None:
        if (self.how in FITTED or self.risk is not None) and self.fit is None:
            raise ConfigError(f"{self.how} needs data to be fitted on", mend="name stages under fit")
        if self.risk is not None and self.how == "rank_mean":
            raise ConfigError("a rank within the problem promises nothing across problems", got=self.how)

    def run(self, shop: Workshop) -> Json:
        """Fit, combine pool by pool, and keep every refusal with its reasons."""
        combination, threshold, about = self._fitted(shop)
        pools = self._pools(shop, self.on)
        records = shop.records("combined")
        origin = Origin(maker=f"scorer:{self.how}", revision=content_key(combination_to_json(combination)))
        gated: dict[str, GatedPool] = {}
        refused: dict[str, Json] = {}
        for problem, own in pools.items():
            values = combination.combine([self._signals(row) for row in own.values()]).tolist()
            pool = gate_pool(self.gates, [_evidence(row) for row in own.values()], values)
            gated[problem] = pool = _behind(threshold, pool, values)
            for key, value, reasons in zip(own, values, pool.reasons, strict=True):
                if reasons:
                    refused[key] = list(reasons)
                elif key not in records:
                    records.append(key, to_json(TraceScore(value=value, scorer=origin)))
        report = gate_report(list(gated.values()))
        shop.run.write_json(f"{shop.stage}/combination.json", {**about, "gates": to_json(self.gates)})
        shop.run.write_json(f"{shop.stage}/refused.json", {"report": to_json(report), "traces": refused})
        line = f"{report.traces} traces of {report.problems} problems, {len(refused)} refused"
        return {"headline": f"{line}, abstained on {report.abstention_rate:.1%}", **about}

    def _fitted(self, shop: Workshop) -> tuple[Combination, Threshold | None, dict[str, Json]]:
        """The combination, the threshold, and both as data."""
        if self.fit is None:
            chosen = Linear if self.how == "linear" else RankMean
            combination: Combination = chosen(outcome=self.outcome_share, reduce=self.reduce)
            return combination, None, {"combination": combination_to_json(combination)}
        self._refuse_overlap(shop, self.fit)
        learn, promise = self._split(shop, self.fit)
        fitted = self._fit(learn, shop.seed)
        threshold = None
        if self.risk is not None:
            values = fitted.combination.combine([self._signals(row) for row in promise])
            threshold = self.risk.fit(values, [row.correct for row in promise], [row.problem for row in promise])
        about: dict[str, Json] = {
            "combination": combination_to_json(fitted.combination),
            "fitted on": {"problems": fitted.problems, "traces": fitted.traces},
            "weights": {name: to_json(weight) for name, weight in fitted.weights.items()},
            "threshold": None if threshold is None else to_json(threshold),
        }
        return fitted.combination, threshold, about

    def _fit(self, rows: Sequence[_Row], seed: int) -> Fitted:
        traces, correct = [self._signals(row) for row in rows], [row.correct for row in rows]
        problems = [row.problem for row in rows]
        if self.how == "log_linear":
            return fit_log_linear(traces, correct, problems, reduce=self.reduce, seed=seed)
        outcome = self.on.outcomes != ""
        if self.how == "learned_logistic":
            found: Combination = FitLogistic(outcome=outcome).fit(traces, correct)
        elif self.how == "boosted_trees":
            found = FitTrees(outcome=outcome, seed=seed).fit(traces, correct)
        else:
            found = Linear(outcome=self.outcome_share, reduce=self.reduce)
        return Fitted(combination=found, problems=len(set(problems)), traces=len(rows))

    def _split(self, shop: Workshop, fit: Scored) -> tuple[list[_Row], list[_Row]]:
        """Rows to learn from, and rows to promise on: all and none without risk control."""
        rows = [row for own in self._pools(shop, fit).values() for row in own.values() if row.decided]
        if not rows:
            raise LabelError(f"stage {fit.labels!r} holds no trace with steps and a decided verdict")
        if self.risk is None:
            return rows, []
        half = problem_folds([row.problem for row in rows], folds=2, seed=shop.seed)
        pairs = list(zip(rows, half, strict=True))
        return [row for row, fold in pairs if fold == 0], [row for row, fold in pairs if fold == 1]

    def _refuse_overlap(self, shop: Workshop, fit: Scored) -> None:
        keys = map(problem_key, shop.problems(fit.labels).values())
        refuse_shared_problems(shop.problems(self.on.labels).values(), keys, what="the combination")

    def _pools(self, shop: Workshop, stages: Scored) -> dict[str, dict[str, _Row]]:
        """By problem, then by key, every trace with steps; `ScoreError` where a stage did not score one."""
        labels, steps = shop.labels(stages.labels), shop.scores(stages.steps)
        outcomes = shop.scores(stages.outcomes) if stages.outcomes else {}
        found: dict[str, dict[str, _Row]] = {}
        for key, labeled in labels.items():
            if not len(labeled.trace):
                continue
            verdict = labeled.verdict.correct if labeled.verdict is not None else None
            row = _Row(
                trace=labeled.trace,
                steps=_of(steps, key, stages.steps),
                outcome=_of(outcomes, key, stages.outcomes).values[-1] if stages.outcomes else None,
                correct=bool(verdict),
                decided=verdict is not None,
            )
            found.setdefault(row.problem, {})[key] = row
        return found

    @staticmethod
    def _signals(row: _Row) -> Signals:
        return Signals(steps=row.steps.values, outcome=row.outcome)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    trace: Trace
    steps: StepScores
    outcome: float | None
    correct: bool
    decided: bool

    @property
    def problem(self) -> str:
        return self.trace.problem_id


def _evidence(row: _Row) -> Evidence:
    return Evidence.of(row.trace, row.steps)


def _behind(threshold: Threshold | None, pool: GatedPool, values: Sequence[float]) -> GatedPool:
    """The pool with one reason more for every trace below the threshold."""
    if threshold is None:
        return pool
    tau = "nothing is accepted" if threshold.tau is None else f"below {threshold.tau:.3g}"
    reasons = [
        own if threshold.accepts(value) else (*own, f"combined score {value:.3g}: {tau}")
        for own, value in zip(pool.reasons, values, strict=True)
    ]
    return ordered_pool(reasons, values)


def _of(scores: Mapping[str, StepScores], key: str, stage: str) -> StepScores:
    if key not in scores:
        raise ScoreError(f"stage {stage!r} did not score every trace", got=key, mend="score the same source")
    found = scores[key]
    if found.convention != "probability":
        raise ScoreError(f"stage {stage!r} gave no probabilities", got=found.convention, mend="calibrate the model")
    return found
