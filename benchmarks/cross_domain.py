"""A 135M PRM judged on every data set with labels by people, against trivial baselines: the cross-domain matrix.

Runs the stage `transfer` on the development data: PRM800K (train teaches, dev is judged), pupils' solutions (Verify
then Generate), MR-Ben in four subjects, PARC, three tasks of BIG-Bench Mistake, Who&When. AgentProcessBench is a
benchmark and is judged alone; PRMBench's training form has injected errors, so it is a row and a column apart. GSM8K
test problems (20 of the pupils' and 73 of PARC's are) teach nothing. Of each domain so many tokens are read as `CAPS`
says, whole problems in the order of their hash, on frozen SmolLM2-135M, layers 16 and 21, mean over the step. Traces
over 4,096 tokens are read in parts; those over 16,384 are left out and counted.

    STEPWARD_DATA=... python benchmarks/cross_domain.py FOLDER [NAME=MODEL ...]

NAME=MODEL adds the row of a reward model in a folder, on the first 40 judged traces of each domain. The features take
about 20 minutes of one core once and are kept in FOLDER; heads, intervals and the page a few minutes more.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from stepward.datasets.development import development_folder
from stepward.pipeline.runner import Recipe, run_recipe
from stepward.types import Json

MR_BEN = ("biology", "chemistry", "math", "physics")
TASKS = ("word_sorting", "logical_deduction", "dyck_languages")
CAPS: dict[str, tuple[int, int]] = {
    "PRM800K": (150_000, 99),
    "pupils": (120_000, 2),
    **{f"MR-Ben {subject}": (120_000, 2) for subject in MR_BEN},
    "PARC": (150_000, 2),
    **{f"{task.replace('_', ' ')}": (100_000, 2) for task in TASKS},
    "multi-agent": (500_000, 2),
    "agent": (220_000, 2),
    "injected": (150_000, 2),
}
"""Tokens of a domain, and traces of a problem."""
LONGEST, WINDOW, FURTHER = 16_384, 4096, 40


def main(folder: Path, further: dict[str, str]) -> None:
    torch.set_num_threads(1)
    reads: dict[str, tuple[Json, list[str]]] = {
        "PRM800K": ("prm800k", ["prm800k/train.jsonl"]),
        "pupils": ("verify_then_generate", ["verify_then_generate/dataset.json"]),
        **{f"MR-Ben {subject}": ("mr_ben", [f"mr_ben/{subject}.json"]) for subject in MR_BEN},
        "PARC": ("parc", files("parc", "*.json")),
        **{
            task.replace("_", " "): (
                {"use": "big_bench_mistake", "domain": task},
                [f"big_bench_mistake/{task}.jsonl"],
            )
            for task in TASKS
        },
        "multi-agent": ("who_and_when", files("who_and_when", "**/*.json")),
        "agent": ("agent_process_bench", ["agent_process_bench/hotpotqa_dev.jsonl"]),
        "injected": ("prmbench", files("prmbench_train", "*.jsonl")),
        "dev": ("prm800k", ["prm800k/dev.jsonl"]),
        "withheld": ("gsm8k", ["problems/gsm8k_test.jsonl"]),
    }
    stages: dict[str, Json] = {plain(name): read(*what) for name, what in reads.items()}
    domains: dict[str, Json] = {name: source(name, tokens, each) for name, (tokens, each) in CAPS.items()}
    for name, (tokens, each) in CAPS.items():
        print(f"{name}: at most {tokens:,} tokens, {each} traces a problem")
    stages["matrix"] = {
        "use": "transfer",
        "title": "SmolLM2-135M across domains",
        "backbone": "smollm2",
        "domains": domains,
        "withheld": ["withheld"],
        "precision": "bfloat16",
        "readout": {"layers": [16, 21], "pool": "mean"},
        "window": WINDOW,
        "head_fit": {"penalties": [0.1, 1.0, 10.0], "folds": 3, "iterations": 60},
        "features": str(folder / "features"),
        "further": {name: {"model": model, "traces": FURTHER} for name, model in further.items()},
    }
    run = folder / ("run" if not further else "run-" + "-".join(further))
    results = run_recipe(Recipe.of({"name": "cross-domain", "seed": 0, "stages": stages}), run)
    tables = run / "matrix" / "tables"
    for name in (
        "means-over-domains",
        "domains",
        "auroc-of-steps",
        "questions",
        "gains-by-domain",
        "adjusted-p-by-domain",
    ):
        print(f"\n{(tables / f'{name}.md').read_text()}")
    print(results["matrix"], f"\n{run / 'matrix' / 'report.html'}")


def source(name: str, tokens: int, each: int) -> Json:
    kept = {"PRM800K": {"judged": "dev"}, "agent": {"teaches": False}, "injected": {"human": False}}.get(name, {})
    return {"source": plain(name), "tokens": tokens, "per_problem": each, "longest": LONGEST, **kept}


def read(how: Json, paths: list[str]) -> Json:
    return {"use": "read", "format": how, "paths": [f"data:{path}" for path in paths], "repeats": "merge"}


def files(folder: str, pattern: str) -> list[str]:
    data = development_folder()
    return [str(path.relative_to(data)) for path in sorted((data / folder).glob(pattern))]


def plain(name: str) -> str:
    return name.lower().replace(" ", "_").replace("-", "_")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), dict(argument.split("=", 1) for argument in sys.argv[2:]))
