"""The page on exchange: its table builds, and its snippets read an exported model's scores."""

import importlib
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from stepward import registry
from stepward.datasets.exchange import Written
from stepward.datasets.reading import Example
from stepward.datasets.trl import TrlWriter
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.checkpoint import Card, Checkpoint
from stepward.reward_models.export import export_token_classifier
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.tiny import TinyBackbone
from stepward.types import LabeledTrace, StepLabel

PAGE = (Path(__file__).parents[2] / "docs" / "exchange.md").read_text(encoding="utf-8")
TRANSFORMERS, TRL, VLLM = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
STEPS = ["two plus three is five .", "so the answer is 5 ."]


@pytest.fixture
def exported(make_checkpoint: Any, tmp_path: Path) -> tuple[Path, Path]:
    checkpoint = make_checkpoint()
    return checkpoint, export_token_classifier(checkpoint, tmp_path / "out").folder


@pytest.fixture
def ours(exported: tuple[Path, Path], problem: Any, make_trace: Any) -> list[float]:
    trace = make_trace(STEPS[0] + "\n", STEPS[1])
    return list(ProcessRewardModel.load(exported[0]).score_batch([(problem, trace)])[0].values)


def test_every_row_names_a_writer_of_the_registry_and_its_reader():
    table = re.findall(
        r"^\| `([a-z-]+)` \|.*\| `(\w+)\.(\w+\(.*?\))` \| `(\w+)\.(\w+\(.*?\))` \|$", PAGE, flags=re.MULTILINE
    )
    assert sorted(name.replace("-", "_") for name, *_ in table) == sorted(registry.names("writer"))
    for name, reading, reader, writing, writer in table:
        modules = [importlib.import_module(f"stepward.datasets.{each}") for each in (reading, writing)]
        assert hasattr(eval(reader, vars(modules[0])), "stream")
        assert type(eval(writer, vars(modules[1]))) is registry.resolve("writer", name)


def test_the_account_on_the_page_is_how_a_writer_prints_it():
    (told,) = re.findall(r"^    (310 rows; .*) \.\.\.$", PAGE, flags=re.MULTILINE)
    lost = {name: int(count) for count, name in re.findall(r"(\d+) ([a-z ]+)", told.partition("file: ")[2])}
    assert str(Written(rows=310, lost=lost)) == told


def test_the_transformers_snippet_gives_our_scores(exported, ours, problem):
    found: dict[str, Any] = {"folder": exported[1], "problem": problem.text, "steps": STEPS}
    exec(TRANSFORMERS, found)
    assert found["scores"] == pytest.approx(ours, abs=1e-5)


def test_our_own_command_scores_the_folder_as_before(exported, ours, problem, make_trace):
    trace = make_trace(STEPS[0] + "\n", STEPS[1])
    found = ProcessRewardModel.load(exported[1]).score_batch([(problem, trace)])[0]
    assert list(found.values) == pytest.approx(ours, abs=1e-5)


@pytest.mark.slow
def test_the_trl_snippet_trains(exported, pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("TRL_EXPERIMENTAL_SILENCE", "1")
    monkeypatch.chdir(tmp_path)
    examples = []
    for problem, trace in pairs:
        labels = tuple(StepLabel(target="value", value=1.0, source="human") for _ in trace.steps)
        examples += [Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))] * (len(trace) > 0)
    TrlWriter().write(tmp_path / "labels.jsonl", examples)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("trl.experimental.prm", reason="needs 'trl<=1.13': later releases have no PRMTrainer")
        code = TRL.replace('output_dir="further", ', 'output_dir="further", max_steps=1, use_cpu=True, report_to=[], ')
        assert code != TRL
        found: dict[str, Any] = {"folder": exported[1]}
        exec(code, found)
    assert found["trainer"].state.global_step == 1


@pytest.mark.slow
def test_the_vllm_snippet_gives_our_scores(tmp_path, problem, make_trace, monkeypatch):
    monkeypatch.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    pytest.importorskip("vllm", reason="vLLM is not installed here")
    words = problem.text + " ".join(STEPS)
    source = TinyBackbone(hidden=128).write(
        tmp_path / "tiny", [words, *words.split()]
    )  # vLLM wants heads of 32 or more
    opened = Backbone.open(source, STEPWARD_DEFAULT)
    head = ScoreHead(opened.width)
    torch.nn.init.normal_(head.out.weight, std=0.5)
    settings: dict[str, Any] = {"backbone": str(source), "backbone_revision": opened.revision}
    card = Card(kind="prm", format=STEPWARD_DEFAULT, mode="frozen", **settings)
    Checkpoint(card=card, backbone=opened, head=head).save(tmp_path / "prm")
    folder = export_token_classifier(tmp_path / "prm", tmp_path / "out").folder
    pair = (problem, make_trace(STEPS[0] + "\n", STEPS[1]))
    found: dict[str, Any] = {"folder": str(folder), "problem": problem.text, "steps": STEPS}
    exec(TRANSFORMERS, found)
    exec(VLLM.replace("pooler_config", 'dtype="float32", enforce_eager=True, pooler_config', 1), found)
    wanted = ProcessRewardModel.load(tmp_path / "prm").score_batch([pair])[0].values
    assert found["scores"] == pytest.approx(wanted, abs=1e-4)
