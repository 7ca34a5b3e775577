"""The README of an exported reward model: what its labels mean, and code that reads its scores."""

from __future__ import annotations

import json

from stepward.reward_models.checkpoint import Card
from stepward.reward_models.encoding.codec import StepCodec
from stepward.reward_models.formats.record import PRMFormat

MEANING = {
    "validity": "what the step asserts holds, given what stands before it",
    "prefix": "there is no error up to and with the step",
    "value": "a solution that begins so ends right",
    "progress": "the step makes a right end likelier",
}

TEXT = """---
library_name: transformers
pipeline_tag: token-classification
tags: [stepward, reward-model, {kind}]
---

# {title}

A {kind} by Stepward. At the marker `{marker}` (id {marker_id}) after each step, the softmax of label 1
("right") is the probability that {meaning}. Logits at other tokens mean nothing.

## Scores

Tokenise each piece alone: joined first, a tokenizer may merge the end of one piece with the start of the next.

```python
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

folder = "."  # this folder
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForTokenClassification.from_pretrained(folder).eval()

problem = "What is two plus three?"
steps = ["Two plus three is five.", "The answer is 5."]
pieces = [{prompt}.replace("{{problem}}", problem)]
for step in steps:
    pieces += [step{strip}, {marker_text}]
ids = {opening} + [i for piece in pieces for i in tokenizer(piece, add_special_tokens=False).input_ids]
with torch.inference_mode():
    logits = model(torch.tensor([ids])).logits[0]
scores = logits.softmax(-1)[torch.tensor(ids) == {marker_id}, 1]  # one a step
```

A problem or step that holds the marker itself would get a score of its own: refuse it.

## Further training with TRL (1.13 or earlier, which has `PRMTrainer`)

Rows are `prompt` (the problem with a newline), `completions` (the steps, stripped) and `labels`;
`PRMConfig(step_separator={marker_text})` makes the same ids as above.

## Serving with vLLM

    vllm serve FOLDER --runner pooling --convert classify --pooler-config '{pooler}'

POST `{{"model": FOLDER, "input": [ids], "task": "token_classify"}}` to `/pooling`, with the ids from above and not the
text: one pair [wrong, right] a step comes back, already a softmax.
"""


def card_text(card: Card, format: PRMFormat, codec: StepCodec) -> str:
    """README of the exported model of `card`, read as `format` says with the tokenizer of `codec`."""
    kind = "process reward model" if card.kind == "prm" else "outcome reward model"
    return TEXT.format(
        title=f"{kind.capitalize()}, {card.mode} training",
        kind=kind,
        marker=format.marker,
        marker_id=codec.marker_id,
        meaning=MEANING[format.target],
        prompt=repr(format.prompt),
        strip=".strip()" if format.strip else "",
        marker_text=json.dumps(format.marker, ensure_ascii=False),
        opening=list(codec.opening),
        pooler=json.dumps({"pooling_type": "STEP", "step_tag_id": codec.marker_id}),
    )
