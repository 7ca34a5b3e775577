"""Families that read a dialogue: a user turn for each step, and the model's answer to it."""

from __future__ import annotations

from dataclasses import replace

from stepward.reward_models.formats.record import PRMFormat

RLHFLOW_MISTRAL = PRMFormat(
    name="rlhflow-mistral",
    summary="RLHFlow PRM, Mistral data",
    source="RLHF-Reward-Modeling math-rm/prm_evaluate.py, llama-3.1-prm.yaml",
    notes=("Every earlier answer is '+', so a step is judged as if all before it were right.",),
    checkpoints=("RLHFlow/Llama3.1-8B-PRM-Mistral-Data*",),
    model_types=("llama",),
    layout="turns",
    assembly="text",
    prompt="{problem} {step}",
    answer="+",
    marker="",
    added=False,
    read="before",
    output="tokens",
    answers=("+", "-"),
    answer_ids=(10, 12),
    target="value",
    aggregation="mean",
)

RLHFLOW_DEEPSEEK = replace(
    RLHFLOW_MISTRAL,
    name="rlhflow-deepseek",
    summary="RLHFlow PRM, Deepseek data",
    notes=(*RLHFLOW_MISTRAL.notes, "Taught on steps between blank lines; the Mistral data splits at single lines."),
    checkpoints=("RLHFlow/Llama3.1-8B-PRM-Deepseek-Data*",),
)

ASKS = "{step} Is this response correct so far (Y/N)?"

GRANITE_V2 = PRMFormat(
    name="granite-3.3-math-prm-v2",
    summary="Granite 3.3 math PRM v2",
    source="model card of ibm-granite/granite-3.3-8b-math-prm-v2",
    notes=("The probability is Y against the whole vocabulary, not against N.", "Its chat template writes today's "
           "date where it can: fix the date for scores that repeat."),
    checkpoints=("ibm-granite/granite-3.3-8b-math-prm-v2*",),
    model_types=("granite",),
    layout="turns",
    assembly="text",
    prompt="{problem} " + ASKS,
    step=ASKS,
    answer="Y",
    marker="",
    added=False,
    read="before",
    output="token",
    answers=("Y",),
    aggregation="mean",
)  # fmt: skip

GRANITE_LORA = replace(
    GRANITE_V2,
    name="granite-3.3-lora-math-prm",
    summary="Granite 3.3 math PRM, LoRA",
    source="model card of ibm-granite/granite-3.3-8b-lora-math-prm; granite-io PRM processor",
    checkpoints=("ibm-granite/granite-3.3-8b-lora-math-prm*",),
)

FOVER_LLAMA = PRMFormat(
    name="fover-llama",
    summary="FoVer PRM, Llama 3.1",
    source="arXiv 2505.15960; FoVer src/prm/preprocessing.py, postprocessing.py",
    notes=("'Sotluion' is what it was taught with.",),
    checkpoints=("ryokamoi/Llama-3.1-8B-FoVer-PRM*",),
    model_types=("llama",),
    layout="turns",
    assembly="text",
    prompt=(
        "** Problem **\n{problem}\n\n** Task **\nYour task is to evaluate the accuracy of each step in the provided "
        'solution to the above question. For each step, respond with "correct" if the reasoning is logically valid and '
        "mathematically sound, or if the step is a general statement or transition that does not contain reasoning. "
        'Respond with "incorrect" if the step includes any errors or flawed logic.\n\n** Sotluion **\n{step}'
    ),
    answer="correct",
    marker="",
    added=False,
    read="before",
    output="tokens",
    answers=("correct", "incorrect"),
    answer_piece="first",
    answer_ids=(20523, 63054),
    target="validity",
    aggregation="min",
)

FOVER_QWEN = replace(
    FOVER_LLAMA,
    name="fover-qwen",
    summary="FoVer PRM, Qwen 2.5",
    checkpoints=("ryokamoi/Qwen-2.5-7B-FoVer-PRM*",),
    model_types=("qwen2",),
    answer_ids=(19928, 61954),
)

FORMATS = (RLHFLOW_MISTRAL, RLHFLOW_DEEPSEEK, GRANITE_V2, GRANITE_LORA, FOVER_LLAMA, FOVER_QWEN)
