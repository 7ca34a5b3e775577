import numpy as np
import pytest

from stepward.errors import LabelError
from stepward.evaluation.domains import ALL, judge_domains
from stepward.evaluation.steps import Judged
from stepward.metrics.ranking import auroc
from stepward.types import LabeledTrace, Step, StepLabel, StepScores, Trace


def judged(problem: str, good: list[bool], scores: list[float]) -> Judged:
    text = "".join(f"{problem}{k}\n" for k in range(len(good)))
    size = len(text) // len(good)
    trace = Trace(problem_id=problem, text=text, steps=tuple(Step(k * size, (k + 1) * size) for k in range(len(good))))
    labels = tuple(StepLabel(target="validity", value=float(each), source="human") for each in good)
    return Judged(labeled=LabeledTrace(trace=trace, labels=labels), scores=StepScores(values=tuple(scores)))


def world() -> tuple[dict[str, list[Judged]], dict[str, str]]:
    rng = np.random.default_rng(0)
    one, many = [], []
    for k in range(24):
        good = [bool(each) for each in rng.random(3) < 0.5]
        one.append(judged(f"p{k:02}", good, rng.random(3).tolist()))
        knows = [0.9 * g + 0.05 for g in good] if k % 2 else rng.random(3).tolist()
        many.append(judged(f"p{k:02}", good, knows))
    return {"one": one, "experts": many}, {f"p{k:02}": "law" if k % 2 else "art" for k in range(24)}


def test_every_domain_and_all_together_get_a_row_a_scorer_with_the_gain_beside() -> None:
    rows = judge_domains(*world(), seed=0)
    assert [(row.domain, row.scorer) for row in rows] == [
        (domain, scorer) for domain in ("art", "law", ALL) for scorer in ("one", "experts")
    ]
    by = {(row.domain, row.scorer): row for row in rows}
    law = by["law", "experts"]
    assert law.auroc is not None and law.auroc.value == 1.0 and law.gain is not None and law.gain.low > 0
    art = by["art", "experts"]
    assert art.gain is not None and art.gain.low < 0 < art.gain.high, "knows nothing there"
    assert by["law", "one"].gain is None and law.problems == 12 and law.steps == 36
    assert by[ALL, "one"].steps == 72 and law.brier.value < by["law", "one"].brier.value


def test_the_numbers_are_those_of_the_metrics() -> None:
    systems, domains = world()
    rows = judge_domains(systems, domains, seed=0)
    own = [j for j in systems["one"] if domains[j.problem_id] == "art"]
    scores = [value for j in own for value in j.scores.values]
    good = [label.good for j in own for label in j.labeled.labels if label]
    assert rows[0].auroc is not None and rows[0].auroc.value == pytest.approx(auroc(scores, good))


def test_a_domain_of_one_class_has_no_auroc_and_is_listed() -> None:
    systems = {"one": [judged("a", [True, False], [0.9, 0.1]), judged("b", [True, True], [0.9, 0.8])]}
    rows = judge_domains(systems, {"a": "law", "b": "art"}, seed=0)
    assert [(row.domain, row.auroc is None) for row in rows] == [("art", True), ("law", False), (ALL, False)]


def test_scorers_of_different_traces_and_nameless_problems_are_refused() -> None:
    systems, domains = world()
    with pytest.raises(LabelError, match="in another order"):
        judge_domains({"one": systems["one"], "experts": systems["experts"][::-1]}, domains, seed=0)
    with pytest.raises(LabelError, match="without a domain"):
        judge_domains(systems, {"p00": "art"}, seed=0)
    with pytest.raises(LabelError, match="nothing to judge"):
        judge_domains({}, domains, seed=0)
