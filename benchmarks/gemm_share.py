"""Share of the machine's matrix-multiplication peak that packed training reaches, forward and backward.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/gemm_share.py [--tokens 2048] [--threads 2] [--dtype float32]

The peak is measured, in turn with the training passes: the model's own weight shapes, the same number of rows, dtype
and threads, the products alone. Useful work is 6 x weights x tokens (2 forward, 4 backward) over all layers; attention,
norms, head and embedding count as time but not as work. Share = the time of the products alone, over the time of
training. SmolLM2-135M on a forest of chains and on one of rollouts.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from transformers.utils import logging

from stepward.policies.smollm2 import smollm2_folder
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.readout import LAST, step_states
from stepward.reward_models.token_batch import TokenBatch


def chains(tokens: int) -> list[Encoded]:
    """Traces of 256 tokens that share nothing."""
    draw = random.Random(0)
    return [_trace([draw.randrange(40_000) for _ in range(256)]) for _ in range(tokens // 256)]


def rollouts(tokens: int) -> list[Encoded]:
    """A trace of a quarter of the tokens, and rollouts of 48 tokens from places along it."""
    draw = random.Random(0)
    trunk = [draw.randrange(40_000) for _ in range(tokens // 4)]
    grown = [[draw.randrange(40_000) for _ in range(48)] for _ in range((tokens - len(trunk)) // 48)]
    return [
        _trace(trunk),
        *(_trace(trunk[: 16 + index % 8 * len(trunk) // 8] + own) for index, own in enumerate(grown)),
    ]


def _trace(ids: list[int]) -> Encoded:
    ends = range(31, len(ids), 32)
    return Encoded(ids=tuple(ids), spans=tuple((end - 31, end) for end in ends), read_positions=tuple(ends))


def products(model: nn.Module, tokens: int, dtype: torch.dtype) -> Callable[[], object]:
    """All products of one forward and backward pass: for a weight [o, i] once with [T, i], once each way back."""
    weights = [weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name]
    rows = {size: torch.randn(tokens, size, dtype=dtype) for weight in weights for size in weight.shape}

    @torch.inference_mode()
    def run() -> None:
        for weight in weights:
            out, into = rows[weight.shape[0]], rows[weight.shape[1]]
            torch.mm(into, weight.T)
            torch.mm(out, weight)
            torch.mm(out.T, into)

    return run


def timed(run: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("tokens", 2048), ("threads", 2), ("repeats", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable_progress_bar()
    backbone = Backbone.open(smollm2_folder(), STEPWARD_DEFAULT, precision=options.dtype)
    head = ScoreHead(backbone.width)
    torch.nn.init.normal_(head.out.weight)
    for name, make in (("chains", chains), ("rollouts", rollouts)):
        batch = TokenBatch.packed(make(options.tokens), backbone.device)
        tokens = batch.ids_BT.numel()
        peak = products(backbone.model, tokens, next(backbone.model.parameters()).dtype)

        def train(batch: TokenBatch = batch) -> None:
            backbone.model.zero_grad(set_to_none=True)
            loss = head(step_states(backbone, batch, LAST)).square().mean()
            loss.backward()  # type: ignore[no-untyped-call]

        train()
        peak()
        pairs = [(timed(peak), timed(train)) for _ in range(options.repeats)]
        shares = [[best[at] / own[at] for best, own in pairs] for at in (0, 1)]
        rate = 6.0 * backbone.parameters * tokens / statistics.median(best[0] for best, _ in pairs) / 1e9
        said = ", ".join(
            f"{100 * statistics.median(share):.0f} % [{100 * min(share):.0f}, {100 * max(share):.0f}] ({kind})"
            for share, kind in zip(shares, ("wall", "processor"), strict=True)
        )
        seconds = statistics.median(own[0] for _, own in pairs)
        print(
            f"{name:8} {options.dtype}, {options.threads} threads, {tokens} tokens, {len(batch.counts)} traces: "
            f"peak {rate:.0f} GFLOP/s, training {tokens / seconds:.0f} tokens/s, share of peak {said}",
            flush=True,
        )


if __name__ == "__main__":
    main()
