"""Families that read a number or labels from a head of their own, at the end of each step."""

from __future__ import annotations

from dataclasses import replace

from stepward.reward_models.formats.record import PRMFormat

SKYWORK = PRMFormat(
    name="skywork",
    summary="Skywork-o1-Open-PRM",
    source="skywork-o1-prm-inference model_utils/io_utils.py, prm_model.py",
    notes=(
        "The published code ends a step at every line break; here a step of several lines is read at its last one, "
        "where the published code reads the same number.",
    ),
    checkpoints=("Skywork/Skywork-o1-Open-PRM-Qwen-2.5-*",),
    model_types=("qwen2",),
    prompt="{bos}{problem}\n",
    marker="\n",
    marker_ids=(198,),
    added=False,
    inside="keep",
    output="scalar",
    head_keys=("v_head.",),
    target="value",
    aggregation="mean",
)

PQM = PRMFormat(
    name="pqm",
    summary="PQM, Q-values",
    source="arXiv 2410.11287; Process_Q_Model bon_eval_hf.py, value_model.py",
    notes=("Values are taught to rank the steps of one problem's solutions: no threshold means anything.",),
    checkpoints=("Windy0822/PQM*",),
    model_types=("llama",),
    assembly="text",
    opening="none",
    prompt=(
        "Below is an instruction that describes a task.\nWrite a response that appropriately completes the request."
        "\n\n### Instruction:\n{problem}\n\n### Response: Let's think step by step\n"
    ),
    step="Step {number}: {step} ",
    marker="[PRM]",
    between="\n",
    added=False,
    output="scalar",
    head_keys=("v_head.",),
    convention="logit",
    target="value",
    aggregation="min",
)

RSTAR_PPM = PRMFormat(
    name="rstar-ppm",
    summary="rStar-Math preference model",
    source="arXiv 2501.04519; rStar (branch rStar-math) train/rm.py, train/sample_rm_data.py",
    notes=("Reads solutions as Python code with comments; values are taught by pairs of siblings.",),
    checkpoints=("*rStar-Math*PPM*", "*rstar*ppm*"),
    model_types=("qwen2",),
    assembly="text",
    prompt="<|user|>:\n{problem}\n<|assistant|>: Let's think step by step and solve the problem with code.",
    marker="<end_of_step>",
    one_token=False,
    between="\n",
    added=False,
    output="scalar",
    head_keys=("v_head.",),
    convention="logit",
    target="value",
    aggregation="last",
)

REASONEVAL_34B = PRMFormat(
    name="reasoneval-34b",
    summary="ReasonEval-34B",
    source="arXiv 2404.05692; ReasonEval codes/examples.py",
    notes=("Pad tokens force the boundaries and are taken out of the ids again.", "P(neutral) is the redundancy."),
    checkpoints=("GAIR/ReasonEval-34B*",),
    model_types=("llama",),
    assembly="text",
    prompt="Question:\n{problem}\nAnswer:\nLet's think step by step.\n{pad}",
    marker="{pad}",
    keep_marker=False,
    added=False,
    read="before",
    output="classes",
    classes=(1, 2),
    head_keys=("score_head.",),
    target="validity",
    aggregation="min",
)

REASONEVAL_7B = replace(
    REASONEVAL_34B,
    name="reasoneval-7b",
    summary="ReasonEval-7B",
    notes=(
        *REASONEVAL_34B.notes,
        "Its pad token is its bos token. The published code takes the bos out with the pads, puts it back in front, "
        "and so reads one token before the last of each step; its published scores are read there.",
    ),
    checkpoints=("GAIR/ReasonEval-7B*",),
    model_types=("mistral",),
    shift=-1,
)

TRL = PRMFormat(
    name="trl",
    summary="TRL PRMTrainer",
    source="TRL trl/experimental/prm/prm_trainer.py, prm_config.py",
    notes=(
        "Every part is tokenised alone. Joining the text first moves F1 on ProcessBench by about 4 points (PR #12).",
        "Nothing stands between the problem and the first step, though TRL's published snippet puts a separator there.",
        "The separator must be the one of training: see trl-blank-line.",
    ),
    architectures=("LlamaForTokenClassification", "Qwen2ForTokenClassification", "Qwen3ForTokenClassification"),
    opening="bos",
    prompt="{problem}",
    marker="\n",
    one_token=False,
    added=False,
    inside="keep",
    output="classes",
    classes=(1,),
    head_keys=("score.", "classifier."),
)

TRL_BLANK_LINE = replace(
    TRL,
    name="trl-blank-line",
    summary="TRL PRMTrainer, blank lines",
    checkpoints=("HuggingFaceH4/Qwen2.5-Math-*PRM*", "plaguss/Qwen2.5-*PRM*", "plaguss/Qwen2.5-Math-*"),
    marker="\n\n",
)

PURE = replace(
    TRL,
    name="pure",
    summary="PURE PRM",
    source="arXiv 2504.15275; PURE PRM/finetune.py",
    notes=(TRL.notes[0], "Ratings 0 and +1 of PRM800K are good."),
    checkpoints=("jinachris/Qwen2.5-Math-7B-PRM800K*", "jinachris/PURE-PRM*"),
    architectures=("Qwen2ForTokenClassification",),
    convention="margin",
    aggregation="soft_min",
    threshold=0.0,
)

FORMATS = (SKYWORK, PQM, RSTAR_PPM, REASONEVAL_7B, REASONEVAL_34B, TRL, TRL_BLANK_LINE, PURE)
