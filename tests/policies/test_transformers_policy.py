"""TransformersPolicy against Hugging Face generate, against naive sampling, and its contract."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from stepward.errors import ModelError
from stepward.policies.seeds import draw_keys, uniforms
from stepward.protocols import PolicyEngine
from stepward.types import Completion, Problem, SampleRequest, Sampling

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from stepward.policies.transformers import TransformersPolicy  # noqa: E402

SHORT = Problem(id="short", text="1 + 2")
LONG = Problem(id="long", text="a cab = 3 + 4. how long is a cab?")


@pytest.fixture(scope="module")
def policy(tiny_folder: Path) -> TransformersPolicy:
    return TransformersPolicy.load(tiny_folder)


@pytest.fixture(scope="module")
def plain_model(tiny_folder: Path) -> torch.nn.Module:
    return transformers.AutoModelForCausalLM.from_pretrained(tiny_folder, attn_implementation="eager").eval()


def requests(sampling: Sampling, n: int = 3) -> list[SampleRequest]:
    steps = "1 + 2 = 3\na = b\nc"
    cuts = [(SHORT, ""), (SHORT, "1 + 2"), (SHORT, steps), (LONG, ""), (LONG, "a = "), (LONG, "b")]
    return [SampleRequest(problem=problem, prefix=prefix, n=n, sampling=sampling) for problem, prefix in cuts]


def texts(made: Sequence[Sequence[Completion]]) -> list[list[str]]:
    return [[completion.text for completion in one] for one in made]


def naive(model: torch.nn.Module, policy: TransformersPolicy, request: SampleRequest, draw: int) -> list[int]:
    """One sequence, no cache, sampling written out in numpy."""
    sampling, written = request.sampling, []
    key = draw_keys(request)[draw : draw + 1]
    while len(written) < sampling.max_tokens and written[-1:] != [1]:
        with torch.inference_mode():
            logits = model(torch.tensor([[*policy.prompt_ids(request), *written]])).logits[0, -1].double().numpy()
        weights = np.exp((logits - logits.max()) / sampling.temperature)
        probs = weights / weights.sum()
        order = np.arange(len(probs))
        if sampling.top_k or sampling.top_p < 1:
            order = np.argsort(-probs)[: sampling.top_k or None]
            kept = probs[order] / probs[order].sum()
            order = order[np.cumsum(kept) - kept < sampling.top_p]
        cdf = np.cumsum(probs[order])
        written.append(int(order[np.searchsorted(cdf, uniforms(key, len(written))[0] * cdf[-1], side="right")]))
    return written


def test_it_is_a_policy_engine(policy: TransformersPolicy) -> None:
    assert isinstance(policy, PolicyEngine)


def test_greedy_writes_what_generate_writes(policy: TransformersPolicy, plain_model: torch.nn.Module) -> None:
    asked = requests(Sampling(temperature=0, max_tokens=20), n=2)
    for request, made in zip(asked, policy.sample_batch(asked), strict=True):
        ids = torch.tensor([policy.prompt_ids(request)])
        mask = torch.ones_like(ids)
        full = plain_model.generate(ids, attention_mask=mask, max_new_tokens=20, do_sample=False, pad_token_id=1)
        expected = full[0, ids.shape[1] :].tolist()
        assert len(made[0].logprobs) == len(expected)
        assert made[0].text == policy.tokenizer.decode([token for token in expected if token != 1])
        assert made[0].text == made[1].text


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(max_tokens=12, seed=5),
        Sampling(max_tokens=12, temperature=0.7, top_p=0.8),
        Sampling(max_tokens=12, temperature=1.5, top_k=5),
        Sampling(max_tokens=12, top_k=9, top_p=0.6),
    ],
)
def test_samples_are_those_of_naive_sampling(
    sampling: Sampling, policy: TransformersPolicy, plain_model: torch.nn.Module
) -> None:
    asked = requests(sampling)
    for request, made in zip(asked, policy.sample_batch(asked), strict=True):
        for draw, completion in enumerate(made):
            expected = naive(plain_model, policy, request, draw)
            assert len(completion.logprobs) == len(expected)
            assert completion.text == policy.tokenizer.decode([token for token in expected if token != 1])
            assert completion.ended == (expected[-1] == 1)
            assert completion.finish == ("stop" if expected[-1] == 1 else "length")


def test_logprobs_are_those_of_the_unfiltered_model(policy: TransformersPolicy, plain_model: torch.nn.Module) -> None:
    request = SampleRequest(problem=SHORT, prefix="1", sampling=Sampling(max_tokens=9, temperature=0.3, top_k=4))
    ((made,),) = policy.sample_batch([request])
    prompt = policy.prompt_ids(request)
    ids = [*prompt, *policy.tokenizer.encode(made.text, add_special_tokens=False)] + [1] * made.ended
    with torch.inference_mode():
        logprobs = plain_model(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = [logprobs[at - 1, ids[at]].item() for at in range(len(prompt), len(ids))]
    assert made.logprobs == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_samples_do_not_depend_on_batch_size_or_order(size: int, policy: TransformersPolicy) -> None:
    problems = [Problem(id=str(at), text="1 + " * (at % 5) + str(at)) for at in range(64)]
    asked = [SampleRequest(problem=problem, sampling=Sampling(max_tokens=8, seed=1)) for problem in problems]
    together = texts(policy.sample_batch(asked))
    order = list(reversed(range(64)))
    apart: dict[int, list[str]] = {}
    for start in range(0, 64, size):
        part = order[start : start + size]
        apart.update(zip(part, texts(policy.sample_batch([asked[at] for at in part])), strict=True))
    assert [apart[at] for at in range(64)] == together


def test_eight_draws_are_four_and_four_more(policy: TransformersPolicy) -> None:
    eight = SampleRequest(problem=SHORT, prefix="1", n=8, sampling=Sampling(max_tokens=8))
    ((*all_draws,),) = texts(policy.sample_batch([eight]))
    first, second = texts(policy.sample_batch([replace(eight, n=4), replace(eight, n=4, first_draw=4)]))
    assert all_draws == first + second
    assert len(set(all_draws)) > 4


@pytest.mark.parametrize("rows", [1, 3, 5])
def test_a_narrow_grid_writes_what_a_wide_one_writes(rows: int, policy: TransformersPolicy) -> None:
    asked = requests(Sampling(max_tokens=10, stop=("\n",)), n=5)
    narrow = replace(policy, max_batch_rows=rows, cache_bytes=20_000)
    assert texts(narrow.sample_batch(asked)) == texts(policy.sample_batch(asked))


def test_one_batch_may_mix_samplings(policy: TransformersPolicy) -> None:
    kinds = [
        Sampling(max_tokens=4, temperature=0),
        Sampling(max_tokens=9, stop=("\n",)),
        Sampling(top_k=3, max_tokens=7),
    ]
    asked = [request for kind in kinds for request in requests(kind)]
    alone = [text for kind in kinds for text in texts(policy.sample_batch(requests(kind)))]
    assert texts(policy.sample_batch(asked)) == alone


def test_text_ends_just_behind_the_stop_string_and_counts_the_token_that_ran_past(policy: TransformersPolicy) -> None:
    request = SampleRequest(problem=SHORT, n=64, sampling=Sampling(max_tokens=40, stop=("\n", "= ")))
    (made,) = policy.sample_batch([request])
    stopped = [one for one in made if one.finish == "stop" and not one.ended]
    assert stopped and all(one.text.endswith(("\n", "= ")) for one in stopped)
    for one in made:
        assert "\n" not in one.text[:-1] and "= " not in one.text[:-1]
        assert one.spend.policy_tokens == len(one.logprobs)
    free = policy.sample_batch([replace(request, sampling=Sampling(max_tokens=40))])[0]
    ran_past = [at for at, one in enumerate(free) if "\nS" in one.text and made[at].text.endswith("\n")]
    assert any(free[at].text.startswith(made[at].text + "S") for at in ran_past)


def test_a_sample_that_ends_itself_says_so(policy: TransformersPolicy) -> None:
    (made,) = policy.sample_batch([SampleRequest(problem=SHORT, n=64, sampling=Sampling(max_tokens=30))])
    ended = [one for one in made if one.ended]
    assert ended and all(one.finish == "stop" and "</s>" not in one.text for one in ended)
    assert all(one.finish == "length" and len(one.logprobs) == 30 for one in made if not one.ended)


def test_a_prefix_shared_by_samples_is_paid_for_once(policy: TransformersPolicy) -> None:
    policy = replace(policy)  # remembers nothing yet
    request = SampleRequest(problem=LONG, prefix="a = ", n=8, sampling=Sampling(max_tokens=5))
    (made,) = policy.sample_batch([request])
    assert [one.spend.prompt_tokens for one in made] == [len(policy.prompt_ids(request))] + [0] * 7
    assert [one.spend.policy_tokens for one in made] == [len(one.logprobs) for one in made]
    assert [one.spend.policy_calls for one in made] == [1] + [0] * 7
    total = made[0].spend.prompt_tokens + sum(one.spend.policy_tokens for one in made)
    assert sum(one.spend.flops for one in made) == 2 * policy.parameters * total
    assert all(one.spend.seconds > 0 for one in made)


def test_nested_prefixes_are_read_once(policy: TransformersPolicy) -> None:
    policy = replace(policy)  # remembers nothing yet
    steps = "1 + 2 = 3\na = b\nc"
    asked = [SampleRequest(problem=LONG, prefix=steps[:cut], sampling=Sampling(max_tokens=2)) for cut in (0, 5, 10, 17)]
    read = sum(one.spend.prompt_tokens for made in policy.sample_batch(asked) for one in made)
    assert read == len(policy.prompt_ids(asked[-1])) + 3


def test_a_request_for_no_sample_costs_nothing(policy: TransformersPolicy) -> None:
    policy = replace(policy)  # remembers nothing yet
    one = SampleRequest(problem=LONG, prefix="a", sampling=Sampling(max_tokens=2))
    none = replace(one, prefix="a = b", n=0)
    (made, empty) = policy.sample_batch([one, none])
    assert empty == () and made[0].spend.prompt_tokens == len(policy.prompt_ids(one))


def test_the_ids_of_a_prompt_open_those_of_every_continuation(policy: TransformersPolicy) -> None:
    bare, longer = (SampleRequest(problem=LONG, prefix=prefix) for prefix in ("", "\nS = 1"))
    ids = policy.prompt_ids(bare)
    assert ids and policy.prompt_ids(longer)[: len(ids)] == ids
    assert len(policy.prompt_ids(longer)) == len(ids) + 5


def test_nothing_asked_is_nothing_written(policy: TransformersPolicy) -> None:
    assert policy.sample_batch([]) == []
    assert policy.sample_batch([SampleRequest(problem=SHORT, n=0, sampling=Sampling(max_tokens=2))]) == [()]


def test_what_does_not_fit_the_context_is_refused_before_any_work(policy: TransformersPolicy) -> None:
    with pytest.raises(ModelError, match=r"holds 96 tokens.*max_tokens 95.*lower max_tokens"):
        policy.sample_batch([*requests(Sampling(max_tokens=2)), *requests(Sampling(max_tokens=95))])


def test_the_revision_is_the_content_of_the_weights(policy: TransformersPolicy, tmp_path: Path) -> None:
    assert policy.folder is not None
    same, other = tmp_path / "same", tmp_path / "other"
    shutil.copytree(policy.folder, same)
    shutil.copytree(policy.folder, other)
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    assert TransformersPolicy.load(same).origin.revision == policy.origin.revision
    assert TransformersPolicy.load(other).origin.revision != policy.origin.revision


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "tokenizer"])
def test_a_folder_that_lacks_a_part_is_named_with_what_it_lacks(
    missing: str, tiny_folder: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "cut")
    for path in folder.glob(f"{missing}*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"holds no .*(config|safetensors|tokenizer)"):
        TransformersPolicy.load(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="absent is no folder"):
        TransformersPolicy.load(tmp_path / "absent")


@pytest.mark.parametrize(
    ("name", "content"), [("config.json", b"{"), ("config.json", b"[1]"), ("model.safetensors", b"no tensors")]
)
def test_a_broken_file_is_a_model_error(name: str, content: bytes, tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "broken")
    (folder / name).write_bytes(content)
    with pytest.raises(ModelError):
        TransformersPolicy.load(folder)


def test_weights_that_no_language_model_has_are_missed(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "more")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))
    with pytest.raises(ModelError, match="lacks weights"):
        TransformersPolicy.load(folder)


def test_an_unknown_precision_is_refused(tiny_folder: Path) -> None:
    with pytest.raises(ModelError, match="floating-point type"):
        TransformersPolicy.load(tiny_folder, dtype="int8")
