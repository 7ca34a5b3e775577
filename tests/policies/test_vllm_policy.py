"""VLLMPolicy over a scripted engine: what it asks, and what it makes of the answers. One test runs vLLM itself."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from stepward.errors import ConfigError, MissingExtraError, ModelError
from stepward.pipeline.parts import PolicyChoice
from stepward.policies.chat import PromptFormat
from stepward.policies.seeds import draw_keys
from stepward.policies.vllm import VLLMPolicy, stored_weights
from stepward.protocols import PolicyEngine
from stepward.types import Part, Problem, SampleRequest, Sampling

END = 0
SHORT = Problem(id="short", text="1 + 2")
LONG = Problem(id="long", text="how long is a cab?")


class Letters:
    """One token per character; 0 ends a text."""

    chat_template = None
    eos_token_id = END

    def encode(self, text: str, *, add_special_tokens: bool) -> list[int]:
        return [ord(character) for character in text]

    def decode(self, ids: Sequence[int], *, skip_special_tokens: bool, clean_up_tokenization_spaces: bool) -> str:
        return "".join("</s>" if token == END else chr(token) for token in ids)


def row(text: str, finish: str = "length", stop: str | int | None = None) -> SimpleNamespace:
    """What vLLM hands back: the end token is among the ids where `finish` is stop and no string stopped it."""
    ids = [ord(character) for character in text] + [END] * (finish == "stop" and not isinstance(stop, str))
    logprobs = [{token: SimpleNamespace(logprob=-float(at + 1))} for at, token in enumerate(ids)]
    return SimpleNamespace(token_ids=ids, logprobs=logprobs, finish_reason=finish, stop_reason=stop)


@dataclass
class Scripted:
    """An engine that answers with `rows` in turn and keeps what it was asked."""

    rows: Sequence[SimpleNamespace] = (row("ab"),)
    model_config: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(max_model_len=64))
    asked: list[tuple[list[int], SimpleNamespace]] = field(default_factory=list)
    calls: int = 0

    def generate(self, prompts: list[dict[str, list[int]]], params: list[Any], *, use_tqdm: bool) -> list[Any]:
        assert use_tqdm is False
        self.calls += 1
        self.asked += [(prompt["prompt_token_ids"], each) for prompt, each in zip(prompts, params, strict=True)]
        return [SimpleNamespace(outputs=[self.rows[at % len(self.rows)]]) for at in range(len(prompts))]


def policy(*rows: SimpleNamespace) -> VLLMPolicy:
    return VLLMPolicy(
        engine=Scripted(rows or (row("ab"),)),
        sampling_params=SimpleNamespace,
        tokenizer=Letters(),
        prompt=PromptFormat(),
        name="letters",
        parameters=10,
    )


def seeds(engine: VLLMPolicy) -> list[int]:
    return [params.seed for _, params in engine.engine.asked]


def test_it_is_a_policy_engine() -> None:
    assert isinstance(policy(), PolicyEngine)


def test_each_draw_is_one_request_with_the_ids_of_prompt_and_prefix() -> None:
    one = policy()
    sampling = Sampling(temperature=0.5, top_p=0.9, top_k=7, max_tokens=9, stop=("\n", "?"))
    one.sample_batch([SampleRequest(problem=SHORT, prefix="= ", n=2, sampling=sampling)])
    assert [ids for ids, _ in one.engine.asked] == [[ord(letter) for letter in "1 + 2\n= "]] * 2
    for _, params in one.engine.asked:
        assert (params.n, params.temperature, params.top_p, params.top_k, params.max_tokens) == (1, 0.5, 0.9, 7, 9)
        assert params.stop == ["\n", "?"] and params.include_stop_str_in_output and params.detokenize
        assert params.logprobs == 0


def test_text_is_left_to_us_where_no_string_can_stop_it() -> None:
    one = policy()
    one.sample_batch([SampleRequest(problem=SHORT, sampling=Sampling(max_tokens=2))])
    assert one.engine.asked[0][1].detokenize is False


def test_seeds_are_the_keys_of_the_draws_in_63_bits() -> None:
    one = policy()
    request = SampleRequest(problem=SHORT, n=4, first_draw=3, sampling=Sampling(seed=5, max_tokens=2))
    one.sample_batch([request])
    assert seeds(one) == [int(key) >> 1 for key in draw_keys(request)]
    assert all(0 <= seed < 2**63 for seed in seeds(one)) and len(set(seeds(one))) == 4


def test_eight_draws_have_the_seeds_of_four_and_four_more() -> None:
    eight, halves = policy(), policy()
    request = SampleRequest(problem=SHORT, prefix="1", n=8, sampling=Sampling(max_tokens=2))
    eight.sample_batch([request])
    halves.sample_batch([replace(request, n=4), replace(request, n=4, first_draw=4)])
    assert seeds(eight) == seeds(halves)


def test_completions_go_to_their_requests_in_draw_order() -> None:
    one = policy(row("a"), row("b"), row("c"))
    sampling = Sampling(max_tokens=1)
    cuts = [SampleRequest(problem=SHORT, n=n, sampling=sampling) for n in (2, 0, 1)]
    assert [[made.text for made in made_of] for made_of in one.sample_batch(cuts)] == [["a", "b"], [], ["c"]]
    assert one.engine.calls == 1


@pytest.mark.parametrize("stop_reason", [None, 7])
def test_an_end_token_ends_the_solution_and_is_counted_but_not_shown(stop_reason: int | None) -> None:
    ((made,),) = policy(row("ab", "stop", stop_reason)).sample_batch(
        [SampleRequest(problem=SHORT, sampling=Sampling(max_tokens=9))]
    )
    assert (made.text, made.finish, made.ended) == ("ab", "stop", True)
    assert made.logprobs == (-1.0, -2.0, -3.0) and made.spend.policy_tokens == 3


def test_text_ends_just_behind_the_stop_string_that_ends_first() -> None:
    request = SampleRequest(problem=SHORT, sampling=Sampling(max_tokens=9, stop=("cd", "\n")))
    ((made,),) = policy(row("ab\ncd", "stop", "cd")).sample_batch([request])
    assert (made.text, made.finish, made.ended) == ("ab\n", "stop", False)
    assert made.spend.policy_tokens == len(made.logprobs) == 5


def test_a_sample_cut_at_its_limit_says_so() -> None:
    ((made,),) = policy(row("ab")).sample_batch([SampleRequest(problem=SHORT, sampling=Sampling(max_tokens=2))])
    assert (made.text, made.finish, made.ended, made.error) == ("ab", "length", False, "")


@pytest.mark.parametrize("reason", ["abort", "error", "repetition"])
def test_a_sample_that_vllm_gave_up_is_an_error_with_what_was_written(reason: str) -> None:
    ((made,),) = policy(row("a", reason)).sample_batch([SampleRequest(problem=SHORT, sampling=Sampling(max_tokens=2))])
    assert (made.text, made.finish, made.ended) == ("a", "error", False)
    assert reason in made.error and made.spend.policy_tokens == 1


def test_a_prompt_shared_by_draws_and_requests_is_paid_for_once() -> None:
    sampling = Sampling(max_tokens=2)
    request = SampleRequest(problem=SHORT, prefix="=", n=3, sampling=sampling)
    first, again, other = policy().sample_batch(
        [request, replace(request, n=1), SampleRequest(problem=LONG, sampling=sampling)]
    )
    assert [made.spend.prompt_tokens for made in (*first, *again, *other)] == [7, 0, 0, 0, 19]
    assert [made.spend.policy_calls for made in (*first, *again, *other)] == [1, 0, 0, 1, 1]
    assert first[0].spend.flops == 2 * 10 * (7 + 2) and first[1].spend.flops == 2 * 10 * 2
    assert first[0].spend.seconds == pytest.approx(first[1].spend.seconds * 9 / 2) and first[1].spend.seconds > 0


def test_what_does_not_fit_the_context_is_refused_before_any_work() -> None:
    one = policy()
    fits, not_so = (SampleRequest(problem=SHORT, sampling=Sampling(max_tokens=most)) for most in (58, 59))
    with pytest.raises(ModelError, match=r"letters holds 64 tokens.*max_tokens 59.*at most 58"):
        one.sample_batch([fits, not_so])
    assert one.engine.calls == 0
    one.sample_batch([fits])
    assert one.engine.calls == 1


def test_an_image_and_an_empty_prompt_are_refused() -> None:
    one = replace(policy(), prompt=PromptFormat(template="{problem}"))
    with pytest.raises(ModelError, match="no token"):
        one.sample_batch([SampleRequest(problem=Problem(id="empty", text=""))])
    with pytest.raises(ModelError, match="cannot read"):
        one.sample_batch([SampleRequest(problem=replace(SHORT, parts=(Part(kind="image", path="a.png"),)))])


def test_nothing_asked_is_nothing_written() -> None:
    one = policy()
    assert one.sample_batch([]) == []
    assert one.sample_batch([SampleRequest(problem=SHORT, n=0, sampling=Sampling(max_tokens=2))]) == [()]
    assert one.engine.calls == 0


@pytest.mark.parametrize(("value", "invariant"), [(None, False), ("0", False), ("1", True)])
def test_the_origin_says_whether_samples_depend_on_their_batch(
    value: str | None, invariant: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VLLM_BATCH_INVARIANT", raising=False)
    if value is not None:
        monkeypatch.setenv("VLLM_BATCH_INVARIANT", value)
    origin = policy().origin
    assert origin.maker == "policy:letters" and origin.settings["batch_invariant"] is invariant


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Put a stand-in for vLLM in place; returns the arguments that its `LLM` is called with."""

    def stand_in(*, cpu: bool = False, refuses: Exception | None = None) -> list[dict[str, Any]]:
        calls: list[dict[str, Any]] = []

        def llm(**arguments: Any) -> Scripted:
            calls.append(arguments)
            if refuses:
                raise refuses
            return Scripted()

        vllm, platforms = ModuleType("vllm"), ModuleType("vllm.platforms")
        vllm.__dict__.update(LLM=llm, SamplingParams=SimpleNamespace, __version__="9.9")
        platforms.__dict__.update(current_platform=SimpleNamespace(is_cpu=lambda: cpu))
        monkeypatch.setitem(sys.modules, "vllm", vllm)
        monkeypatch.setitem(sys.modules, "vllm.platforms", platforms)
        return calls

    return stand_in


def test_without_vllm_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtraError, match=r"vllm is not installed.*stepward\[vllm\]"):
        VLLMPolicy.load(tmp_path)
    with pytest.raises(MissingExtraError):
        PolicyChoice(path="quickstart", engine="vllm").load()


def test_a_folder_is_loaded_from_safetensors_with_prefix_caching_and_raw_logprobs(
    library: Callable[..., list[dict[str, Any]]], tiny_folder: Path
) -> None:
    calls = library()
    loaded = VLLMPolicy.load(tiny_folder, dtype="float16", options={"max_model_len": 50})
    (arguments,) = calls
    assert arguments["model"] == str(tiny_folder) and arguments["dtype"] == "float16"
    assert arguments["enable_prefix_caching"] and arguments["logprobs_mode"] == "raw_logprobs"
    assert arguments["load_format"] == "safetensors" and arguments["trust_remote_code"] is False
    assert arguments["max_model_len"] == 50 and "enable_chunked_prefill" not in arguments
    assert loaded.origin.settings["engine"] == "vllm 9.9" and loaded.origin.settings["options"]["max_model_len"] == 50
    assert len(loaded.origin.revision) == 24 and loaded.name == tiny_folder.name
    json.dumps(loaded.origin.settings)


def test_on_a_cpu_prompts_are_read_whole_and_shared_in_small_blocks(
    library: Callable[..., list[dict[str, Any]]], tiny_folder: Path
) -> None:
    calls = library(cpu=True)
    VLLMPolicy.load(tiny_folder)
    VLLMPolicy.load(tiny_folder, options={"block_size": 64})
    assert [each["enable_chunked_prefill"] for each in calls] == [False, False]
    assert [each["block_size"] for each in calls] == [32, 64]


def test_options_that_carry_a_promise_are_not_free(
    library: Callable[..., list[dict[str, Any]]], tiny_folder: Path
) -> None:
    calls = library()
    with pytest.raises(ConfigError, match="logprobs_mode"):
        VLLMPolicy.load(tiny_folder, options={"logprobs_mode": "processed_logprobs"})
    assert not calls


def test_what_vllm_cannot_load_is_a_model_error(
    library: Callable[..., list[dict[str, Any]]], tiny_folder: Path, tmp_path: Path
) -> None:
    calls = library(refuses=RuntimeError("Engine core initialization failed"))
    with pytest.raises(ModelError, match=r"cannot load .*Engine core"):
        VLLMPolicy.load(tiny_folder)
    with pytest.raises(ModelError, match="absent is no folder"):
        VLLMPolicy.load(tmp_path / "absent")
    assert len(calls) == 1


def test_weights_are_counted_from_the_headers(tiny_folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(tiny_folder)
    assert stored_weights(tiny_folder) == sum(weight.numel() for weight in model.parameters())


def test_a_recipe_may_choose_the_engine(library: Callable[..., list[dict[str, Any]]], tiny_folder: Path) -> None:
    calls = library()
    made = PolicyChoice(path=str(tiny_folder), dtype="bfloat16", template="Q: {problem}\n", engine="vllm").load()
    assert isinstance(made, VLLMPolicy) and made.prompt == PromptFormat(template="Q: {problem}\n")
    assert calls[0]["dtype"] == "bfloat16"


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_vllm_writes_what_transformers_writes(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    pytest.importorskip("vllm")
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from stepward.policies.transformers import TransformersPolicy

    folder = shutil.copytree(tiny_folder, tmp_path / "wide")  # vLLM has no kernel for heads of size 8
    config = transformers.LlamaConfig.from_pretrained(tiny_folder, hidden_size=128, head_dim=32)
    torch.manual_seed(0)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    options = {"enforce_eager": True, "max_num_seqs": 16, "max_num_batched_tokens": 128}
    ours, theirs = TransformersPolicy.load(folder), VLLMPolicy.load(folder, dtype="float32", options=options)
    greedy = [
        SampleRequest(problem=problem, prefix=prefix, n=2, sampling=Sampling(temperature=0, max_tokens=12, stop=stop))
        for problem in (SHORT, LONG)
        for prefix in ("", "1 + 2 = 3\na")
        for stop in ((), ("\n", "= "))
    ]
    for expected, made in zip(ours.sample_batch(greedy), theirs.sample_batch(greedy), strict=True):
        for one, other in zip(expected, made, strict=True):
            assert (other.text, other.finish, other.ended) == (one.text, one.finish, one.ended)
            assert other.logprobs == pytest.approx(one.logprobs, abs=1e-3)
    hot = SampleRequest(problem=LONG, prefix="1", n=64, sampling=Sampling(max_tokens=20, temperature=0.7, top_k=9))
    (made,) = theirs.sample_batch([hot])
    assert len({one.text for one in made}) > 32
    assert [one.text for one in theirs.sample_batch([hot])[0]] == [one.text for one in made]
    assert {one.ended for one in made} == {False, True} and not any("</s>" in one.text for one in made)
