"""Chances of verdicts are exact, whatever they are batched with."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from stepward.errors import ConfigError, ModelError, ScoreError
from stepward.policies.transformers import TransformersPolicy
from stepward.reward_models.generative.choosing import BatchedChooser, Choice, ChoiceRequest, ScriptedChooser
from stepward.reward_models.generative.engine import JudgeEngine
from stepward.reward_models.generative.library import GENRM, GENRM_COT, PROCESSBENCH, STEPWARD_JUDGE
from stepward.reward_models.generative.local import PLAIN, RAW, TransformersChooser, local_judge, render
from stepward.reward_models.generative.model import RESERVE
from stepward.reward_models.generative.prompts import Turn
from stepward.reward_models.tiny import TinyBackbone
from stepward.segment.cut import from_steps
from stepward.types import Problem, Spend

TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }} : {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}system :{% endif %}"
)


WORDS = "system user : what is two plus three minus one four five so the answer ? . 2 5 Yes No correct incorrect"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyBackbone().write(tmp_path_factory.mktemp("judge") / "model", [WORDS, *WORDS.split()])


@pytest.fixture(scope="module")
def policy(folder: Path) -> TransformersPolicy:
    return TransformersPolicy.load(folder, prompt=PLAIN)


@pytest.fixture(scope="module")
def plain_model(folder: Path):
    """The same weights through transformers' own attention."""
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def asked(text: str, *choices: str, prefix: str = "", temperature: float = 1.0) -> ChoiceRequest:
    return ChoiceRequest(problem=Problem(id=text, text=text), prefix=prefix, choices=choices, temperature=temperature)


def reference(plain_model, request: ChoiceRequest) -> list[float]:
    """Softmax over summed log-probabilities, one full pass per choice."""
    model, tokenizer = plain_model
    sums = []
    for choice in request.choices:
        before = tokenizer.encode(request.problem.text + request.prefix, add_special_tokens=False)
        ids = before + tokenizer.encode(choice, add_special_tokens=False)
        with torch.inference_mode():
            logprobs = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        sums.append(sum(logprobs[at - 1, ids[at]].item() for at in range(len(before), len(ids))))
    weights = [math.exp(each / request.temperature) for each in sums]
    return [weight / sum(weights) for weight in weights]


REQUESTS = [
    asked("what is two plus three ? five", " one", " two"),
    asked("what is two plus three ? five", " so the answer is", " three minus one .", " one"),
    asked("what is two", " plus three ? five", " minus one", prefix=" plus three ? five so the answer is"),
    asked("what is two", " one", " two", temperature=2.5),
    asked("four minus one is three .\n", "four", "2"),
]


def test_chances_are_those_of_a_plain_pass_over_each_choice(policy, plain_model) -> None:
    found = TransformersChooser(engine=policy).choose_batch(REQUESTS)
    for request, choice in zip(REQUESTS, found, strict=True):
        assert choice.chances == pytest.approx(reference(plain_model, request), abs=1e-6)
    assert len({choice.chances for choice in found}) == len(REQUESTS)


def test_chances_do_not_depend_on_the_batch_or_its_order(policy) -> None:
    engine = TransformersChooser(engine=policy)
    together = engine.choose_batch(REQUESTS)
    for request, choice in zip(REQUESTS, together, strict=True):
        assert engine.choose_batch([request])[0].chances == pytest.approx(choice.chances, abs=1e-6)
    backwards = engine.choose_batch(REQUESTS[::-1])[::-1]
    assert [c.chances for c in backwards] == [pytest.approx(c.chances, abs=1e-6) for c in together]
    assert engine.choose_batch([]) == []


def test_texts_that_begin_one_another_are_read_once(policy) -> None:
    places = [asked("what is two plus three ? " + "five so " * k, "one", "two") for k in (1, 2, 3)]
    found = TransformersChooser(engine=policy).choose_batch(places)
    longest = len(policy.tokenizer.encode(places[-1].problem.text, add_special_tokens=False))
    assert [choice.spend.prompt_tokens for choice in found] == [longest, 0, 0]
    assert sum(choice.spend.policy_calls for choice in found) == 3
    assert found[0].spend.flops == 2.0 * policy.parameters * longest and found[0].spend.seconds > 0


def test_choices_that_begin_one_another_or_repeat_are_refused(policy) -> None:
    engine = TransformersChooser(engine=policy)
    with pytest.raises(ConfigError, match="begin another"):
        engine.choose_batch([asked("what", " one", " one two")])
    for choices in [("one",), ("one", "one"), ("one", "")]:
        with pytest.raises(ConfigError, match="two choices or more"):
            asked("what", *choices)
    with pytest.raises(ConfigError, match="above 0"):
        asked("what", "a", "b", temperature=0.0)


def test_what_does_not_fit_is_refused_alone(policy) -> None:
    chooser = BatchedChooser(engine=TransformersChooser(engine=policy))
    long = asked("two " * 300, " one", " two")

    async def both():
        return await asyncio.gather(
            *(chooser.choose(each) for each in (REQUESTS[0], long, REQUESTS[3])), return_exceptions=True
        )

    first, error, last = asyncio.run(both())
    assert isinstance(error, ModelError) and "holds 1 to 256 tokens" in str(error)
    assert isinstance(first, Choice) and isinstance(last, Choice)


def test_a_chooser_that_breaks_its_contract_is_noticed() -> None:
    for chances in [(0.5, 0.6), (math.nan, 1.0), (1.5, -0.5)]:
        with pytest.raises(ScoreError, match="chances of choices"):
            Choice(chances=chances)
    assert Choice.of([-2000.0, -1.0], 1.0, Spend()).chances == (0.0, 1.0)
    with pytest.raises(ScoreError, match="chances"):
        asyncio.run(ScriptedChooser(script=lambda request: (math.nan, 0.0)).choose(REQUESTS[0]))


def test_a_rendered_dialogue_reaches_the_model_as_it_stands(policy) -> None:
    policy.tokenizer.chat_template = TEMPLATE
    try:
        model = local_judge(policy)
        turns = (Turn("system", "what ?"), Turn("user", "two plus"), Turn("assistant", "five"), Turn("user", "so"))
        problem, prefix = model.place(turns, " the answer")
        assert problem.text == "system : what ?\nuser : two plus\nassistant : five\nuser : so\nsystem : the answer"
        assert prefix == "" and model.policy.engine.prompt == RAW
        expected = policy.tokenizer.encode(problem.text, add_special_tokens=False)
        assert RAW.encode(policy.tokenizer, problem) == tuple(expected)
    finally:
        policy.tokenizer.chat_template = None
    assert render(policy.tokenizer, turns) == "what ?\n\ntwo plus\n\nfive\n\nso\n\n"
    assert local_judge(policy).policy.engine.prompt == PLAIN


def test_an_engine_judges_many_traces_as_it_judges_each(policy) -> None:
    form = replace(
        STEPWARD_JUDGE,
        prompt="{problem} {steps}",
        step="{step}",
        phases=(replace(STEPWARD_JUDGE.phases[0], max_tokens=6),),
    )
    engine = JudgeEngine(format=form, policy=policy, votes=2)
    pairs = [
        (
            Problem(id="p", text="what is two plus three ?"),
            from_steps("p", ["two plus three is five .", "so 5 ."], "\n"),
        ),
        (Problem(id="q", text="what is four minus one ?"), from_steps("q", ["four minus one is three ."])),
    ]
    together = engine.score_batch(pairs)
    assert [len(scores) for scores in together] == [2, 1]
    for pair, scores in zip(pairs, together, strict=True):
        assert engine.score_batch([pair])[0].values == pytest.approx(scores.values, abs=1e-6)
    assert together[0].scorer == engine.origin and together[0].scorer.settings["verdicts"] == "chances"
    assert together[0].spend.scorer_tokens > 0

    async def inside_a_loop():
        return engine.score_batch(pairs[:1])

    assert asyncio.run(inside_a_loop())[0].values == pytest.approx(together[0].values, abs=1e-6)


def test_an_engine_refuses_unscored_steps_unless_a_prior_is_stated(policy) -> None:
    pair = (Problem(id="p", text="what ?"), from_steps("p", ["two .", "five ."]))
    engine = JudgeEngine(format=PROCESSBENCH, policy=policy, votes=2, most_tokens=3)
    with pytest.raises(ScoreError, match="4 of 4 votes abstained: no box names a step"):
        engine.score_batch([pair])
    assert replace(engine, prior=0.9).score_batch([pair])[0].values == (0.9, 0.9)


def test_a_trace_that_fits_is_not_spoilt_by_one_that_does_not(policy) -> None:
    long = (Problem(id="l", text="two " * 400), from_steps("l", ["two ."]))
    fits = (Problem(id="p", text="what ?"), from_steps("p", ["two ."]))
    good, bad = JudgeEngine(format=GENRM, policy=policy).judge_batch([fits, long])
    assert good.abstentions == 0 and bad.values == (None,) and "256 tokens" in bad.reasons()
    critic = JudgeEngine(format=PROCESSBENCH, policy=policy, votes=1, most_tokens=4)
    reasons = [each.reasons() for each in critic.judge_batch([fits, long])]
    assert "no box" in reasons[0] and "256 tokens" in reasons[1]


def test_critiques_leave_room_for_the_verdict(policy) -> None:
    policy = replace(policy)  # remembers nothing yet
    pair = (Problem(id="p", text="what ?"), from_steps("p", ["two ."]))
    found = JudgeEngine(format=PROCESSBENCH, policy=policy, votes=1).judge_batch([pair])[0]
    assert 150 < found.spend.scorer_tokens <= policy.context - RESERVE
    assert JudgeEngine(format=GENRM_COT, policy=policy, votes=1).judge_batch([pair])[0].abstentions == 0


def test_a_table_read_ahead_is_the_table_read_line_by_line(policy) -> None:
    steps = ["two .", "five .", "so 5 .", "four .", "one .", "minus one ."]
    verdicts = {" one": 1.0, " so": 0.0}
    plain = {"prompt": "{problem} {steps}", "step": "{step}", "line": "\n{step} :", "phases": ()}
    form = replace(STEPWARD_JUDGE, verdicts=verdicts, votes=1, **plain)
    engine = JudgeEngine(format=form, policy=policy)
    found = engine.judge_batch([(Problem(id="p", text="what ?"), from_steps("p", steps))])[0]
    text = "what ? " + "\n\n".join(steps) + "\n\n" + form.closing
    chances, read = [], 0
    for step in steps:
        text += f"\n{step} :"
        (choice,) = TransformersChooser(engine=policy).choose_batch([asked(text, *verdicts)])
        chances.append(choice.chances[0])
        read += choice.spend.prompt_tokens
        text += " one" if chances[-1] >= 0.5 else " so"
    assert found.values == pytest.approx(chances, abs=1e-6)
    assert len({chance >= 0.5 for chance in chances}) == 2, "both verdicts occur, so that guesses fail"
    assert found.spend.scorer_tokens < read
