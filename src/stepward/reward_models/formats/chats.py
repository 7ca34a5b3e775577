"""Families that read a chat with all steps in one message, or that are asked about one step at a time."""

from __future__ import annotations

from dataclasses import replace

from stepward.reward_models.formats.record import PRMFormat

QWEN_PRM = PRMFormat(
    name="qwen2.5-math-prm",
    summary="Qwen2.5-Math-PRM",
    source="arXiv 2501.07301; model card; search-and-learn src/sal/models/reward_models.py",
    notes=(
        "The published helper keeps non-zero probabilities, so one that rounds to 0 shifts all later scores; here "
        "scores are read by position.",
    ),
    checkpoints=("Qwen/Qwen2.5-Math-PRM-7B*", "Qwen/Qwen2.5-Math-PRM-72B*"),
    architectures=("Qwen2ForProcessRewardModel",),
    model_types=("qwen2",),
    layout="chat",
    assembly="text",
    system="Please reason step by step, and put your final answer within \\boxed{}.",
    prompt="{problem}",
    marker="<extra_0>",
    marker_ids=(151651,),
    added=False,
    output="classes",
    classes=(1,),
    head_keys=("score.",),
    aggregation="product",
)

QWEN_PRM800K = replace(
    QWEN_PRM,
    name="qwen2.5-math-prm800k",
    summary="Qwen2.5-Math-7B-PRM800K",
    notes=(),
    checkpoints=("Qwen/Qwen2.5-Math-7B-PRM800K*",),
)

REASONFLUX = replace(
    QWEN_PRM,
    name="reasonflux-prm",
    summary="ReasonFlux-PRM",
    source="arXiv 2506.18896; ReasonFlux reason_flux_prm",
    notes=("No system message of its own: what the chat template writes without one stands.",),
    checkpoints=("Gen-Verse/ReasonFlux-PRM-*",),
    system="",
    aggregation="mean",
)

MED_PRM = PRMFormat(
    name="med-prm",
    summary="Med-PRM, medical",
    source="arXiv 2506.11474; Med-PRM python/4_scoring_PRM.py",
    notes=(
        "The published code tokenises the rendered chat with special tokens, so two bos tokens stand in front.",
        "Options follow the question in its own text: ' (A) ... (B) ...'.",
    ),
    checkpoints=("dmis-lab/llama-3.1-medprm-reward*",),
    model_types=("llama",),
    layout="chat",
    assembly="text",
    opening="tokenizer",
    system=(
        "You are an evaluator assessing the logicality and validity of the reasoning in each step of the given "
        "explanation. In order to support the evaluation, the question and the explanation are provided. If the "
        "reasoning contains errors, output - after that step. If the reasoning in a step is logical and valid, output "
        "+ after that step."
    ),
    prompt="Question: {problem}\n\nExplanation: ",
    step="Step {number}: {step}",
    steps_in="user",
    generation_prompt=True,
    marker=" ки",
    marker_ids=(128256,),
    between="\n",
    added=False,
    output="tokens",
    answers=(" +", " -"),
    answer_ids=(489, 482),
    aggregation="min",
)

MED_PRM_DOCUMENTS = replace(
    MED_PRM,
    name="med-prm-documents",
    summary="Med-PRM with documents",
    notes=(*MED_PRM.notes, "The problem's text starts after 'Question: '; documents belong into a prompt of your own."),
    checkpoints=(),
    system=MED_PRM.system.replace(
        "the question and the explanation are provided",
        "the relevant documents, the question, and the explanation are provided sequentially",
    ),
)

PATHFINDER = PRMFormat(
    name="pathfinder-prm",
    summary="PathFinder-PRM, two passes",
    source="arXiv 2505.19706; model card; PathFinder-PRM src/evaluation/reward_guided_search",
    notes=(
        "Two passes a step: where the first finds an error the step is wrong and the second is not asked.",
        "'mathemetical' is what it was taught with.",
    ),
    checkpoints=("declare-lab/PathFinder-PRM*",),
    model_types=("qwen2",),
    layout="chat",
    assembly="text",
    prompt=(
        "You are a Math Teacher. Given a question and a student's solution, evaluate the mathemetical correctness, "
        "logic consistency of the current step and whether it will lead to the correct final solution"
        "\n\n Question: {problem}"
    ),
    between="\n\n",
    passes=(
        "Current Step: {step} Math reasoning: <extra>, Consistency: <extra>",
        "Current Step: {step} Math reasoning: {0}, Consistency: {1}, Correctness: <extra>",
    ),
    marker="<extra>",
    added=False,
    read="before",
    output="tokens",
    answers=("<+>", "<->"),
    aggregation="min",
)

EURUS = PRMFormat(
    name="eurus",
    summary="EurusPRM-Stage1 and 2",
    source="arXiv 2412.01981; ImplicitPRM eval/processbench.py; EurusPRM cards",
    notes=(
        "A step is read where the dialogue of the first steps, encoded by itself, ends: one token into the next step, "
        "or two where the tokenizer merges a full stop with the blank line. `implicit` reads where the step ends.",
        "The script for ProcessBench uses 0.005, a sigmoid and the threshold 0.5005, with Qwen2.5-7B-Instruct.",
    ),
    checkpoints=("PRIME-RL/EurusPRM-Stage*",),
    model_types=("qwen2",),
    reference="Qwen/Qwen2.5-Math-7B-Instruct",
    layout="chat",
    assembly="text",
    prompt="{problem}",
    step="Step {number}: {step}",
    marker="",
    between="\n\n",
    added=False,
    read="prefix",
    output="log_ratio",
    coefficient=0.001,
    convention="log_ratio",
    target="value",
    aggregation="min",
)

IMPLICIT = PRMFormat(
    name="implicit",
    summary="Implicit, at step ends",
    source="arXiv 2412.01981, with boundaries by construction",
    layout="chat",
    prompt="{problem}",
    generation_prompt=True,
    marker="\n\n",
    one_token=False,
    added=False,
    inside="keep",
    read="before",
    output="log_ratio",
    coefficient=0.05,
    convention="log_ratio",
    target="value",
    aggregation="min",
)

FORMATS = (QWEN_PRM, QWEN_PRM800K, REASONFLUX, MED_PRM, MED_PRM_DOCUMENTS, PATHFINDER, EURUS, IMPLICIT)
