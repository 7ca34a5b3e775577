import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

import stepward
from stepward.errors import ConfigError, TraceError
from stepward.policies.fake import ScriptedPolicy
from stepward.reward_models.fake import HostileScorer, ScriptedScorer
from stepward.types import Problem, StepScores
from stepward.world.checker import WorldChecker, reference_solution
from stepward.world.problems import World

TEXT = "Ben has 12 + 5 = 18 coins.\nThe answer is 18.\n"
SCORER = ScriptedScorer(scores={"Ben has 12 + 5 = 18 coins.": 0.2}, default=0.9)
PROBLEM = Problem(id="ben", text="Ann has 12 coins. Ben has 5 more.", answer="17")


def shown(result: object) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(result)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_score_gives_one_value_per_step_and_shows_itself() -> None:
    found = stepward.score("Ann has 12 coins.", TEXT, model=SCORER, segmenter="newline")
    assert found.values == (0.2, 0.9)
    assert found.likely_error == 0
    assert "first likely error" in shown(found)
    assert "Ben has 12 + 5 = 18 coins." in found._repr_html_()


@pytest.mark.parametrize(
    "convention, index, said",
    [("margin", 1, "first likely error: step 1"), ("logit", None, "not known"), ("log_ratio", None, "not known")],
)
def test_a_likely_error_is_said_only_of_scores_that_have_a_zero(convention, index, said) -> None:
    class Engine:
        origin = SCORER.origin

        def score_batch(self, pairs):
            return [StepScores(values=(0.3, -0.1), convention=convention) for _ in pairs]

    found = stepward.score("Ann has 12 coins.", TEXT, model=Engine(), segmenter="newline")
    assert found.likely_error == index
    assert said in shown(found)


def test_results_show_hostile_text_as_text() -> None:
    found = stepward.score("<script>alert(1)</script>", "<img src=x onerror=alert(1)>\n", model=SCORER)
    assert "<script>" not in found._repr_html_() and "<img" not in found._repr_html_()


def test_every_call_works_inside_a_running_event_loop() -> None:
    async def notebook() -> tuple[object, object]:
        labelled = stepward.label(PROBLEM, TEXT, labeler="outcome")
        solved = stepward.solve(PROBLEM, policy=ScriptedPolicy(script=lambda request, draw: TEXT), model=SCORER, n=2)
        return labelled, solved

    labelled, solved = asyncio.run(notebook())
    assert labelled.labeled.verdict.outcome == "different"  # type: ignore[attr-defined]
    assert (solved.answer, len(solved.traces)) == ("18", 2)  # type: ignore[attr-defined]


def test_an_error_inside_a_running_event_loop_reaches_the_caller() -> None:
    async def notebook() -> None:
        with pytest.raises(ConfigError, match="rollout"):
            stepward.label(PROBLEM, TEXT, labeler="rolout")

    asyncio.run(notebook())


def test_rollout_labels_by_a_scripted_policy() -> None:
    policy = ScriptedPolicy(script=lambda request, draw: "The answer is 17.\n" if draw < 6 else "The answer is 1.\n")
    found = stepward.label(PROBLEM, "Ben has 12 + 5 = 17 coins.\nThe answer is 17.\n", policy=policy)
    assert [(x.successes, x.trials) for x in found.labeled.labels if x] == [(6, 8), (1, 1)]
    assert "6 of 8" in shown(found) or "6/8" in shown(found)


def test_an_empty_trace_and_scores_that_do_not_fit_are_refused() -> None:
    with pytest.raises(TraceError, match="no step"):
        stepward.score(PROBLEM, "", model=SCORER)
    for fault in ("nan", "too few", "too many"):
        with pytest.raises(ValueError, match="score"):
            stepward.score(PROBLEM, TEXT, model=HostileScorer(fault=fault), segmenter="newline")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="no labelled trace"):
        stepward.evaluate([], model=SCORER)


def test_train_then_score_then_evaluate(tmp_path: Path) -> None:
    problems = World(domains=("ages",), max_steps=3).draw(12, 1)
    texts = [(p, reference_solution(p)) for p in problems] + [(p, "Ann is 1 + 1 = 3 years old.\n") for p in problems]
    rows = [
        (p, WorldChecker().check(p, stepward.score(p, t, model=SCORER, segmenter="newline").labeled.trace))
        for p, t in texts
    ]
    folder = stepward.train(rows, backbone="quickstart", out=tmp_path / "prm", mode="frozen")
    found = stepward.score(problems[0], texts[0][1], model=folder, segmenter="newline")
    assert len(found.values) == len(texts[0][1].splitlines())
    evaluation = stepward.evaluate(rows, model=folder)
    assert evaluation.quality.steps == sum(len(labeled.trace) for _, labeled in rows)
    assert "AUROC" in shown(evaluation) and "AUROC" in evaluation._repr_html_()
