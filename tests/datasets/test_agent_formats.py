"""Agents' histories, and MR-GSM8K and PRMBench in the form of their benchmarks."""

import json

import pytest

from stepward.datasets.agent_process_bench import AgentProcessBench
from stepward.datasets.big_bench_mistake import BigBenchMistake
from stepward.datasets.messages import EMPTY
from stepward.datasets.mr_gsm8k import MrGsm8k
from stepward.datasets.prmbench import PrmBench
from stepward.datasets.processbench import ProcessBench
from stepward.datasets.reading import Example, read
from stepward.datasets.who_and_when import WhoAndWhen
from stepward.errors import ConfigError, ConflictError, DataError

CALL = {"type": "function", "function": {"name": "search", "arguments": '{"query": "capital"}'}}
RUN = {
    "data_source": "qa",
    "query_index": 0,
    "sample_index": 1,
    "question": "What is the capital?",
    "ground_truth": {"target": ["Paris"]},
    "answer_text": "Paris",
    "messages": [
        {"role": "system", "content": "Be helpful."},
        {"role": "user", "content": "Answer: what is the capital?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "name": "search", "content": "Paris is."},
        {"role": "assistant", "content": "Perhaps."},
        {"role": "user", "content": ""},
        {"role": "assistant", "content": "Paris"},
    ],
    "step_labels": {"2": 1, "4": 0, "6": -1},
    "final_label": 1,
}
LOG = {
    "is_correct": False,
    "question": "How many?",
    "question_ID": "q7",
    "ground_truth": "8",
    "history": [
        {"name": "Planner", "role": "assistant", "content": "Count them."},
        {"name": "Coder", "role": "assistant", "content": "```python\nprint(7)\n```"},
        {"name": "Computer_terminal", "role": "user", "content": "7"},
        {"name": "Planner", "role": "assistant", "content": "It is 7."},
    ],
    "mistake_agent": "Coder",
    "mistake_step": "1",
    "mistake_reason": "prints 7",
}
GSM = {
    "uuid": "u1",
    "question": "2+2?",
    "ground_truth_answer": 4,
    "model_output_steps": ["Step 1: add.", "so", "Step 2: 5."],
    "model_output_answer_correctness": "wrong",
    "model_output_solution_correctness": "wrong",
    "model_output_solution_first_error_step": 2,
    "model_output_solution_first_error_reason": "2+2 is 4",
    "question_type": "POT",
}
INJECTED = {
    "idx": "9",
    "classification": "redundency",
    "original_question": "q",
    "modified_question": "q changed",
    "original_process": ["a", "b"],
    "modified_process": ["a", "", "c", "b"],
    "error_steps": [3, 9],
}


def values(example: Example) -> list[float | None]:
    return [None if label is None else label.value for label in example.labeled.labels]


def test_a_message_is_a_step_and_observations_carry_no_label(jsonl):
    reading = read(AgentProcessBench(), jsonl(RUN))
    (example,) = reading.items
    trace = example.labeled.trace
    assert [step.kind for step in trace.steps] == ["action", "observation", "thought", "observation", "answer"]
    assert trace.step_texts[0].strip() == 'Call search: {"query": "capital"}'
    assert trace.step_texts[3].strip() == EMPTY and reading.report.notes["messages without text"] == 1
    assert values(example) == [1.0, None, 1.0, None, 0.0]
    assert list(trace.meta["ratings"]) == [1, None, 0, None, -1] and trace.meta["first_message"] == 2
    assert example.labeled.target == "validity" and example.labeled.verdict.correct
    assert example.problem.text == "Answer: what is the capital?" and example.problem.meta["system"] == "Be helpful."
    assert (example.problem.answer, example.problem.domain) == ("Paris", "qa")


def test_what_a_neutral_message_counts_as_is_a_choice(jsonl):
    path = jsonl(RUN)
    assert values(read(AgentProcessBench(neutral="bad"), path).items[0])[2] == 0.0
    assert values(read(AgentProcessBench(neutral="drop"), path).items[0])[2] is None
    assert values(read(AgentProcessBench(neutral=0.5), path).items[0])[2] == 0.5
    with pytest.raises(ConfigError, match="neutral must be"):
        AgentProcessBench(neutral="so so")


def test_ratings_counted_from_1_are_told_from_other_mistakes(jsonl):
    shifted = {"3": 1, "5": 0, "7": -1}
    with pytest.raises(DataError, match=r"field 'step_labels.3'.*did not write; got 'tool'.*these count from 1"):
        read(
            AgentProcessBench(),
            jsonl(RUN | {"messages": [*RUN["messages"], RUN["messages"][3]], "step_labels": shifted}),
        )
    with pytest.raises(
        DataError, match=r"did not write; got 'user'; messages count from 0, the system message included$"
    ):
        read(AgentProcessBench(), jsonl(RUN | {"step_labels": {"1": 1, "4": 1}}))


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"9": 1}, "must be the index of one of 7 messages"),
        ({"x": 1}, "must be the index of one of 7 messages"),
        ({"2": 2}, "must be -1, 0 or 1"),
        ({}, "must rate at least one message"),
    ],
)
def test_ratings_that_fit_no_message_are_refused(jsonl, labels, said):
    with pytest.raises(DataError, match=said):
        read(AgentProcessBench(), jsonl(RUN | {"step_labels": labels}))


def test_one_trajectory_with_two_contents_and_a_missing_field_are_refused(jsonl):
    with pytest.raises(ConflictError, match="same identity"):
        read(AgentProcessBench(), jsonl(RUN, RUN | {"final_label": -1}))
    with pytest.raises(DataError, match="field 'step_labels': is missing"):
        read(AgentProcessBench(), jsonl({k: v for k, v in RUN.items() if k != "step_labels"}))
    with pytest.raises(DataError, match="must hold a message of the assistant"):
        read(AgentProcessBench(), jsonl(RUN | {"messages": RUN["messages"][:2]}))


def test_a_failure_log_marks_its_decisive_step(jsonl, tmp_path):
    path = tmp_path / "log.json"
    path.write_text(json.dumps(LOG, indent=2))
    for source in (path, jsonl(LOG)):
        (example,) = read(WhoAndWhen(), source).items
        trace = example.labeled.trace
        assert values(example) == [1.0, 0.0, None, None] and example.labeled.first_error == 1
        assert [step.kind for step in trace.steps] == ["thought", "action", "observation", "thought"]
        assert trace.step_texts[0] == "Planner: Count them.\n\n"
        assert (trace.meta["mistake_step"], trace.meta["mistake_agent"]) == (1, "Coder")
        assert example.labeled.verdict.correct is False and example.problem.id == "q7"
    assert values(read(WhoAndWhen(before="drop"), path).items[0]) == [None, 0.0, None, None]


def test_an_agent_who_did_not_write_the_step_is_counted_and_a_step_outside_is_refused(jsonl):
    report = read(WhoAndWhen(), jsonl(LOG | {"mistake_agent": "Planner"})).report
    assert report.notes == {"logs whose named agent did not write the named step": 1}
    for step in ("4", -1, "one", True):
        with pytest.raises(DataError, match=r"must be the index of one of 4 messages, from 0 to 3.*counts from 1"):
            read(WhoAndWhen(), jsonl(LOG | {"mistake_step": step}))


def test_a_message_without_a_name_is_its_roles(jsonl):
    history = [{"role": "human", "content": "go"}, {"role": "WebSurfer", "content": "done"}]
    log = LOG | {"history": history, "mistake_step": 1, "mistake_agent": "WebSurfer"}
    (example,) = read(WhoAndWhen(), jsonl(log)).items
    assert [step.kind for step in example.labeled.trace.steps] == ["observation", "thought"]
    assert list(example.labeled.trace.meta["agents"]) == ["human", "WebSurfer"]


def test_mr_gsm8k_counts_step_headers_from_1(jsonl):
    (wrong,) = read(MrGsm8k(), jsonl(GSM)).items
    assert wrong.labeled.trace.step_texts == ("Step 1: add.\nso\n", "Step 2: 5.")
    assert values(wrong) == [1.0, 0.0] and wrong.labeled.verdict.correct is False
    assert wrong.labeled.trace.meta["question_type"] == "POT" and wrong.problem.answer == "4"
    right = GSM | {"model_output_solution_correctness": "correct", "model_output_solution_first_error_step": "N/A"}
    assert values(read(MrGsm8k(), jsonl(right)).items[0]) == [1.0, 1.0]


@pytest.mark.parametrize("step", ["N/A", 0, "two", None])
def test_mr_gsm8k_steps_that_contradict_the_verdict_are_refused(jsonl, step):
    with pytest.raises(DataError, match='must be a number from 1, or "N/A", and the solution is wrong'):
        read(MrGsm8k(), jsonl(GSM | {"model_output_solution_first_error_step": step}))


def test_mr_gsm8k_steps_beyond_the_last_are_refused_and_unplaceable_ones_counted(jsonl):
    with pytest.raises(DataError, match="from 0 to 1"):
        read(MrGsm8k(), jsonl(GSM | {"model_output_solution_first_error_step": 3}))
    mixed = GSM | {"model_output_steps": ["Step 2: a", "Step 1: b"]}
    assert read(MrGsm8k(), jsonl(mixed)).report.dropped == {
        "error number cannot be placed: step headers out of order": 1
    }


def test_prmbench_keeps_rows_as_its_script_does_or_refuses_them(jsonl):
    path = jsonl(INJECTED)
    assert read(PrmBench(), path).items == ()
    reading = read(PrmBench(outside="ignore", originals=True), path)
    original, modified = reading.items
    assert values(original) == [1.0, 1.0] and original.labeled.trace.meta["error_class"] == "correct"
    assert original.problem.text == "q"
    assert values(modified) == [1.0, 0.0, 1.0]
    assert reading.report.notes["error numbers outside their solution, which mark nothing"] == 1
    with pytest.raises(DataError, match=r"must be steps from 1 to 4; got \[9\]"):
        read(PrmBench(outside="refuse"), path)
    with pytest.raises(ConfigError, match="outside must be"):
        PrmBench(outside="keep")


def test_originals_come_once_per_idx_and_from_one_class(jsonl):
    other = INJECTED | {"classification": "circular"}
    reading = read(PrmBench(outside="ignore", originals=True), jsonl(INJECTED, other))
    classes = [example.labeled.trace.meta["error_class"] for example in reading.items]
    assert classes == ["correct", "redundency", "circular"]


def test_a_processbench_label_beyond_the_steps_asks_for_its_base(jsonl):
    bench = {"id": "gsm8k-0", "problem": "q", "steps": ["a", "b"], "label": 2}
    with pytest.raises(DataError, match=r"-1 or a step from 0 to 1; got 2; if the file counts steps from 1"):
        read(ProcessBench(), jsonl(bench))


def test_the_task_can_be_the_files_name(jsonl):
    sorting = {"input": "b a", "steps": ["x"], "target": "a b", "answer": "a b", "mistake_index": None}
    path = jsonl(sorting, name="word_sorting.jsonl")
    assert read(BigBenchMistake(domain="{file}"), path).items[0].problem.domain == "word_sorting"


def test_the_public_logs_are_read_whole(development):
    rated = read(AgentProcessBench(), development / "agent_process_bench" / "hotpotqa_dev.jsonl")
    assert len(rated.items) == rated.report.rows == 150
    folder = development / "who_and_when" / "algorithm_generated"
    logs = read(WhoAndWhen(), *sorted(folder.glob("*.json")))
    assert len(logs.items) == logs.report.rows == 126
    assert logs.report.notes["logs whose named agent did not write the named step"] == 3
    assert all(example.labeled.first_error == example.labeled.trace.meta["mistake_step"] for example in logs.items)
