"""TRL's PRMTrainer takes an exported model and our rows, and makes the ids that we make. Needs TRL 1.13 or earlier."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from stepward.datasets.reading import Example
from stepward.datasets.trl import TrlWriter
from stepward.reward_models.export import export_token_classifier
from stepward.reward_models.process import ProcessRewardModel
from stepward.types import LabeledTrace, StepLabel

pytestmark = pytest.mark.slow


@pytest.fixture
def prm(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "trl.experimental.prm", reason="no TRL with PRMTrainer: pip install 'trl<=1.13', later releases dropped it"
        )


@pytest.fixture
def rows(pairs: list[Any], tmp_path: Path) -> list[dict[str, Any]]:
    """What our writer makes of the pairs, as the exported README says: a newline after the prompt, steps stripped."""
    examples = []
    for problem, trace in pairs:
        values = [float(index % 2) for index in range(len(trace))]
        labels = tuple(StepLabel(target="value", value=value, source="human") for value in values)
        examples.append(Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels)))
    TrlWriter().write(tmp_path / "rows.jsonl", [one for one in examples if len(one.labeled.trace)])
    found = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    for row in found:
        row["prompt"] += "\n"
        row["completions"] = [step.strip() for step in row["completions"]]
    return found


def test_trl_makes_our_ids_and_puts_labels_where_we_read(prm, make_checkpoint, tmp_path, pairs, rows):
    from transformers import AutoTokenizer

    checkpoint = make_checkpoint()
    done = export_token_classifier(checkpoint, tmp_path / "out")
    tokenizer: Any = AutoTokenizer.from_pretrained(done.folder)
    ours = [one for one in ProcessRewardModel.load(checkpoint).codec.encode_many(pairs) if one.read_positions]
    assert len(ours) == len(rows) == 4
    for row, wanted in zip(rows, ours, strict=True):
        theirs = prm.PRMTrainer.tokenize_row(row, tokenizer, done.format.marker, None, None, False, False)
        assert tuple(theirs["input_ids"]) == wanted.ids
        assert tuple(at for at, label in enumerate(theirs["labels"]) if label != -100) == wanted.read_positions


def test_trl_trains_an_exported_model_further(prm, make_checkpoint, tmp_path, rows):
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    from datasets import Dataset

    done = export_token_classifier(make_checkpoint(), tmp_path / "out")
    model: Any = AutoModelForTokenClassification.from_pretrained(done.folder)
    before = model.score.weight.detach().clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = prm.PRMConfig(
            output_dir=str(tmp_path / "trl"),
            step_separator=done.format.marker,
            max_steps=1,
            learning_rate=1e-2,
            per_device_train_batch_size=4,
            gradient_checkpointing=False,
            bf16=False,
            report_to=[],
            use_cpu=True,
            save_strategy="no",
        )
        trainer = prm.PRMTrainer(
            model=model,
            args=config,
            train_dataset=Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(done.folder),
        )
        trainer.train()
        trainer.save_model(str(tmp_path / "trained"))
    again: Any = AutoModelForTokenClassification.from_pretrained(tmp_path / "trained")
    assert not torch.equal(again.score.weight, before)
    assert again.config.id2label == {0: "wrong", 1: "right"}
    assert again.config.stepward_format["marker"] == done.format.marker
