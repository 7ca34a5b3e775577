"""Sampling speed: several completions of each prefix, ours beside Hugging Face `generate`.

    python benchmarks/sampling_throughput.py [--model tiny|quickstart|smollm2|FOLDER] [--prefixes 8] [--samples 8]
        [--tokens 64] [--batch 32] [--rounds 1]

Both write the same number of samples of the same prompts. The rivals, all with `generate`:

    repeated    every prompt repeated once per sample, left-padded, `--batch` rows at a time, as rollout code does it
    one batch   the same over all rows at once, the most that memory may hold
    by prefix   one prompt after the other with `num_return_sequences`

The ratio is of written tokens per second, end-of-sequence included, inside one run on one machine; every contender
runs `--rounds` times in turn and the medians are compared. Samples that end early count with what they wrote;
`generate` computes such rows to the end of the batch all the same. What a round computed is forgotten before the next.

The prompts are cuts of one solution, `--cuts` prefixes per problem, as Monte-Carlo rollouts make them.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from stepward.pipeline.parts import model_folder
from stepward.policies.smollm2 import smollm2_folder
from stepward.policies.transformers import TransformersPolicy
from stepward.types import Problem, SampleRequest, Sampling

STORY = "A farmer has {a} hens and each hen lays {b} eggs a day. He sells them for {c} dollars each. What does he earn?"
STEPS = [
    "The hens lay {a} * {b} eggs a day.\n",
    "Each egg is sold for {c} dollars.\n",
    "So he earns the eggs times {c} dollars.\n",
    "First we work out the number of eggs.\n",
]


def tiny_folder() -> Path:
    """A random Llama of about 1.4 M parameters over the characters of the prompts."""
    folder = Path(tempfile.mkdtemp(prefix="tiny-"))
    pieces = ["<s>", "</s>", *map(chr, range(32, 127)), "\n", *(f"#{at}" for at in range(102))]
    rust = Tokenizer(models.WordLevel({text: at for at, text in enumerate(pieces)}, unk_token="?"))
    rust.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    rust.decoder = decoders.Fuse()
    PreTrainedTokenizerFast(tokenizer_object=rust, bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    sizes = {"hidden_size": 160, "intermediate_size": 480, "num_hidden_layers": 4, "num_attention_heads": 4}
    torch.manual_seed(0)
    LlamaForCausalLM(LlamaConfig(vocab_size=len(pieces), bos_token_id=0, eos_token_id=1, **sizes)).save_pretrained(
        folder
    )
    return folder


def asked(options: argparse.Namespace) -> list[SampleRequest]:
    """`--prefixes` requests, `--cuts` of them for each problem."""
    made = []
    for at in range(options.prefixes):
        numbers = {"a": 3 + at // options.cuts, "b": 2 + at // options.cuts % 7, "c": 4}
        problem = Problem(id=str(at // options.cuts), text=STORY.format(**numbers))
        prefix = "".join(STEPS[: at % options.cuts]).format(**numbers)
        sampling = Sampling(max_tokens=options.tokens, seed=1)
        made.append(SampleRequest(problem=problem, prefix=prefix, n=options.samples, sampling=sampling))
    return made


def repeated(model: Any, prompts: list[list[int]], options: argparse.Namespace, size: int) -> int:
    """Written tokens of `generate` over every prompt once per sample, `size` rows at a time."""
    rows = [prompt for prompt in prompts for _ in range(options.samples)]
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    return sum(generate(model, part, options, samples=1) for part in parts)


def generate(model: Any, prompts: list[list[int]], options: argparse.Namespace, *, samples: int) -> int:
    """Written tokens of one `generate` call over `prompts`, left-padded."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    eos = model.generation_config.eos_token_id
    full = model.generate(
        ids,
        attention_mask=mask,
        do_sample=True,
        top_k=0,
        top_p=1.0,
        temperature=1.0,
        max_new_tokens=options.tokens,
        num_return_sequences=samples,
        pad_token_id=eos,
    )
    ended = (full[:, longest:] == eos).cumsum(1)
    return int(((ended - (full[:, longest:] == eos).long()) == 0).sum())


def rate(run: Callable[[], int]) -> tuple[float, float]:
    """Written tokens per second of wall time, and per second of processor time."""
    wall, processor = time.perf_counter(), time.process_time()
    tokens = run()
    return tokens / (time.perf_counter() - wall), tokens / (time.process_time() - processor)


def measure(folder: Path, dtype: str, options: argparse.Namespace) -> None:
    """Print one row per contender."""
    policy = TransformersPolicy.load(folder, dtype=dtype)
    rival = AutoModelForCausalLM.from_pretrained(folder, dtype=policy.model.dtype).eval()
    requests = asked(options)
    prompts = [list(policy.prompt_ids(request)) for request in requests]

    def ours() -> int:
        policy.forget()
        return sum(one.spend.policy_tokens for made in policy.sample_batch(requests) for one in made)

    contenders: dict[str, Callable[[], int]] = {
        "stepward": ours,
        f"generate, repeated, {options.batch} rows": lambda: repeated(rival, prompts, options, options.batch),
        "generate, repeated, one batch": lambda: repeated(rival, prompts, options, options.samples * len(prompts)),
        "generate, by prefix": lambda: sum(
            generate(rival, [prompt], options, samples=options.samples) for prompt in prompts
        ),
    }
    policy.sample_batch(requests[:1])
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, run in contenders.items():
            rates[name].append(rate(run))
    mine = middle(rates["stepward"])
    for name, measured in rates.items():
        wall, processor = middle(measured)
        print(
            f"{dtype:9} {name:30} {wall:9.0f} tokens/s {processor:9.0f} tokens/cpu-s   "
            f"stepward is {mine[0] / wall:5.2f} x (wall) {mine[1] / processor:5.2f} x (cpu)",
            flush=True,
        )


def middle(measured: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """The median of each."""
    return median(wall for wall, _ in measured), median(processor for _, processor in measured)


def main() -> None:
    """Parse options and measure each precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny")
    for name, default in (
        ("prefixes", 8),
        ("samples", 8),
        ("tokens", 64),
        ("cuts", 4),
        ("threads", 2),
        ("batch", 32),
        ("rounds", 1),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtypes", default="float32,bfloat16")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    known = {"tiny": tiny_folder, "smollm2": smollm2_folder, "quickstart": lambda: model_folder("quickstart")}
    folder = known[options.model]() if options.model in known else Path(options.model)
    print(f"{options.model}: {options.prefixes} prefixes x {options.samples} samples x {options.tokens} tokens")
    for dtype in options.dtypes.split(","):
        measure(folder, dtype, options)


if __name__ == "__main__":
    main()
