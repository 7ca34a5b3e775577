from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from stepward.errors import ConfigError
from stepward.training.devices import Devices
from stepward.training.loop import train
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.siblings import only_compared
from stepward.training.spec import Adapter, Descent, TrainSpec
from stepward.training.watch import Watch

KNOBS = Descent(epochs=3, batch_tokens=200, evaluate_every=4, save_every=3, patience=50)
SPEC = TrainSpec(descent=KNOBS, held_out=0.2)
WORKER = """
import pickle, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from stepward.training.loop import train
from stepward.training.watch import Watch

folder, last = Path(sys.argv[1]), int(sys.argv[2])
examples, spec, backbone = pickle.loads((folder / "job.pickle").read_bytes())
asked = []
def stop():
    asked.append(1)
    return bool(last) and len(asked) > last
result = train(examples, spec, backbone=backbone, out=folder / "prm", watch=Watch(stop=stop))
assert result.finished != bool(last)
"""


def launch(folder: Path, job: object, *, processes: int = 2, last: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "job.pickle").write_bytes(pickle.dumps(job))
    (folder / "worker.py").write_text(WORKER)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [*launcher, str(folder / "worker.py"), str(folder), str(last)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-4000:]


def losses(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def weights(folder: Path) -> torch.Tensor:
    found = {name: value for file in sorted(folder.glob("*.safetensors")) for name, value in load_file(file).items()}
    return torch.cat([found[name].flatten() for name in sorted(found)])


def assert_same(one: Path, two: Path, *, tolerance: float = 1e-3) -> None:
    rows = list(zip(losses(one), losses(two), strict=True))
    for name in ("step", "loss", "gradient_norm", "held_out_loss"):
        pairs = [(a[name], b[name]) for a, b in rows if name in a or name in b]
        assert pairs and all(a == pytest.approx(b, rel=tolerance) for a, b in pairs), name
    assert (weights(one) - weights(two)).norm() <= tolerance * weights(one).norm()


SPECS = {
    "full": SPEC,
    "lora": replace(SPEC, mode="lora", adapter=Adapter(rank=4)),
    "siblings": replace(SPEC, objective=BradleyTerry(ties="half"), normalisation="trace"),
    "sharded": replace(SPEC, descent=replace(KNOBS, shard=True)),
    "sharded lora": replace(SPEC, mode="lora", adapter=Adapter(rank=4), descent=replace(KNOBS, shard=True)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SPECS)
def test_two_processes_train_what_one_does(name, tiny_backbone, example_set, tmp_path):
    spec = SPECS[name]
    if name == "siblings":
        example_set = only_compared(example_set, spec.objective)
    launch(tmp_path / "two", (example_set, spec, tiny_backbone))
    train(example_set, spec, backbone=tiny_backbone, out=tmp_path / "one")
    assert_same(tmp_path / "one", tmp_path / "two" / "prm")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "sharded"])
def test_a_run_goes_on_with_another_number_of_processes(name, tiny_backbone, example_set, tmp_path):
    spec = SPECS[name]
    launch(tmp_path / "two", (example_set, spec, tiny_backbone), last=5)
    assert not (tmp_path / "two" / "prm" / "stepward.json").exists()
    assert train(example_set, spec, backbone=tiny_backbone, out=tmp_path / "two" / "prm").finished
    train(example_set, spec, backbone=tiny_backbone, out=tmp_path / "one")
    assert_same(tmp_path / "one", tmp_path / "two" / "prm")


def test_a_frozen_backbone_is_refused_by_several_processes(tiny_backbone, example_set, tmp_path, monkeypatch):
    monkeypatch.setattr(Devices, "open", classmethod(lambda cls: cls(rank=0, count=2)))
    with pytest.raises(ConfigError, match="in one process"):
        train(example_set, replace(SPEC, mode="frozen"), backbone=tiny_backbone, out=tmp_path)


def test_a_process_that_is_not_the_main_one_writes_nothing(tiny_backbone, example_set, tmp_path, monkeypatch):
    monkeypatch.setattr(Devices, "open", classmethod(lambda cls: cls(rank=1, count=2)))
    monkeypatch.setattr(Devices, "total", lambda self, number: 0.5)
    monkeypatch.setattr(Devices, "sum_gradients", lambda self, weights: None)
    monkeypatch.setattr(Devices, "wait", lambda self: None)
    told = []
    spec = replace(SPEC, objective=BinaryCrossEntropy(), held_out=0.0)
    train(example_set, spec, backbone=tiny_backbone, out=tmp_path, watch=Watch(progress=told.append, stop=bool))
    assert not list(tmp_path.rglob("*.*")) and not told
