"""Ids and read positions with real tokenizers, against published codes written down again and against stored numbers.

Each reference below follows its publication line by line: it joins text or ids as that does, and finds positions as
that does. Families whose tokenizer no package carries are read with another one: their layout is held all the same.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from real_tokenizers import CHATML, LLAMA_CHAT, llama, mistral, qwen, renamed

from stepward.errors import ModelError
from stepward.reward_models.encoding.codec import StepCodec
from stepward.reward_models.formats.library import FORMATS
from stepward.types import Problem, Step, Trace

STORED = Path(__file__).parent / "goldens" / "format_encodings.json"

QUESTION = (
    "Janet’s ducks lay 16 eggs per day. She eats three for breakfast every morning and bakes muffins for her friends "
    "every day with four. She sells the remainder at the farmers' market daily for $2 per fresh duck egg. How much in "
    "dollars does she make every day at the farmers' market?"
)
LINES = (
    "Janet's ducks lay 16 eggs per day.",
    "She eats three for breakfast every morning, so she has 16 - 3 = 13 eggs left.",
    "She bakes muffins for her friends every day with four eggs, so she has 13 - 4 = 9 eggs left.",
    "She sells the remainder for $2 per egg, so she makes 9 * $2 = $18. The answer is: 18",
)
SHORT = "What is 2 + 3?"
SHORT_LINES = ("2 + 3 = 5.", "The answer is 5.")
CORPUS = " ".join(
    [
        QUESTION,
        *LINES,
        SHORT,
        *SHORT_LINES,
        "What? So x = 1. Done a",
        CHATML,
        LLAMA_CHAT,
        *(json.dumps(each.to_json(), ensure_ascii=False) for each in FORMATS.values()),
    ]
)
EXTRA = ("<extra_0>", "<extra>", "<+>", "<->", "<prm>", "<end_of_step>", "[PRM]")


def trace_of(steps: tuple[str, ...]) -> Trace:
    text, spans = "", []
    for step in steps:
        spans.append(Step(len(text), len(text) + len(step) + 1))
        text += step + "\n"
    return Trace(problem_id="ducks", text=text, steps=tuple(spans))


def tokenizer_for(name: str) -> Any:
    if name == "reasoneval-7b":
        return renamed(mistral(CORPUS), pad_token="<s>")
    if name == "skywork":
        return renamed(qwen(CORPUS, *EXTRA), bos_token="<|endoftext|>")
    if name in ("math-shepherd", "llemma-ki", "llemma-headings"):
        return mistral(CORPUS)
    if name.startswith("med-prm"):
        return llama(CORPUS, " ки")
    if name in ("versaprm-llama", "er-prm", "rlhflow-mistral", "rlhflow-deepseek", "fover-llama"):
        return llama(CORPUS)
    return qwen(CORPUS, *EXTRA)


@pytest.fixture
def codec(name: str) -> StepCodec:
    return StepCodec.of(tokenizer_for(name), FORMATS[name], context=8192)


def where(ids: list[int], token: int) -> list[int]:
    return [at for at, each in enumerate(ids) if each == token]


def numbered() -> list[str]:
    return [f"Step {index}: {line}" for index, line in enumerate(LINES, start=1)]


def encoded(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def math_shepherd(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    text = QUESTION + " " + "\n".join(f"{line} ки" for line in numbered())
    ids = list(tokenizer(text).input_ids)
    return text, ids, where(ids, tokenizer("ки").input_ids[-1])


def math_psa(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    text = f"{QUESTION} " + "".join(f"{line} \n\n\n\n\n" for line in LINES)
    ids = encoded(tokenizer, text)
    return text, ids, where(ids, encoded(tokenizer, " \n\n\n\n\n")[0])


def versaprm(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    text = QUESTION + " \n\n" + " \n\n\n\n".join(LINES) + " \n\n\n\n"
    ids = list(tokenizer(text).input_ids)
    return text, ids, where(ids, 23535 if tokenizer.bos_token else 22701)


def er_prm(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    text = f"{QUESTION} " + "".join(f"{line} ки" for line in LINES)
    ids = list(tokenizer(text).input_ids)
    return text, ids, where(ids, encoded(tokenizer, " ки")[-1])


def llemma_ki(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    text = f"{QUESTION} " + " ".join(f"{line} ки" for line in LINES)
    ids = list(tokenizer(text).input_ids)
    return text, ids, where(ids, 12902)


def llemma_headings(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    text = f"# Question\n\n{QUESTION}\n\n# Solution\n\n" + "".join(f"{line}\n\n" for line in LINES)
    ids = list(tokenizer(text).input_ids)
    begin = encoded(tokenizer, "\n\n# Solution")[1:]
    blank = encoded(tokenizer, "\n\n")[1:]
    assert len(blank) == 2
    begun, found = False, []
    for at in range(len(ids)):
        begun = begun or ids[at : at + len(begin)] == begin
        if begun and ids[at : at + 2] == blank:
            found.append(at)
    return text, ids, found[2:]  # the blank lines before and after "# Solution"


def skywork(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    ids, reads = list(tokenizer(tokenizer.bos_token + QUESTION + "\n").input_ids), []
    for line in LINES:
        ids += [*tokenizer(line).input_ids, tokenizer("\n").input_ids[-1]]
        reads.append(len(ids) - 1)
    return tokenizer.bos_token + QUESTION + "\n" + "".join(f"{line}\n" for line in LINES), ids, reads


def pqm(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    query = (
        "Below is an instruction that describes a task.\nWrite a response that appropriately completes the request.\n\n"
        f"### Instruction:\n{QUESTION}\n\n### Response: Let's think step by step"
    )
    text = query + "\n" + " [PRM]\n".join(numbered()) + " [PRM]"
    ids = encoded(tokenizer, text)
    return text, ids, where(ids, encoded(tokenizer, "[PRM]")[-1])


def rstar(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    text = f"<|user|>:\n{QUESTION}\n<|assistant|>: Let's think step by step and solve the problem with code."
    text += "\n".join(f"{line}<end_of_step>" for line in LINES)
    ids = encoded(tokenizer, text)
    return text, ids, where(ids, encoded(tokenizer, "<end_of_step>")[-1])


def reasoneval(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    pad = tokenizer.pad_token
    text = f"Question:\n{QUESTION}\nAnswer:\nLet's think step by step.\n{pad}" + "".join(line + pad for line in LINES)
    whole, separator = list(tokenizer(text).input_ids), tokenizer(pad).input_ids[-1]
    kept, found, count = [], [], 0
    for at, token in enumerate(whole):
        if token == separator:
            found.append(at - 1 - count)
            count += 1
        else:
            kept.append(token)
    if pad == tokenizer.bos_token:
        return text, [1, *kept], found[2:]
    return text, kept, found[1:]


def trl(separator: str) -> Any:
    def reference(tokenizer: Any) -> tuple[str, list[int], list[int]]:
        ids, reads = encoded(tokenizer, QUESTION), []
        for line in LINES:
            ids += [*encoded(tokenizer, line), *encoded(tokenizer, separator)]
            reads.append(len(ids) - 1)
        return QUESTION + "".join(line + separator for line in LINES), ids, reads

    return reference


def chat(system: str, user: str, assistant: str = "") -> list[dict[str, str]]:
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": user})
    return [*messages, {"role": "assistant", "content": assistant}] if assistant else messages


def one_chat(system: str) -> Any:
    def reference(tokenizer: Any) -> tuple[str, list[int], list[int]]:
        messages = chat(system, QUESTION, "<extra_0>".join(LINES) + "<extra_0>")
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=False)
        ids = encoded(tokenizer, text)
        return text, ids, where(ids, encoded(tokenizer, "<extra_0>")[0])

    return reference


def med_prm(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    system = (
        "You are an evaluator assessing the logicality and validity of the reasoning in each step of the given "
        "explanation. In order to support the evaluation, the question and the explanation are provided. If the "
        "reasoning contains errors, output - after that step. If the reasoning in a step is logical and valid, output "
        "+ after that step."
    )
    user = f"Question: {QUESTION}\n\nExplanation: " + "\n".join(f"{line} ки" for line in numbered())
    text = tokenizer.apply_chat_template(chat(system, user), tokenize=False, add_generation_prompt=True)
    out = tokenizer(text, add_special_tokens=True, return_offsets_mapping=True)
    assert out.input_ids[:2] == [128000, 128000]
    return text, list(out.input_ids), [at for at, (a, b) in enumerate(out.offset_mapping) if text[a:b] == " ки"]


def turns(first: str, later: str, answer: str) -> Any:
    def reference(tokenizer: Any) -> tuple[str, list[int], list[int]]:
        messages = []
        for index, line in enumerate(LINES):
            template = later if index else first
            content = template.replace("{q}", QUESTION).replace("{s}", line)
            messages += [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        ids = encoded(tokenizer, text)
        header = encoded(tokenizer, "<|start_header_id|>assistant<|end_header_id|>\n\n" if tokenizer.bos_token else
                         "<|im_start|>assistant\n")  # fmt: skip
        size = len(header)
        return text, ids, [at + size - 1 for at in range(len(ids)) if ids[at : at + size] == header]

    return reference


def eurus(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    def dialogue(count: int) -> str:
        made = tokenizer.apply_chat_template(chat("", QUESTION, "\n\n".join(numbered()[:count])), tokenize=False)
        return str(made)

    ids, ends = encoded(tokenizer, dialogue(len(LINES))), []
    for count in range(1, len(LINES) + 1):
        text = dialogue(count).strip() + ("\n\n" if count < len(LINES) else "")
        ends.append(len(encoded(tokenizer, text)) - 2)
    return dialogue(len(LINES)), ids, [end + 1 for end in ends]  # rewards are shifted: index i is of token i + 1


def mm_prm(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    user = f"Question: {QUESTION}\nProcess: " + "<prm>".join(LINES) + "<prm>"
    text = tokenizer.apply_chat_template(chat("", user), tokenize=False, add_generation_prompt=True)
    ids = encoded(tokenizer, text)
    return text, ids, where(ids, encoded(tokenizer, "<prm>")[0])


def ursa(tokenizer: Any) -> tuple[str, list[int], list[int]]:
    user = (
        "You are given a problem and a step-by-step solution. You need to check the correctness of each step.\n"
        f"Question:{QUESTION}\n" + "\n".join(f"{line} и" for line in numbered())
    )
    text = tokenizer.apply_chat_template(
        chat("You are a helpful assistant.", user), tokenize=False, add_generation_prompt=True
    )
    ids = encoded(tokenizer, text)
    return text, ids, where(ids, encoded(tokenizer, " и")[0])


ASKS = "{s} Is this response correct so far (Y/N)?"
FOVER = FORMATS["fover-llama"].prompt.replace("{problem}", "{q}").replace("{step}", "{s}")
QWEN_SYSTEM = "Please reason step by step, and put your final answer within \\boxed{}."

REFERENCES: dict[str, Any] = {
    "math-shepherd": math_shepherd,
    "math-psa": math_psa,
    "versaprm-llama": versaprm,
    "versaprm-qwen": versaprm,
    "er-prm": er_prm,
    "llemma-ki": llemma_ki,
    "llemma-headings": llemma_headings,
    "skywork": skywork,
    "pqm": pqm,
    "rstar-ppm": rstar,
    "reasoneval-7b": reasoneval,
    "reasoneval-34b": reasoneval,
    "trl": trl("\n"),
    "trl-blank-line": trl("\n\n"),
    "pure": trl("\n"),
    "qwen2.5-math-prm": one_chat(QWEN_SYSTEM),
    "qwen2.5-math-prm800k": one_chat(QWEN_SYSTEM),
    "reasonflux-prm": one_chat(""),
    "med-prm": med_prm,
    "eurus": eurus,
    "rlhflow-mistral": turns("{q} {s}", "{s}", "+"),
    "rlhflow-deepseek": turns("{q} {s}", "{s}", "+"),
    "granite-3.3-math-prm-v2": turns("{q} " + ASKS, ASKS, "Y"),
    "granite-3.3-lora-math-prm": turns("{q} " + ASKS, ASKS, "Y"),
    "fover-llama": turns(FOVER, "{s}", "correct"),
    "fover-qwen": turns(FOVER, "{s}", "correct"),
    "mm-prm": mm_prm,
    "ursa-rm": ursa,
}
NO_REFERENCE = {
    "stepward": "ours",
    "implicit": "ours",
    "med-prm-documents": "med-prm with another system message",
    "pathfinder-prm": "asked in passes",
    "visualprm": "rlhflow with a system message",
}
"""Formats without one, and why; all but those asked in passes have stored numbers."""


def test_every_format_has_a_reference_or_a_reason() -> None:
    assert {*REFERENCES, *NO_REFERENCE} == set(FORMATS) and not set(REFERENCES) & set(NO_REFERENCE)


@pytest.mark.parametrize("name", REFERENCES)
def test_text_ids_and_read_positions_are_those_of_the_published_code(name: str, codec: StepCodec) -> None:
    problem, trace = Problem(id="ducks", text=QUESTION), trace_of(LINES)
    text, ids, reads = REFERENCES[name](codec.tokenizer)
    found = codec.encode(problem, trace)
    assert codec.text(problem, trace) == text
    assert list(found.ids) == ids[: len(found)]
    assert list(found.read_positions) == reads and len(reads) == len(LINES)
    assert len(found) <= reads[-1] + 2, "what stands behind the last mark is not read"


@pytest.mark.parametrize("name", [name for name in FORMATS if not FORMATS[name].passes and name != "stepward"])
def test_ids_and_read_positions_are_those_that_were_stored(name: str, codec: StepCodec) -> None:
    found = codec.encode(Problem(id="p", text=SHORT), trace_of(SHORT_LINES))
    assert {"ids": list(found.ids), "reads": list(found.read_positions)} == json.loads(STORED.read_text())[name]


@pytest.mark.parametrize(
    "tokenizer, ids",
    [
        (mistral, {"a ки": [264, 12902], "+ -": [648, 387]}),
        (qwen, {"\n": [198], " \n\n\n\n": [22701], " \n\n\n\n\n": [76325], "+": [10], "-": [12], " + -": [488, 481]}),
        (llama, {"\n": [198], " \n\n\n\n": [23535], "+": [10], "Y": [56], "correct": [20523], "incorrect": [63054]}),
    ],
)
def test_the_real_tokenizers_give_ids_known_from_elsewhere(tokenizer: Any, ids: dict[str, list[int]]) -> None:
    made = tokenizer(CORPUS, *(EXTRA if tokenizer is qwen else ()))
    assert {text: encoded(made, text) for text in ids} == ids


@pytest.mark.parametrize("name", ["pathfinder-prm"])
def test_pathfinder_asks_twice_and_reads_before_each_mark(name: str, codec: StepCodec) -> None:
    tokenizer, problem, trace = codec.tokenizer, Problem(id="ducks", text=QUESTION), trace_of(LINES)
    user = (
        "You are a Math Teacher. Given a question and a student's solution, evaluate the mathemetical correctness, "
        "logic consistency of the current step and whether it will lead to the correct final solution"
        f"\n\n Question: {QUESTION}"
    )
    said = "\n\n".join(LINES[:2]) + "\n\nCurrent Step: " + LINES[2]
    mark = encoded(tokenizer, "<extra>")[0]
    for found, asks in (
        ((), " Math reasoning: <extra>, Consistency: <extra>"),
        (("<+>", "<->"), " Math reasoning: <+>, Consistency: <->, Correctness: <extra>"),
    ):
        text = tokenizer.apply_chat_template(chat("", user, said + asks), tokenize=False)
        ids = encoded(tokenizer, text)
        one = codec.encode_pass(problem, trace, 2, found)
        assert list(one.ids) == ids[: len(one)]
        assert list(one.read_positions) == [at - 1 for at in where(ids, mark)]
        assert len(one.spans) == 1
    assert codec.answer_ids == (encoded(tokenizer, "<+>")[0], encoded(tokenizer, "<->")[0])
    with pytest.raises(ModelError, match="asks its model 2 times"):
        codec.encode(problem, trace)


@pytest.mark.parametrize(
    "name, other, says",
    [
        ("math-shepherd", qwen, r"marker ' ки' of format 'math-shepherd' must be one token"),
        ("qwen2.5-math-prm", llama, r"'<extra_0>' of format 'qwen2.5-math-prm' must be one token"),
        ("versaprm-llama", qwen, r"must have the ids \[23535\]; got \[22701\].*another tokenizer"),
        ("rlhflow-mistral", mistral, r"answers \['\+', '-'\] .* must have the ids \[10, 12\]; got \[648, 387\]"),
        ("pqm", mistral, r"'\[PRM\]' of format 'pqm' must be one token"),
    ],
)
def test_another_tokenizer_than_published_is_refused(name: str, other: Any, says: str) -> None:
    tokenizer = other(CORPUS, *(EXTRA if other is qwen else ()))
    with pytest.raises(ModelError, match=says):
        StepCodec.of(tokenizer, FORMATS[name], context=8192)


def test_a_merged_full_stop_moves_where_eurus_reads_and_not_where_implicit_does() -> None:
    tokenizer = qwen(CORPUS, *EXTRA)
    merged = replace(FORMATS["implicit"], assembly="text", generation_prompt=False)
    problem, trace = Problem(id="p", text="What?"), trace_of(("So x = 1.", "Done"))
    published = StepCodec.of(tokenizer, FORMATS["eurus"], context=999).encode(problem, trace)
    ours = StepCodec.of(tokenizer, FORMATS["implicit"], context=999).encode(problem, trace)
    assert published.read_positions[0] > published.spans[0][1]
    assert ours.read_positions[0] == ours.spans[0][1] - 1
    with pytest.raises(Exception, match="merges a mark"):
        StepCodec.of(tokenizer, merged, context=999).encode(problem, trace)
