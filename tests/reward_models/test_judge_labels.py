"""Labels by a judge: votes, first errors, abstentions, references, and the policies it can be asked through."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import httpx2 as httpx
import pytest

from stepward.budget import Meter
from stepward.config import build, describe
from stepward.errors import ConfigError, ResourceError, ScoreError
from stepward.policies.fake import Faults, ScriptedPolicy
from stepward.policies.http_server import HttpServer
from stepward.policies.openai import OpenAIPolicy
from stepward.policies.transformers import TransformersPolicy
from stepward.policies.wrappers import BatchedPolicy, CachedPolicy, MeteredPolicy, RetryingPolicy
from stepward.protocols import Labeler, Resources
from stepward.reward_models.generative.any_policy import judge_model
from stepward.reward_models.generative.engine import JudgeEngine
from stepward.reward_models.generative.labelling import JudgeLabeler
from stepward.reward_models.generative.library import PROCESSBENCH_REFERENCE
from stepward.reward_models.generative.model import JudgeModel
from stepward.reward_models.generative.scorer import GenerativePRM
from stepward.reward_models.tiny import TinyBackbone
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Problem, Sampling

PROBLEM = Problem(id="p", text="What is 3 * 4 + 2?", answer="14", meta={"reference_solution": "12 and 2 are 14."})
TRACE = from_steps("p", ["3 * 4 = 12.", "12 + 2 = 15.", "So it is 15."], "\n")
GOOD, BAD = r"\boxed{correct}", r"\boxed{incorrect}"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TransformersPolicy:
    words = "what is 3 4 2 12 14 15 Proposed solution Yes No answer correct"
    folder = TinyBackbone().write(tmp_path_factory.mktemp("judge") / "model", [words, *words.split()])
    return TransformersPolicy.load(folder)


def say(*texts: str, **settings: Any) -> ScriptedPolicy:
    return ScriptedPolicy(script=lambda request, draw: texts[draw % len(texts)], **settings)


def label(policy: Any, problem: Problem = PROBLEM, trace: Any = TRACE, **settings: Any) -> LabeledTrace:
    return asyncio.run(JudgeLabeler(**settings).label(problem, trace, Resources(policy=policy)))


def values(labeled: LabeledTrace) -> list[float | None]:
    return [each and each.value for each in labeled.labels]


def counts(labeled: LabeledTrace) -> list[tuple[int | None, int | None] | None]:
    return [each and (each.successes, each.trials) for each in labeled.labels]


def boxed(*indexes: int | str) -> ScriptedPolicy:
    return say(*(rf"\boxed{{{index}}}" for index in indexes))


def steps(*verdicts: str) -> str:
    return "\n".join(f"Step {i}: {verdict}" for i, verdict in enumerate(verdicts, 1))


def test_the_most_frequent_first_error_decides_and_the_counts_stay_those_of_the_votes() -> None:
    labeled = label(boxed(1, 1, 2, -1, 0), votes=5)
    assert labeled.first_error == 1 and values(labeled) == [1.0, 0.0, 0.0]
    assert counts(labeled) == [(4, 5), (2, 5), (1, 5)] and labeled.target == "prefix"
    assert labeled.meta["first_errors"] == [1, 1, 2, -1, 0] and labeled.meta["abstained"] == 0


def test_the_mode_decides_where_the_median_would_not() -> None:
    """Shares alone would put the error at step 1: three of five votes lie before step 2."""
    labeled = label(boxed(-1, -1, 0, 1, "x"), votes=5)
    assert labeled.first_error is None and counts(labeled) == [(3, 4), (2, 4), (2, 4)]
    assert label(boxed(2, 0), votes=2).first_error == 2  # a tie goes to what was named first


def test_none_is_an_answer_and_silence_is_not() -> None:
    assert values(label(boxed(-1), votes=3)) == [1.0] * 3
    silent = label(say("I think it is fine."), votes=3)
    assert values(silent) == [None] * 3 and silent.spend.scorer_tokens > 0
    assert silent.meta["abstained"] == 3 and silent.meta["first_errors"] == [None] * 3
    assert silent.meta["reasons"] == {"no box names a step, or -1": 3}


@pytest.mark.parametrize(
    "answer", [r"\boxed{3}", r"\boxed{-2}", r"\boxed{one}", "the first", "", r"\boxed{1} \boxed{}"]
)
def test_an_index_that_names_no_step_is_an_abstention(answer: str) -> None:
    labeled = label(say(answer, r"\boxed{1}"), votes=2)
    assert labeled.first_error == 1 and counts(labeled) == [(1, 1), (0, 1), (0, 1)] and labeled.meta["abstained"] == 1


def test_votes_on_each_step_are_counted_by_themselves() -> None:
    policy = say(steps(GOOD, BAD, GOOD), steps(GOOD, GOOD), steps(r"\boxed{maybe}", BAD, BAD))
    labeled = label(policy, judge="thinkprm-steps", votes=3)
    assert values(labeled) == [1.0, pytest.approx(1 / 3), 0.5] and counts(labeled) == [(2, 2), (1, 3), (1, 2)]
    assert labeled.target == "validity" and labeled.meta["abstentions"] == 2 and labeled.meta["abstained"] == 2
    assert labeled.meta["first_errors"] == [1, None, None]


def test_first_errors_can_be_read_off_votes_on_steps() -> None:
    policy = say(steps(GOOD, BAD, GOOD), steps(GOOD, GOOD), steps(GOOD, BAD, BAD))
    labeled = label(policy, judge="thinkprm-steps", votes=3, protocol="first error")
    assert values(labeled) == [1.0, 0.0, 0.0] and counts(labeled) == [(2, 2), (0, 2), (0, 2)]
    assert labeled.target == "prefix"


def test_a_quorum_is_held() -> None:
    assert values(label(boxed(1, "?", "?"), votes=3, quorum=2)) == [None] * 3
    assert values(label(boxed(1, 1, "?"), votes=3, quorum=2)) == [1.0, 0.0, 0.0]


def test_failing_calls_abstain_with_what_was_said() -> None:
    labeled = label(boxed(1), votes=4, judge="processbench-critic")
    broken = label(say(r"\boxed{1}", faults=Faults(fail=1.0)), votes=4)
    assert values(broken) == [None] * 3 and broken.meta["reasons"] == {"the scripted upstream failed": 4}
    assert labeled.meta["reasons"] == {}


def test_labels_say_who_judged_and_how() -> None:
    sampling = Sampling(temperature=0.3, seed=7)
    labeled = label(boxed(1), votes=2, sampling=sampling)
    origin = labeled.labels[0].origin  # type: ignore[union-attr]
    assert (origin.maker, origin.seed, labeled.labels[0].source) == ("labeler:judge", 7, "judge")  # type: ignore[union-attr]
    known = origin.settings
    assert (known["judge"], known["model"], known["votes"]) == ("processbench-critic", "policy:scripted", 2)
    assert (known["temperature"], known["protocol"], known["reference"]) == (0.3, "first error", False)
    other = label(boxed(1), votes=2, sampling=sampling, judge="processbench-critic-reference").labels[0]
    assert other is not None and other.origin.settings["prompt"] != known["prompt"]
    assert len(labeled.meta["critiques"]) == 2 and r"\boxed" not in str(labeled.meta)  # type: ignore[arg-type]


def test_the_reference_is_shown_to_label_and_never_to_score() -> None:
    policy = boxed(1)
    label(policy, votes=1, judge="processbench-critic-reference")
    shown = policy.calls[0].problem.text
    assert "The right answer is: 14\nA right solution:\n12 and 2 are 14." in shown
    label(policy, votes=1, judge="processbench-critic")
    assert "14" not in policy.calls[1].problem.text
    model = JudgeModel(policy=policy)
    for make in (lambda: GenerativePRM(format=PROCESSBENCH_REFERENCE, model=model),
                 lambda: JudgeEngine(format=PROCESSBENCH_REFERENCE, policy=policy)):  # fmt: skip
        with pytest.raises(ConfigError, match="is shown the reference answer"):
            make()
    labels_only = GenerativePRM(format=PROCESSBENCH_REFERENCE, model=model, for_labels=True)
    with pytest.raises(ScoreError, match="it labels, and never scores"):
        asyncio.run(labels_only.score(PROBLEM, TRACE))


def test_a_judge_that_needs_a_reference_names_the_problem_that_has_none() -> None:
    bare = replace(PROBLEM, answer=None, meta={})
    with pytest.raises(ScoreError, match="needs the reference answer of problem 'p'"):
        label(boxed(1), problem=bare, judge="stepward-judge-reference")
    with pytest.raises(ResourceError, match="needs a policy"):
        label(None)


def test_an_empty_trace_costs_nothing() -> None:
    policy = boxed(1)
    labeled = label(policy, trace=from_steps("p", [], "\n"))
    assert labeled.labels == () and not policy.calls


def test_recipes_name_the_judge_and_wrong_settings_are_refused() -> None:
    spec = {"use": "judge", "judge": "stepward-judge", "votes": 3, "quorum": 2}
    labeler = build("labeler", spec)
    assert isinstance(labeler, Labeler) and describe(labeler)["quorum"] == 2
    for wrong in ({"judge": "nobody"}, {"votes": 2, "quorum": 3}, {"protocol": "guess"}, {"judge": "genprm"}):
        with pytest.raises(ConfigError):
            JudgeLabeler(**wrong)


def test_retries_meters_and_caches_stay_around_the_policy() -> None:
    script = say(r"\boxed{1}", faults=Faults(fail=0.6, seed=1))
    meter, store = Meter(), dict[str, Any]()
    inner = MeteredPolicy(policy=BatchedPolicy(engine=script), meter=meter)
    policy = CachedPolicy(policy=RetryingPolicy(policy=inner, attempts=9), origin=script.origin, store=store)
    assert values(label(policy, votes=4)) == [1.0, 0.0, 0.0] and len(store) == 4
    spent, calls = meter.total, len(script.calls)
    assert spent.policy_calls > 1 and values(label(policy, votes=4)) == [1.0, 0.0, 0.0] and len(script.calls) == calls


def test_an_upstream_that_errs_and_garbles_gives_the_labels_of_a_clean_run() -> None:
    clean = label(boxed(1, 1, 2, -1), votes=4)
    broken = boxed(1, 1, 2, -1)
    broken.faults = Faults(fail=0.4, garble=0.2, seed=5)
    labeled = label(RetryingPolicy(policy=broken, attempts=20), votes=4)
    assert labeled.labels == clean.labels and labeled.meta == clean.meta
    assert labeled.spend.scorer_calls > clean.spend.scorer_calls


def served(answers: Any, kind: str = "vllm", bodies: list[Any] | None = None) -> OpenAIPolicy:
    """A server whose answer to a body is what `answers` makes of it."""

    def handle(request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        if bodies is not None:
            bodies.append(body)
        choice = {"message": {"content": answers(body)}, "finish_reason": "stop"}
        return httpx.Response(200, json={"choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 5}})

    server = HttpServer(url="http://there:1/v1", transport=httpx.MockTransport(handle))
    return OpenAIPolicy(server=server, model="m", kind=kind)  # type: ignore[arg-type]


def records(*verdicts: str, first: int = 1) -> str:
    return json.dumps({"steps": [{"step": i, "check": "so", "verdict": v} for i, v in enumerate(verdicts, first)]})


def test_a_server_is_held_to_one_record_for_each_step() -> None:
    bodies: list[Any] = []
    policy = served(lambda body: records("correct", "incorrect", "correct"), bodies=bodies)
    labeled = label(policy, judge="stepward-json", votes=2)
    assert values(labeled) == [1.0, 0.0, 1.0] and labeled.spend.scorer_tokens == 24
    schema = bodies[0]["response_format"]["json_schema"]["schema"]["properties"]["steps"]
    assert (schema["minItems"], schema["maxItems"]) == (3, 3)
    assert schema["items"]["properties"]["verdict"]["enum"] == ["correct", "incorrect"]
    label(CachedPolicy(policy=policy, origin=policy.origin, store={}), judge="stepward-json", votes=1)
    assert "response_format" in bodies[-1]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("All steps are right.", "no JSON object"),
        (records("correct", "incorrect"), "2 records numbered [1, 2] for 3 steps"),
        (records("correct", "incorrect", "correct", first=0), "3 records numbered [0, 1, 2]"),
        (records("correct") + " or " + records("correct", "correct"), "2 records"),
        ('{"steps": [1, 2, 3]}', "no JSON object"),
        ('{"steps": ' + "[" * 5000, "no JSON object"),
    ],
)
def test_an_answer_of_another_shape_is_an_abstention(answer: str, reason: str) -> None:
    labeled = label(say(answer), judge="stepward-json", votes=1)
    assert values(labeled) == [None] * 3 and reason in str(labeled.meta["reasons"])


def test_without_a_schema_the_last_object_counts_and_a_garbled_verdict_is_one_abstention() -> None:
    answer = "First {odd}. ```json\n" + records("Correct", "perhaps", "incorrect") + "\n``` Done {}."
    labeled = label(say(answer), judge="stepward-json", votes=1)
    assert values(labeled) == [1.0, None, 0.0] and labeled.meta["reasons"] == {"a garbled verdict: 'perhaps'": 1}


def test_a_servers_verdicts_are_chosen_among_the_known_ones() -> None:
    bodies: list[Any] = []
    labeled = label(served(lambda body: " correct", bodies=bodies), judge="stepward-judge", votes=1)
    assert values(labeled) == [1.0] * 3
    choices = [body.get("structured_outputs") for body in bodies]
    assert choices == [None, *[{"choice": [" correct", " incorrect"]}] * 3]
    assert labeled.labels[0].origin.settings["verdicts"] == "chosen"  # type: ignore[union-attr]
    free = label(served(lambda body: "{Yes"), judge="thinkprm-steps", votes=1)
    assert free.meta["abstained"] == 1 and values(free) == [None] * 3


def test_a_server_is_shown_system_turns_and_dialogues_as_they_are() -> None:
    bodies: list[Any] = []
    policy = served(lambda body: "{Yes" if body["messages"][-1]["content"].endswith("boxed") else "fine", bodies=bodies)
    labeled = label(policy, judge="genprm", skip=("verify",), votes=1, sampling=Sampling())
    assert values(labeled) == [1.0] * 3
    roles = [message["role"] for message in bodies[-1]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user", "assistant"]


def test_a_local_model_tells_chances_through_any_wrappers_and_shares_its_batches(tiny: TransformersPolicy) -> None:
    policy = RetryingPolicy(policy=BatchedPolicy(engine=tiny))
    labeled = label(policy, judge="genrm")
    known = labeled.labels[0].origin.settings  # type: ignore[union-attr]
    assert known["verdicts"] == "chances" and labeled.meta["abstained"] == 0
    shares = labeled.meta["values"]
    assert isinstance(shares, list) and [float(p >= 0.5) for p in shares] == values(labeled)
    one, two = judge_model(policy), judge_model(policy)
    assert one.chooser is two.chooser is not None and isinstance(one.policy, RetryingPolicy)
    assert judge_model(BatchedPolicy(engine=tiny)).chooser is not one.chooser


def test_any_other_policy_is_asked_as_it_is() -> None:
    policy = say("x")
    assert judge_model(policy).policy is policy and judge_model(policy).chooser is None
    held = judge_model(RetryingPolicy(policy=served(lambda body: "x"))).held_to
    assert held is not None and isinstance(held({"type": "object"}), RetryingPolicy)
