"""Replays selection over sampled pools: best of n by each scorer, votes, pass@1 and the oracle."""

from __future__ import annotations

from dataclasses import dataclass

from stepward.codec import to_json
from stepward.errors import ConfigError
from stepward.pipeline.workshop import Workshop
from stepward.search.replay import CurvePoint, Method, Pool, reduced, selection_curves, selection_difference
from stepward.types import Json, LabeledTrace, StepScores, TraceScore
from stepward.verifiers.canonical import canonical_answer


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """One way to turn a stage's step scores into one number per trace."""

    stage: str
    reduce: str = ""
    """A reducer; none for what `combine` made, which is one number already."""
    what: str = "scores"
    """scores, scores-NAME for scores that came with a file, or combined."""

    def __post_init__(self) -> None:
        if (self.what == "combined") == bool(self.reduce):
            raise ConfigError("step scores need a reducer, combined ones none", got=(self.what, self.reduce))

    @property
    def name(self) -> str:
        """Such as "prm/min"; the stage's name for combined scores."""
        if self.what == "combined":
            return self.stage
        return f"{self.what.removeprefix('scores-') if self.what != 'scores' else self.stage}/{self.reduce}"


@dataclass(frozen=True, kw_only=True)
class SelectAnswers:
    """Accuracy of every method at every n in `ns`, over the pools of stage `source`, whose verdicts decide."""

    source: str
    """A stage with labels: each trace's verdict says whether it is right."""
    rows: tuple[ScoreRow, ...]
    ns: tuple[int, ...] = (1, 2, 4, 8, 16)
    votes: tuple[str, ...] = ()
    """Names of rows, such as "prm/min", whose scores also weigh a vote: the answer with the largest sum wins."""
    compare: tuple[tuple[str, str], ...] = ()
    """Pairs of method names whose difference at the largest n gets a paired interval."""

    def __post_init__(self) -> None:
        if not self.ns or min(self.ns) < 1:
            raise ConfigError("ns must hold whole numbers of at least 1", got=self.ns)

    def run(self, shop: Workshop) -> Json:
        """Replay, and keep the curves as `curves.json`."""
        pools = self._pools(shop)
        methods = {method.name: method for method in self._methods()}
        curves = selection_curves(pools, ns=self.ns, methods=list(methods.values()), seed=shop.seed)
        pairs = {
            f"{a} - {b}": selection_difference(
                pools, n=max(self.ns), methods=(_known(methods, a), _known(methods, b)), seed=shop.seed
            )
            for a, b in self.compare
        }
        shop.run.write_json(f"{shop.stage}/curves.json", [to_json(point) for point in curves])
        shop.run.write_json(f"{shop.stage}/differences.json", {name: to_json(i) for name, i in pairs.items()})
        return {"headline": _line(curves, max(self.ns)), "problems": len(pools)}

    def _methods(self) -> list[Method]:
        plain = [Method(kind="first"), Method(kind="oracle"), Method(kind="majority")]
        best = [Method(kind="best", score=row.name) for row in self.rows]
        return plain + best + [Method(kind="sum", score=name) for name in self.votes]

    def _pools(self, shop: Workshop) -> list[Pool]:
        labels = shop.labels(self.source)
        scores = {row.name: _numbers(shop, row) for row in self.rows}
        by_problem: dict[str, list[str]] = {}
        for key, labeled in labels.items():
            if labeled.verdict is not None and labeled.verdict.correct is not None:
                by_problem.setdefault(labeled.trace.problem_id, []).append(key)
        return [_pool(problem, keys, labels, scores) for problem, keys in sorted(by_problem.items())]


def _pool(
    problem: str,
    keys: list[str],
    labels: dict[str, LabeledTrace],
    scores: dict[str, dict[str, float | None]],
) -> Pool:
    verdicts = [labels[key].verdict for key in keys]
    return Pool(
        problem_id=problem,
        answers=tuple(canonical_answer(v.answer) if v and v.answer is not None else None for v in verdicts),
        correct=tuple(v is not None and bool(v.correct) for v in verdicts),
        scores={name: tuple(found.get(key) for key in keys) for name, found in scores.items()},
    )


def _numbers(shop: Workshop, row: ScoreRow) -> dict[str, float | None]:
    """By key of the trace, the number that `row` gives it; None for a trace without steps."""
    if row.what == "combined":
        combined = shop.load(row.what, TraceScore, row.stage)
        return {key: score.value for key, score in combined.items()}
    found = shop.load(row.what, StepScores, row.stage)
    values = reduced([scores.values for scores in found.values()], row.reduce)
    return dict(zip(found, values, strict=True))


def _known(methods: dict[str, Method], name: str) -> Method:
    if name not in methods:
        raise ConfigError("compare names no method", got=name, mend=f"methods: {', '.join(methods)}")
    return methods[name]


def _line(curves: tuple[CurvePoint, ...], n: int) -> str:
    return ", ".join(f"{point.method.name}@{n} {point.interval}" for point in curves if point.n == n)
