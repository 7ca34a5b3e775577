"""Combining in a recipe: fits on problems of their own, gates with reasons, numbers that `select` can use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from stepward.codec import to_json
from stepward.combine.records import from_json
from stepward.config import build, describe
from stepward.errors import ConfigError, ScoreError
from stepward.pipeline.stages.combine import CombineScores
from stepward.pipeline.workshop import Workshop
from stepward.storage.run import Run
from stepward.types import Convention, Json, LabeledTrace, Problem, Step, StepScores, Trace, Verdict

FIT: Json = {"labels": "fit", "steps": "fit_prm", "outcomes": "fit_orm"}
ON: Json = {"labels": "pool", "steps": "pool_prm", "outcomes": "pool_orm"}


def trace(problem: str, k: int, answer: str | None) -> Trace:
    text = f"{problem} {k} one\ntwo\n"
    cut = text.index("\n") + 1
    return Trace(problem_id=problem, text=text, steps=(Step(0, cut), Step(cut, len(text))), answer=answer)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Workshop]:
    """Forty problems to fit on and ten pools of five: the PRM knows half of the truth, the ORM the other half."""
    with Run.open(tmp_path / "run", {"name": "t"}) as run:
        rng = np.random.default_rng(0)
        for stage, problems in (("fit", 40), ("pool", 10)):
            for p in range(problems):
                own = Problem(id=f"{stage}{p}", text=f"{stage} problem {p}")
                run.records(f"{stage}/problems").append(own.id, to_json(own))
                for k in range(5):
                    write(run, stage, own.id, k, rng)
        yield workshop(run)


def write(run: Run, stage: str, problem: str, k: int, rng: np.random.Generator) -> None:
    process, outcome = rng.normal(0, 2, 2)
    right = bool(rng.random() < 1 / (1 + np.exp(-process - outcome)))
    verdict = Verdict(outcome="equal" if right else "different", answer="1" if right else "2")
    made = LabeledTrace(trace=trace(problem, k, verdict.answer), labels=(None, None), verdict=verdict)
    run.records(f"{stage}/labels").append(f"{problem}-{k}", to_json(made))
    for name, logit in (("prm", process), ("orm", outcome)):
        value = float(1 / (1 + np.exp(-logit)))
        scores = StepScores(values=(value, value))
        run.records(f"{stage}_{name}/scores").append(f"{problem}-{k}", to_json(scores))


def workshop(run: Run, stage: str = "joined") -> Workshop:
    return Workshop(run=run, stage=stage, seed=0, stages=(), sources={})


def stage(**fields: Json) -> CombineScores:
    made = build("stage", {"use": "combine", "on": ON, **fields})
    assert isinstance(made, CombineScores) and build("stage", describe(made)) == made
    return made


def combined(shop: Workshop) -> dict[str, float]:
    return {key: record["value"] for key, record in shop.records("combined")}  # type: ignore[index, call-overload, misc]


def test_a_fitted_combination_is_kept_as_data_and_gives_every_trace_a_number(shop: Workshop) -> None:
    result = stage(how="log_linear", fit=FIT).run(shop)
    assert result["headline"] == "50 traces of 10 problems, 0 refused, abstained on 0.0%"  # type: ignore[index, call-overload]
    record = shop.run.read_json("joined/combination.json")
    found = from_json(record["combination"])  # type: ignore[index, call-overload, arg-type]
    assert found.a == pytest.approx(1, abs=0.6) and found.b == pytest.approx(1, abs=0.6)  # type: ignore[attr-defined]
    assert len(combined(shop)) == 50
    before = combined(shop)
    stage(how="log_linear", fit=FIT).run(shop)
    assert combined(shop) == before, "a resumed stage writes nothing twice"


@pytest.mark.parametrize("how", ["linear", "rank_mean", "learned_logistic", "boosted_trees"])
def test_every_other_way_runs_too(shop: Workshop, how: str) -> None:
    fitted = how in ("learned_logistic", "boosted_trees")
    stage(how=how, **({"fit": FIT} if fitted else {})).run(shop)
    assert len(combined(shop)) == 50


def test_gated_traces_have_no_number_and_their_reasons_are_kept(shop: Workshop) -> None:
    result = stage(gates={"min_step": 0.5}).run(shop)
    refused = shop.run.read_json("joined/refused.json")
    traces = refused["traces"]  # type: ignore[index, call-overload]
    assert len(traces) + len(combined(shop)) == 50 and not set(traces) & set(combined(shop))  # type: ignore[arg-type, call-overload]
    assert all("below 0.5" in reasons[0] for reasons in traces.values())  # type: ignore[union-attr, index]
    assert f"{len(traces)} refused" in result["headline"]  # type: ignore[index, call-overload, operator, arg-type]


def test_a_risk_threshold_is_promised_on_problems_that_the_fit_did_not_see(shop: Workshop) -> None:
    result = stage(how="log_linear", fit=FIT, risk={"alpha": 0.2}).run(shop)
    assert result["fitted on"] == {"problems": 20, "traces": 100}  # type: ignore[index, call-overload]
    threshold = result["threshold"]  # type: ignore[index, call-overload]
    assert threshold["problems"] == 20 and threshold["risk"] <= 0.2  # type: ignore[index, call-overload, operator]
    assert min(combined(shop).values()) >= threshold["tau"]  # type: ignore[index, call-overload, operator]
    strict = workshop(shop.run, "strict")
    stage(how="log_linear", fit=FIT, risk={"alpha": 0.01}).run(strict)
    assert not combined(strict), "one in a hundred cannot be promised on twenty problems"
    report = shop.run.read_json("strict/refused.json")["report"]  # type: ignore[index, call-overload]
    assert report["abstained"] == 10  # type: ignore[index, call-overload]


def test_problems_of_the_pools_are_refused_as_data_to_fit_on(shop: Workshop) -> None:
    with pytest.raises(ConfigError, match="10 problems also taught the combination"):
        stage(how="log_linear", fit=ON).run(shop)


def test_a_way_that_must_be_fitted_asks_for_data() -> None:
    with pytest.raises(ConfigError, match="needs data to be fitted on"):
        stage(how="boosted_trees")
    with pytest.raises(ConfigError, match="promises nothing"):
        stage(how="rank_mean", fit=FIT, risk={"alpha": 0.1})


@pytest.mark.parametrize("convention", ["logit", "probability"])
def test_scores_that_are_missing_or_no_probabilities_are_refused(shop: Workshop, convention: Convention) -> None:
    other = dict(ON) | {"steps": "other"}  # type: ignore[arg-type, operator]
    if convention == "logit":
        for key, _ in shop.run.records("pool/labels"):
            shop.run.records("other/scores").append(key, to_json(StepScores(values=(2.0, 3.0), convention="logit")))
    else:
        shop.run.records("other/scores").append("pool0-0", to_json(StepScores(values=(0.5, 0.5))))
    with pytest.raises(ScoreError, match="no probabilities" if convention == "logit" else "did not score every trace"):
        stage(on=other).run(shop)


def test_select_takes_combined_numbers_and_never_a_refused_trace(shop: Workshop) -> None:
    stage(gates={"min_step": 0.5}).run(shop)
    chosen = workshop(shop.run, "chosen")
    rows: Json = [{"stage": "joined", "what": "combined"}, {"stage": "pool_prm", "reduce": "min"}]
    result = build("stage", {"use": "select", "source": "pool", "rows": rows, "ns": [1, 5], "votes": ["joined"]}).run(
        chosen
    )  # type: ignore[attr-defined]
    assert "best:joined@5" in result["headline"] and "sum:joined@5" in result["headline"]
    with pytest.raises(ConfigError, match="combined ones none"):
        build("stage", {"use": "select", "source": "pool", "rows": [{"stage": "pool_prm"}]})
