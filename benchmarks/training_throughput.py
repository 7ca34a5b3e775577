"""Training speed: step labels per second, ours beside TRL's PRM trainer, and trees beside rows.

    python benchmarks/training_throughput.py --trl FOLDER [--data prm800k|distinct|rollouts] [--share 0.1] [--repeats 3]

SmolLM2-135M is trained in full on a fixed sample, every trace once. One arm is one process; arms take turns, and the
ratio is that of the medians, with the least and the largest ratio of a round. Loading and tokenising are not timed;
forward, backward, clipping, AdamW, batching and padding are. Counted are the labels that reach the loss. Before the
clock starts each arm trains on a few thousand tokens: memory that is touched for the first time costs seconds, which
would be counted to whoever reads the fewest tokens. `--cold` leaves that out.

    prm800k   a share of the problems of PRM800K's training file with all their rows, as the file is: quality control
              had some solutions labelled by up to 380 people, each in a row of its own
    distinct  the same with one row per solution
    rollouts  trees: `--prefixes` cuts of a solution, 8 completions of each, from the steps of PRM800K

    ours-fp32, ours-bf16            packed trees; fp32, and bfloat16 autocast over fp32 weights; passes in
                                    `--lanes` side by side
    chains-fp32                     ours without sharing
    prefixes-fp32                   (rollouts) ours with one padded row per labelled prefix, sorted by length
    trl-default                     TRL at its defaults: bf16 autocast, gradient checkpointing, batches of 8, and
                                    weights as transformers loads them (bf16)
    trl-tuned, trl-tuned-bf16       fp32 weights, no checkpointing, rows grouped by length; with and without autocast

TRL's PRM trainer was last released with 1.13.0 and is gone from later versions. `--trl FOLDER` names where it lies:

    pip install --no-deps --target FOLDER trl==1.13.0      (with accelerate, datasets and transformers beside it)
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ARMS = {
    "prm800k": ("ours-fp32", "trl-tuned", "ours-bf16", "trl-default"),
    "distinct": ("ours-fp32", "trl-tuned", "ours-bf16", "trl-default"),
    "rollouts": ("ours-fp32", "trl-tuned", "ours-bf16", "prefixes-fp32"),
}
ROLLOUTS, COMPLETION = 8, 60
BATCH = 8
"""Traces of one optimizer step: TRL's default. For rollouts a whole tree, which TRL reads as several passes of 8."""
QUALITY_CONTROL = 100
"""A problem with more rows than this is quality control's."""


def main() -> None:
    """Run every arm in turn, in a process of its own, and print the table."""
    options = _options()
    if options.arm:
        print(json.dumps(measure(options)))
        return
    arms = ARMS[options.data] if options.arms == "default" else options.arms.split(",")
    found: dict[str, list[dict[str, float]]] = {arm: [] for arm in arms}
    for turn in range(options.repeats):
        for arm in arms if turn % 2 == 0 else reversed(arms):
            found[arm].append(_child(options, arm))
            print(f"round {turn + 1}  {_line(arm, found[arm][-1:])}", file=sys.stderr, flush=True)
    print(f"SmolLM2-135M, {options.threads} threads, {options.data}, {options.repeats} rounds")
    for arm in arms:
        print(_line(arm, found[arm]))
    for mine in [arm for arm in arms if arm.startswith("ours")]:
        for rival in [arm for arm in arms if not arm.startswith("ours")]:
            print(_ratio(mine, found[mine], rival, found[rival]))


def measure(options: argparse.Namespace) -> dict[str, float]:
    """One arm: seconds, processor seconds, labels, tokens, steps."""
    import torch

    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    pairs = rollout_trees(options) if options.data == "rollouts" else prm800k(options)
    run = trl(options, pairs) if options.arm.startswith("trl") else ours(options, pairs)
    return run()


def prm800k(options: argparse.Namespace) -> list[Any]:
    """The sample: every n-th problem in order of rows; of quality control's own problem the same share of rows."""
    from stepward.datasets.development import development_folder
    from stepward.datasets.prm800k import Prm800k
    from stepward.datasets.reading import read
    from stepward.datasets.repeats import one_per_trace

    items: Sequence[Any] = read(Prm800k(), development_folder() / "prm800k" / "train.jsonl").items
    if options.data == "distinct":
        items = one_per_trace(items).examples
    groups: dict[str, list[Any]] = {}
    for item in items:
        groups.setdefault(item.problem.id, []).append(item)
    usual = sorted((group for group in groups.values() if len(group) <= QUALITY_CONTROL), key=len)
    every = round(1 / options.share)
    kept = [item for group in usual[every // 2 :: every] for item in group]
    for group in groups.values():
        if len(group) > QUALITY_CONTROL:
            kept += group[: round(options.share * len(group))]
    return [(item.problem, item.labeled) for item in kept]


def rollout_trees(options: argparse.Namespace) -> list[Any]:
    """Trees made of real steps: cuts of one solution, and after each cut completions of about `COMPLETION` tokens."""
    from stepward.datasets.development import development_folder
    from stepward.datasets.prm800k import Prm800k
    from stepward.datasets.reading import read
    from stepward.segment.cut import from_steps
    from stepward.types import LabeledTrace, StepLabel

    items = read(Prm800k(), development_folder() / "prm800k" / "train.jsonl").items
    draw = random.Random(0)
    pool = [text.strip() for item in items[::7] for text in item.labeled.trace.step_texts]
    trunks = [item for item in items if len(item.labeled.trace) >= options.prefixes]
    pairs = []
    for item in draw.sample(trunks, options.trees):
        steps = [text.strip() for text in item.labeled.trace.step_texts]
        for cut in range(1, options.prefixes + 1):
            for _ in range(ROLLOUTS):
                texts = [*steps[:cut], *_completion(draw, pool)]
                trace = from_steps(item.problem.id, texts)
                labels = [
                    StepLabel(target="prefix", value=float(at < cut or draw.random() < 0.5), source="human")
                    for at in range(len(texts))
                ]
                pairs.append((item.problem, LabeledTrace(trace=trace, labels=tuple(labels))))
    return pairs


def _completion(draw: random.Random, pool: Sequence[str]) -> list[str]:
    """Steps of about 60 tokens together; about 3.2 characters a token in this text."""
    found: list[str] = []
    while sum(map(len, found)) < COMPLETION * 3.2:
        found.append(draw.choice(pool)[:120])
    return found


def ours(options: argparse.Namespace, pairs: Sequence[Any]) -> Callable[[], dict[str, float]]:
    """Our loop on packed trees, chains or one row per prefix."""
    from stepward.policies.smollm2 import smollm2_folder
    from stepward.reward_models.backbone import Backbone
    from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
    from stepward.reward_models.heads import ScoreHead
    from stepward.reward_models.tree.packing import distinct_tokens
    from stepward.training.descent import GradientRun
    from stepward.training.examples import StepExamples
    from stepward.training.spec import Descent, TrainSpec
    from stepward.training.split import Halves
    from stepward.training.watch import SILENT

    backbone = Backbone.open(smollm2_folder(), STEPWARD_DEFAULT)
    examples = StepExamples().build(backbone.codec, pairs).examples
    layout, precision = options.arm.split("-")
    traces, labels = len(examples), sum(len(example.slots) for example in examples)
    if layout == "prefixes":
        examples = tuple(_one_per_node(examples))
    tokens = sum(len(example.encoded) for example in examples)
    gigaflops = _gigaflops(backbone.model, [example.encoded for example in examples], share=layout == "ours")
    batch = options.prefixes * ROLLOUTS if options.data == "rollouts" else BATCH * options.fill
    descent = Descent(
        epochs=1,
        learning_rate=1e-5,
        pack={"ours": "tree", "chains": "chain", "prefixes": "rows"}[layout],
        precision={"fp32": "float32", "bf16": "bfloat16"}[precision],
        batch_tokens=round(tokens / traces * batch) + 1,
        forward_tokens=options.forward_tokens,
        lanes=options.lanes,
        save_every=1 << 30,
    )

    def run_on(chosen: Sequence[Any]) -> GradientRun:
        return GradientRun(
            spec=TrainSpec(descent=descent, held_out=0.0),
            halves=Halves(train=chosen, held_out=()),
            backbone=backbone,
            head=ScoreHead(backbone.width),
            out=Path(tempfile.mkdtemp(prefix="throughput-")),
            key="benchmark",
            watch=SILENT,
        )

    if not options.cold:
        run_on(_first(examples, 4 * options.forward_tokens, share=layout == "ours")).run()
    run = run_on(examples)

    def go() -> dict[str, float]:
        wall, processor = time.perf_counter(), time.process_time()
        run.run()
        return {
            "seconds": time.perf_counter() - wall,
            "processor": time.process_time() - processor,
            "labels": labels,
            "tokens": tokens,
            "traces": traces,
            "steps": run.place.step,
            "distinct": sum(distinct_tokens([example.encoded for example in examples])),
            "gigaflops": gigaflops,
        }

    return go


def _first(examples: Sequence[Any], tokens: int, *, share: bool) -> Sequence[Any]:
    """As many as are read as about `tokens` tokens."""
    from stepward.reward_models.tree.packing import Forest

    encoded = [example.encoded for example in examples]
    fresh = Forest.of(encoded, share=share).fresh
    count = next((at for at in range(1, len(fresh)) if sum(fresh[:at]) >= tokens), len(fresh))
    return examples[:count]


def _gigaflops(model: Any, encoded: Sequence[Any], *, share: bool) -> float:
    """Least arithmetic of forward and backward: 6 per weight and token, 12 per channel and pair of query and key."""
    from stepward.reward_models.tree.packing import Forest

    forest, config = Forest.of(encoded, share=share), model.config
    weights = sum(weight.numel() for weight in model.parameters()) - model.get_input_embeddings().weight.numel()
    pairs = int((forest.positions_T + 1).sum())
    channels = config.num_hidden_layers * config.hidden_size
    return 1e-9 * (6.0 * weights * len(forest) + 12.0 * channels * pairs)


def _one_per_node(examples: Sequence[Any]) -> list[Any]:
    """One example per distinct labelled prefix, its slot as heavy as the traces that share it."""
    from stepward.reward_models.encoding.codec import Encoded
    from stepward.training.examples import Example

    rows: dict[tuple[int, ...], Any] = {}
    for example in examples:
        for slot in example.slots:
            end = example.encoded.read_positions[slot.step] + 1
            ids, steps = example.encoded.ids[:end], slot.step + 1
            if ids in rows:
                (old,) = rows[ids].slots
                rows[ids] = replace(rows[ids], slots=(replace(old, weight=old.weight + slot.weight),))
                continue
            cut = Encoded(
                ids=ids, spans=example.encoded.spans[:steps], read_positions=example.encoded.read_positions[:steps]
            )
            rows[ids] = Example(encoded=cut, slots=(slot,), group=example.group, trace_id=example.trace_id)
    return list(rows.values())


def trl(options: argparse.Namespace, pairs: Sequence[Any]) -> Callable[[], dict[str, float]]:
    """TRL's PRM trainer on the same traces."""
    sys.path.insert(0, options.trl)
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer, TrainerCallback
    from trl.experimental.prm import PRMConfig, PRMTrainer

    from datasets import Dataset
    from stepward.policies.smollm2 import smollm2_folder

    rows = [
        {
            "prompt": problem.text + "\n",
            "completions": [
                text.strip() for text, label in zip(made.trace.step_texts, made.labels, strict=True) if label
            ],
            "labels": [label.good for label in made.labels if label],
        }
        for problem, made in pairs
    ]
    tuned = options.arm != "trl-default"
    knobs: dict[str, Any] = {"bf16": options.arm.endswith("bf16"), "train_sampling_strategy": "group_by_length"}
    knobs |= {"gradient_checkpointing": False}
    config = PRMConfig(
        output_dir=tempfile.mkdtemp(prefix="throughput-"),
        use_cpu=True,
        num_train_epochs=1,
        per_device_train_batch_size=BATCH,
        gradient_accumulation_steps=options.prefixes if options.data == "rollouts" else 1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        **(knobs if tuned else {}),
    )
    dtype = {"dtype": torch.float32} if tuned else {}
    model = AutoModelForTokenClassification.from_pretrained(smollm2_folder(), num_labels=2, **dtype)
    tokenizer = AutoTokenizer.from_pretrained(smollm2_folder())
    clock: dict[str, float] = {}

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock.setdefault("wall", time.perf_counter())
            clock.setdefault("processor", time.process_time())

        def on_step_end(self, *_: Any, **__: Any) -> None:
            clock["wall_end"], clock["processor_end"] = time.perf_counter(), time.process_time()

    def trainer_of(chosen: list[dict[str, Any]], *callbacks: Any) -> Any:
        data = Dataset.from_list(chosen)
        return PRMTrainer(
            model=model, args=config, processing_class=tokenizer, train_dataset=data, callbacks=list(callbacks)
        )

    if not options.cold:
        trainer_of(rows[: 4 * BATCH]).train()
    trainer = trainer_of(rows, Clock())
    labels = sum(label != -100 for row in trainer.train_dataset for label in row["labels"])
    tokens = sum(len(row["input_ids"]) for row in trainer.train_dataset)

    def go() -> dict[str, float]:
        trainer.train()
        return {
            "seconds": clock["wall_end"] - clock["wall"],
            "processor": clock["processor_end"] - clock["processor"],
            "labels": labels,
            "tokens": tokens,
            "traces": len(rows),
            "steps": trainer.state.global_step,
        }

    return go


def _child(options: argparse.Namespace, arm: str) -> dict[str, float]:
    threads = str(options.threads)
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": threads,
        "OMP_WAIT_POLICY": "PASSIVE",
        "TRL_EXPERIMENTAL_SILENCE": "1",
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-W", "ignore", __file__, *sys.argv[1:], "--arm", arm]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{arm} failed:\n{done.stderr[-3000:]}")
    result: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _line(arm: str, runs: Sequence[dict[str, float]]) -> str:
    first, wall = runs[0], statistics.median(run["seconds"] for run in runs)
    processor = statistics.median(run["processor"] for run in runs)
    shared = f" ({first['distinct']:.0f} distinct, {first['gigaflops']:.0f} GFLOP)" if "distinct" in first else ""
    return (
        f"{arm:15} {first['labels'] / wall:7.2f} labels/s {first['labels'] / processor:7.2f} labels/cpu-s"
        f"   {first['labels']:.0f} labels, {first['traces']:.0f} traces, {first['tokens']:.0f} tokens{shared},"
        f" {first['steps']:.0f} steps in {wall:.1f} s ({processor:.1f} cpu-s)"
    )


def _ratio(mine: str, own: Sequence[dict[str, float]], rival: str, other: Sequence[dict[str, float]]) -> str:
    def rates(runs: Sequence[dict[str, float]], clock: str) -> list[float]:
        return [run["labels"] / run[clock] for run in runs]

    texts = []
    for clock, name in (("seconds", "wall"), ("processor", "cpu")):
        a, b = rates(own, clock), rates(other, clock)
        each = [x / y for x, y in zip(a, b, strict=True)]
        texts.append(f"{statistics.median(a) / statistics.median(b):5.2f} x {name} ({min(each):.2f}-{max(each):.2f})")
    if "gigaflops" in own[0] and "gigaflops" in other[0]:
        texts.append(f"arithmetic {other[0]['gigaflops'] / own[0]['gigaflops']:.2f} to one")
    return f"{mine} v {rival:15} {'   '.join(texts)}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=sorted(ARMS), default="prm800k")
    parser.add_argument("--arms", default="default")
    parser.add_argument("--arm", default="", help=argparse.SUPPRESS)
    parser.add_argument("--trl", default="", help="folder that holds trl 1.13.0")
    parser.add_argument("--share", type=float, default=0.1, help="of the problems")
    parser.add_argument("--fill", type=float, default=1.25, help="our batches hold this times as many tokens, at most")
    parser.add_argument("--cold", action="store_true", help="no training before the clock starts")
    numbers = {"repeats": 3, "threads": 2, "prefixes": 6, "trees": 2, "forward_tokens": 2048, "lanes": 2}
    for name, default in numbers.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
