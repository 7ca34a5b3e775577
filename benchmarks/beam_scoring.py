"""Scoring a beam search level by level: from where the last level ended, beside scoring whole prefixes again.

    OMP_WAIT_POLICY=PASSIVE python benchmarks/beam_scoring.py [--levels 8] [--beams 4] [--expansions 4] [--threads 2]

Every level extends each kept trace by several steps, scores all of them, and keeps the best. Contenders score the same
traces and give the same scores (checked). The rivals compute every prefix from its first token: as rows of one padded
forward with transformers, and packed by Stepward without a cache. Tokens and processor seconds of each level are
printed: with the cache they do not grow with depth.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from scoring_candidates import padded
from side_by_side import alternate, table
from torch import Tensor
from transformers import AutoModel
from transformers.utils import logging

from stepward.policies.smollm2 import smollm2_folder
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.encoding.codec import Encoded, StepCodec
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.reader import StepReader
from stepward.reward_models.tree.prefix_cache import PrefixCache
from stepward.segment.cut import from_steps
from stepward.types import Problem

PROBLEM = Problem(
    id="p",
    text="A farmer sells apples for 3 dollars and pears for 2 dollars a piece at the market. On Monday she sells 12 "
    "apples and twice as many pears; on Tuesday half of each; on Wednesday it rains and she sells only 5 apples. How "
    "many dollars does she take home after she pays 10 dollars a day for her stand?",
)
LINES = [
    "On day {} she sells {} apples, which is {} dollars, and we add that to what she had before.",
    "The pears bring {} times {} dollars, so the total of this day is {} dollars so far.",
    "We must not forget the stand: {} minus {} leaves {} dollars at the end of the day.",
]


def beam(codec: StepCodec, options: argparse.Namespace) -> list[list[Encoded]]:
    """The traces that each level scores. Which ones are kept is drawn, so all contenders score the same ones."""
    draw, kept, levels = random.Random(0), [list[str]()], []
    for _ in range(options.levels):
        grown = [
            [*steps, draw.choice(LINES).format(*(draw.randrange(100) for _ in range(3)))]
            for steps in kept
            for _ in range(options.expansions * (1 if len(kept) > 1 else options.beams))
        ]
        levels.append(codec.encode_many([(PROBLEM, from_steps("p", steps, "\n")) for steps in grown]))
        kept = draw.sample(grown, options.beams)
    return levels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = (("levels", 8), ("beams", 4), ("expansions", 4), ("threads", 2), ("repeats", 3))
    for name, default in sizes:
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.disable_progress_bar()
    backbone = Backbone.open(smollm2_folder(), STEPWARD_DEFAULT, precision=options.dtype)
    head = ScoreHead(backbone.width)
    torch.nn.init.normal_(head.out.weight, std=0.1)
    levels = beam(backbone.codec, options)
    plain = StepReader(backbone=backbone, head=head)
    found = [tokens_and_seconds(levels, reader) for reader in (replace(plain, cache=PrefixCache()), plain)]
    tolerance = 1e-4 if options.dtype == "float32" else 0.1
    ours, whole = torch.cat(found[0][2]), torch.cat(found[1][2])
    difference = float((ours - whole).abs().max() / whole.abs().max())
    assert difference < tolerance, f"scores differ by {difference}"
    print(f"{options.dtype}, {options.threads} threads, {options.beams} beams x {options.expansions} expansions")
    print("level         " + "".join(f"{level:8d}" for level in range(1, options.levels + 1)))
    for name, (tokens, seconds, _) in zip(("with cache", "whole"), found, strict=True):
        print(f"{name:10} tok" + "".join(f"{count:8d}" for count in tokens))
        print(f"{name:10} cpu" + "".join(f"{second:8.3f}" for second in seconds), flush=True)
    print(table(alternate(contenders(plain, levels), options.repeats)))


def tokens_and_seconds(
    levels: Sequence[Sequence[Encoded]], reader: StepReader
) -> tuple[list[int], list[float], list[Tensor]]:
    """Tokens and processor seconds of each level, and the scores of the last one."""
    tokens, seconds, outputs = [], [], list[Tensor]()
    for traces in levels:
        tokens.append(sum(reader.tokens(traces)))
        started = time.process_time()
        outputs = reader.outputs(traces)
        seconds.append(time.process_time() - started)
    return tokens, seconds, outputs


def contenders(plain: StepReader, levels: Sequence[Sequence[Encoded]]) -> dict[str, Callable[[], object]]:
    rival = AutoModel.from_pretrained(smollm2_folder(), dtype=next(plain.backbone.model.parameters()).dtype).eval()
    rival.resize_token_embeddings(len(plain.backbone.codec.tokenizer), mean_resizing=False)

    def ours() -> None:
        reader = replace(plain, cache=PrefixCache())
        for traces in levels:
            reader.outputs(traces)

    @torch.inference_mode()
    def rows() -> None:
        for traces in levels:
            padded(rival, plain.head, traces)

    return {
        "stepward, incremental": ours,
        "whole prefixes, one padded batch a level": rows,
        "whole prefixes, packed by stepward": lambda: [plain.outputs(traces) for traces in levels],
    }


if __name__ == "__main__":
    main()
