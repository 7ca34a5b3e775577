import pytest

from stepward.errors import ConfigError
from stepward.segment.structured import Structured

DEFAULT = Structured()


def kinds(text: str, segmenter: Structured = DEFAULT) -> list[tuple[str, str]]:
    return [(text[step.start : step.end], step.kind) for step in segmenter.segment(text)]


def test_tool_call_blocks_are_steps_and_the_prose_between_them_is_thought() -> None:
    assert kinds('I look.\n<tool_call>\n{"name": "f"}\n</tool_call>\n\n<tool_response>4</tool_response>\nIt is 4.') == [
        ("I look.\n", "thought"),
        ('<tool_call>\n{"name": "f"}\n</tool_call>\n\n', "action"),
        ("<tool_response>4</tool_response>\n", "observation"),
        ("It is 4.", "thought"),
    ]


def test_two_calls_in_one_message_are_two_steps() -> None:
    call = "<tool_call>{}</tool_call>"
    assert kinds(call * 2) == [(call, "action")] * 2


def test_react_lines_begin_steps_and_an_input_belongs_to_its_action() -> None:
    assert kinds('Thought: hm\nmore\nAction: f\nAction Input:\n{"q": 1}\nObservation: 4\n**Final Answer:** 4') == [
        ("Thought: hm\nmore\n", "thought"),
        ('Action: f\nAction Input:\n{"q": 1}\n', "action"),
        ("Observation: 4\n", "observation"),
        ("**Final Answer:** 4", "answer"),
    ]


def test_each_element_of_an_array_is_a_step_with_its_comma() -> None:
    assert kinds(
        '[{"thought": "a, [b"},\n {"action": "x", "result": [1, 2]}, {"role": "tool", "content": "]"}]\nEnd.'
    ) == [
        ('[{"thought": "a, [b"},\n ', "thought"),
        ('{"action": "x", "result": [1, 2]}, ', "action"),
        ('{"role": "tool", "content": "]"}]\n', "observation"),
        ("End.", "thought"),
    ]


def test_json_lines_are_steps_whose_kind_comes_from_role_type_or_keys() -> None:
    lines = {
        '{"role": "assistant", "content": "hi", "tool_calls": null}\n': "thought",
        '{"role": "assistant", "tool_calls": [{}]}\n': "action",
        '{"type": "function_call", "x": 1}\n': "action",
        '{"role": "tool", "content": "4"}\n': "observation",
        '{"observation": "4"}\n': "observation",
        '{\n "answer": 4\n}\n': "answer",
        '{"broken": }\n': "thought",
    }
    assert kinds("".join(lines)) == list(lines.items())


def test_a_call_that_was_cut_off_takes_the_rest() -> None:
    assert kinds('Go.\n<tool_call>{"name": "f"}\n\nThought: x') == [
        ("Go.\n", "thought"),
        ('<tool_call>{"name": "f"}\n\nThought: x', "action"),
    ]


def test_json_without_its_closer_is_given_up_after_its_patience() -> None:
    text = '{"a": [\n' + "x\n" * 20 + '{"answer": 1}'
    assert [kind for _, kind in kinds(text)] == ["thought"]
    assert [kind for _, kind in kinds(text, Structured(patience=20))] == ["thought", "answer"]
    with pytest.raises(ConfigError, match="at least 1"):
        Structured(patience=0)


def test_an_unclosed_string_ends_with_its_line() -> None:
    assert [text for text, _ in kinds('[{"a": "x}, {\n}, {"b": 2}]')] == ['[{"a": "x}, {\n}, ', '{"b": 2}]']


def test_a_deeply_nested_value_is_one_thought() -> None:
    assert len(kinds('{"a": ' + "[" * 5000 + "]" * 5000 + "}")) == 1


def test_plain_text_is_one_thought() -> None:
    assert kinds("Add two.\n\nThe set {1, 2} and [3] remain.") == [
        ("Add two.\n\nThe set {1, 2} and [3] remain.", "thought")
    ]
