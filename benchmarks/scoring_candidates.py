"""Scoring 32 candidates of a problem: one packed row in which every distinct token stands once, beside padded forwards.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/scoring_candidates.py [--problems 1] [--threads 2] [--rivals PART]

The backbone is SmolLM2-135M, the head linear, and all contenders give the same scores (checked first). Rivals, both
with transformers alone, the logits read from a causal language model as published PRMs are read, and from the
backbone without its vocabulary:

    one padded batch     all candidates of a problem as rows padded to the longest, one forward
    trace by trace       one forward a candidate, no padding

Data: pools of 32 GSM8K solutions where the folder of development data holds them (`--data made` for made-up ones).
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from side_by_side import alternate, table
from torch import Tensor
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from stepward.datasets.best_of_n import BestOfN, pools
from stepward.datasets.development import find_development_folder
from stepward.datasets.reading import Tally
from stepward.policies.smollm2 import smollm2_folder
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.reader import StepReader
from stepward.reward_models.tree.packing import Forest
from stepward.segment.cut import from_steps
from stepward.types import Problem, Trace

CANDIDATES = 32


def stored(problems: int, skip: int = 0) -> list[list[tuple[Problem, Trace]]] | None:
    """Pools of sampled GSM8K solutions; None where there is no folder of data."""
    folder = find_development_folder()
    if folder is None:
        return None
    examples = BestOfN().stream(folder / "best_of_32" / "gsm8k_351x32.jsonl.gz", Tally())
    wanted = itertools.islice(examples, skip * CANDIDATES, (skip + problems) * CANDIDATES)
    return [[(pool.problem, example.labeled.trace) for example in pool.examples] for pool in pools(wanted)]


def made(problems: int) -> list[list[tuple[Problem, Trace]]]:
    """Solutions of four to eight short lines over a few wordings, so that some begin alike."""
    draw, found = random.Random(0), []
    wordings = ["So we have {} apples and {} pears.", "That makes {} times {} of them.", "Next, add {} to {}."]
    for number in range(problems):
        problem = Problem(id=str(number), text=" ".join(["A farmer sells apples and pears at a market."] * 6))
        group = []
        for _ in range(CANDIDATES):
            lines = [draw.choice(wordings).format(draw.randrange(3), draw.randrange(9)) for _ in range(8)]
            group.append((problem, from_steps(problem.id, lines[: draw.randint(4, 8)], separator="\n")))
        found.append(group)
    return found


def padded(model: torch.nn.Module, head: torch.nn.Module, encoded: Sequence[Encoded]) -> list[Tensor]:
    """Scores of one padded forward, as a script around transformers computes them.

    A causal language model also computes what it thinks of every word, which such scripts throw away.
    """
    longest = max(map(len, encoded))
    ids = torch.tensor([[*item.ids, *[0] * (longest - len(item))] for item in encoded])
    mask = torch.tensor([[1] * len(item) + [0] * (longest - len(item)) for item in encoded])
    words = hasattr(model, "lm_head")
    out = model(input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=words)
    hidden = out.hidden_states[-1] if words else out.last_hidden_state
    return [head(hidden[row, list(item.read_positions)].float()) for row, item in enumerate(encoded)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("problems", 1), ("threads", 2), ("repeats", 3), ("skip", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--rivals", default="", help="only those whose name holds this")
    parser.add_argument("--data", default="stored", choices=["stored", "made"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable_progress_bar()
    groups = (stored(options.problems, options.skip) if options.data == "stored" else None) or made(options.problems)
    backbone = Backbone.open(smollm2_folder(), STEPWARD_DEFAULT, precision=options.dtype)
    rival = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=getattr(torch, options.dtype)).eval()
    rival.resize_token_embeddings(len(backbone.codec.tokenizer), mean_resizing=False)
    rival.model.load_state_dict(backbone.model.state_dict())
    head = ScoreHead(backbone.width)
    torch.nn.init.normal_(head.out.weight, std=0.1)
    encoded = [backbone.codec.encode_many(group) for group in groups]
    reader = StepReader(backbone=backbone, head=head)
    check(reader, rival, encoded, options.dtype)
    print(describe(encoded, options), flush=True)
    running = {
        name: run
        for name, run in contenders(reader, rival, encoded).items()
        if name == "stepward" or options.rivals in name
    }
    print(table(alternate(running, options.repeats)))


def contenders(reader: StepReader, rival: Any, encoded: Sequence[Sequence[Encoded]]) -> dict[str, Callable[[], object]]:
    head = reader.head

    @torch.inference_mode()
    def batches(words: bool) -> None:
        for group in encoded:
            padded(rival if words else rival.model, head, group)

    @torch.inference_mode()
    def singles(words: bool) -> None:
        for item in itertools.chain.from_iterable(encoded):
            padded(rival if words else rival.model, head, [item])

    return {
        "stepward": lambda: [reader.outputs(group) for group in encoded],
        "one padded batch, causal LM": lambda: batches(True),
        "one padded batch, backbone alone": lambda: batches(False),
        "trace by trace, causal LM": lambda: singles(True),
        "trace by trace, backbone alone": lambda: singles(False),
    }


@torch.inference_mode()
def check(reader: StepReader, rival: Any, encoded: Sequence[Sequence[Encoded]], dtype: str) -> None:
    """Refuse to time contenders that say different things."""
    some = encoded[0][:6]
    ours, theirs = torch.cat(reader.outputs(some)), torch.cat(padded(rival.model, reader.head, some))
    difference = float((ours - theirs).abs().max() / theirs.abs().max())
    assert difference < (1e-4 if dtype == "float32" else 0.1), f"scores differ by {difference}"


def describe(encoded: Sequence[Sequence[Encoded]], options: argparse.Namespace) -> str:
    tokens = sum(len(item) for group in encoded for item in group)
    distinct = sum(len(Forest.of(group)) for group in encoded)
    filled = sum(len(group) * max(map(len, group)) for group in encoded)
    return (
        f"{options.dtype}, {options.threads} threads, {len(encoded)} problems x {CANDIDATES} candidates: "
        f"{tokens} tokens, {distinct} distinct ({tokens / distinct:.2f} x), "
        f"{filled} with padding ({filled / distinct:.2f} x)"
    )


if __name__ == "__main__":
    main()
