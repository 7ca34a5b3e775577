"""Families that read a plain text: problem and steps joined, a marker after every step, two answers compared there."""

from __future__ import annotations

from dataclasses import replace

from stepward.reward_models.formats.record import PRMFormat

MATH_SHEPHERD = PRMFormat(
    name="math-shepherd",
    summary="Math-Shepherd-Mistral-7B",
    source="arXiv 2312.08935; model card; openr prm/infer_fns.py",
    notes=(
        "The space before the marker is part of it: without it the marker is another token and nothing is read.",
        "Taught on answers written 'The answer is: X'.",
    ),
    checkpoints=("peiyi9979/math-shepherd-mistral-7b-prm*",),
    model_types=("mistral",),
    assembly="text",
    prompt="{problem} ",
    step="Step {number}: {step}",
    marker=" ки",
    marker_ids=(12902,),
    between="\n",
    added=False,
    output="tokens",
    answers=("+", "-"),
    answer_ids=(648, 387),
    target="value",
    aggregation="min",
)

MATH_PSA = PRMFormat(
    name="math-psa",
    summary="openr Math-psa, a LoRA",
    source="openr prm/code/finetune_qwen.py, prm/infer_fns.py; VersaPRM evaluation/prm_models/math_psa.py",
    notes=("The space before the line breaks is part of the marker. Training hid the markers from attention, scoring "
           "does not.",),
    checkpoints=("openreasoner/math-psa*",),
    model_types=("qwen2",),
    assembly="text",
    prompt="{problem} ",
    marker=" \n\n\n\n\n",
    marker_ids=(76325,),
    added=False,
    line_breaks="space",
    output="tokens",
    answers=(" +", " -"),
    answer_ids=(488, 481),
    target="value",
    aggregation="min",
)  # fmt: skip

VERSA_LLAMA = PRMFormat(
    name="versaprm-llama",
    summary="VersaPRM, Llama-PRM800K",
    source="arXiv 2502.06737; VersaPRM evaluation/prm_models/prm_llama.py",
    checkpoints=("UW-Madison-Lee-Lab/VersaPRM*", "UW-Madison-Lee-Lab/Llama-PRM800K*"),
    model_types=("llama",),
    assembly="text",
    prompt="{problem} \n\n",
    marker=" \n\n\n\n",
    marker_ids=(23535,),
    added=False,
    output="tokens",
    answers=("+", "-"),
    answer_ids=(10, 12),
    aggregation="min",
)

VERSA_QWEN = replace(
    VERSA_LLAMA,
    name="versaprm-qwen",
    summary="Qwen-PRM800K (VersaPRM)",
    source="arXiv 2502.06737; VersaPRM evaluation/prm_models/prm_qwen.py",
    checkpoints=("UW-Madison-Lee-Lab/Qwen-PRM800K*",),
    model_types=("qwen2",),
    marker_ids=(22701,),
)

ER_PRM = PRMFormat(
    name="er-prm",
    summary="ER-PRM, Llama 3.1",
    source="arXiv 2412.11006; compute-optimal-tts src/reason/inference/infer_fns.py, rm_call.py",
    notes=("Nothing stands between a marker and the next step.",),
    checkpoints=("*/Llama3.1-Math-PRM*",),
    model_types=("llama",),
    assembly="text",
    prompt="{problem} ",
    marker=" ки",
    marker_ids=(116624,),
    added=False,
    output="tokens",
    answers=(" +", " -"),
    answer_ids=(489, 482),
    target="value",
    aggregation="min",
)

LLEMMA_KI = PRMFormat(
    name="llemma-ki",
    summary="Llemma RM, as REBASE reads",
    source="arXiv 2408.00724; inference_scaling hf_score.py",
    notes=("The mean over the whole vocabulary is how this head was taught, no slip.",),
    model_types=("llama",),
    assembly="text",
    prompt="{problem} ",
    marker=" ки",
    one_token=False,
    between=" ",
    added=False,
    output="mean_logits",
    aggregation="last",
)

LLEMMA_HEADINGS = PRMFormat(
    name="llemma-headings",
    summary="Llemma RM, at blank lines",
    source="arXiv 2403.09472; PRMBench mr_eval/models/llemma7b_prm.py",
    notes=("A blank line is two tokens; the first of them is read.", "A blank line inside a step is refused."),
    checkpoints=("tkitsers/Llemma-reward-model*", "ScalableMath/llemma-7b-prm*"),
    model_types=("llama",),
    assembly="text",
    prompt="# Question\n\n{problem}\n\n# Solution\n\n",
    marker="\n\n",
    one_token=False,
    added=False,
    shift=-1,
    output="mean_logits",
    aggregation="last",
)

FORMATS = (MATH_SHEPHERD, MATH_PSA, VERSA_LLAMA, VERSA_QWEN, ER_PRM, LLEMMA_KI, LLEMMA_HEADINGS)
