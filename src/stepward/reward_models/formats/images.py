"""Families that were taught with an image before the text: their text layout, for problems without an image."""

from __future__ import annotations

from stepward.reward_models.formats.record import PRMFormat

VISUAL_PRM = PRMFormat(
    name="visualprm",
    summary="VisualPRM-8B, text part",
    source="arXiv 2503.10291; InternVL tools/reasoning_data_pipeline/visualprm_data_pipeline_postprocess.py",
    checkpoints=("OpenGVLab/VisualPRM-8B*",),
    model_types=("internvl_chat",),
    images=True,
    layout="turns",
    assembly="text",
    system="""\
You are an advanced AI assistant, designed to serve as a process supervision model. In this task, I will provide a \
problem statement followed by the first step of the solution process. For each subsequent turn, I will give you a new \
step in the solution. Your role is to assess whether the solution process is correct up to the current step.

- In the **first round**, I will input the problem and the first step of the solution process.
- In **each subsequent round**, I will provide the next step in the solution.

For each step, you should:

- Respond with **"+"** if you believe the solution process is correct up to this step.
- Respond with **"-"** if you detect any issues or errors in the process up to this step.

Please note:
- Only respond with **"+"** or **"-"**. Do not provide any additional explanations, comments, or justifications.

Your task is to verify the accuracy and correctness of each step in the given solution process.""",
    prompt="### Question:\n{problem}\n\n### Solution Process:\n{step}",
    answer="+",
    marker="",
    added=False,
    read="before",
    output="tokens",
    answers=("+", "-"),
    target="value",
    aggregation="mean",
)

MM_PRM = PRMFormat(
    name="mm-prm",
    summary="MM-PRM-8B, text part",
    source="arXiv 2505.13427; MM-PRM internvl/model/internvl_chat/modeling_internvl_chat.py, eval/prm",
    notes=("Its authors compare min, last, product and mean over steps.",),
    checkpoints=("*/MM-PRM-8B*", "*/MM-PRM*"),
    model_types=("internvl_chat",),
    images=True,
    layout="chat",
    assembly="text",
    prompt="Question: {problem}\nProcess: ",
    steps_in="user",
    generation_prompt=True,
    marker="<prm>",
    added=False,
    output="tokens",
    answers=("Yes", "No"),
    target="value",
    aggregation="min",
)

URSA = PRMFormat(
    name="ursa-rm",
    summary="URSA-RM-8B, text part",
    source="arXiv 2501.04686; URSA-MATH inference/prm_infer_score.py",
    checkpoints=("URSA-MATH/URSA-RM-8B*",),
    architectures=("UrsaForTokenClassification",),
    model_types=("ursa",),
    images=True,
    layout="chat",
    assembly="text",
    system="You are a helpful assistant.",
    prompt=(
        "You are given a problem and a step-by-step solution. You need to check the correctness of each step.\n"
        "Question:{problem}\n"
    ),
    step="Step {number}: {step}",
    steps_in="user",
    generation_prompt=True,
    marker=" и",
    between="\n",
    added=False,
    output="scalar",
    head_keys=("score.", "classifier."),
    target="value",
    aggregation="min",
)

FORMATS = (VISUAL_PRM, MM_PRM, URSA)
