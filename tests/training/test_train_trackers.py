from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from stepward.errors import ConfigError, MissingExtraError
from stepward.training.loop import train
from stepward.training.metrics_file import MetricsFile
from stepward.training.spec import Descent, TrainSpec
from stepward.training.trackers import opening
from stepward.training.trackers.contract import Run, Tracker
from stepward.training.watch import Watch

RUN_LIKE = {"name": "prm", "key": "abcdef0123456789", "settings": {"mode": "full", "long": "x" * 900}}


class Library:
    """Takes the calls that wandb, trackio and mlflow would, and remembers them."""

    def __init__(self):
        self.calls = []
        self.info = SimpleNamespace(run_id="r1")

    def __getattr__(self, name):
        def call(*args, **options):
            self.calls.append((name, args, options))
            return self

        return call

    def named(self, name):
        return [(args, options) for called, args, options in self.calls if called == name]


@pytest.fixture
def run(tmp_path):
    return Run(folder=tmp_path, **RUN_LIKE)


@pytest.mark.parametrize("name", ["wandb", "trackio", "mlflow", "torch.utils.tensorboard"])
def test_a_library_that_is_not_installed_names_the_extra(name, run, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with (
        pytest.raises(MissingExtraError, match=r"pip install 'stepward\[track\]'"),
        opening.tracking([name.removeprefix("torch.utils.")], run),
    ):
        pass


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_run_that_goes_on_is_the_same_run_to_the_service(name, run, monkeypatch):
    library = Library()
    monkeypatch.setitem(sys.modules, name, library)
    with opening.tracking([name], run) as (tracker,):
        assert isinstance(tracker, Tracker)
        tracker.log(3, {"loss": 0.5})
    (_, options) = library.named("init")[0]
    assert options["resume"] == "allow" and options["project"] == "stepward" and options["config"]["mode"] == "full"
    assert "abcdef" in str(options)
    assert library.named("log") == [(({"loss": 0.5},), {"step": 3})]
    assert len(library.named("finish")) == 1


def test_mlflow_gets_short_parameters_and_every_metric(run, monkeypatch):
    library = Library()
    monkeypatch.setitem(sys.modules, "mlflow", library)
    with opening.tracking(["mlflow"], run) as (tracker,):
        tracker.log(3, {"loss": 0.5})
    ((parameters,), _) = library.named("log_params")[0]
    assert len(parameters["long"]) == 500 and parameters["mode"] == "full"
    assert library.named("log_metrics") == [(({"loss": 0.5},), {"step": 3, "run_id": "r1"})]


def test_tensorboard_gets_a_point_for_every_number(run, monkeypatch):
    library = Library()
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", SimpleNamespace(SummaryWriter=library.open))
    with opening.tracking(["tensorboard"], run) as (tracker,):
        tracker.log(3, {"loss": 0.5, "rate": 1.0})
    assert [args for args, _ in library.named("add_scalar")] == [("loss", 0.5, 3), ("rate", 1.0, 3)]
    assert library.named("open")[0][1]["log_dir"] == str(run.folder / "tensorboard")


def test_a_tracker_nobody_knows_is_refused_before_anything_is_done():
    with pytest.raises(ConfigError, match="not known"):
        Watch(track=("tensorbord",))


def test_a_training_tells_its_trackers_what_its_file_holds(tiny_backbone, example_set, tmp_path, monkeypatch):
    library = Library()
    monkeypatch.setitem(sys.modules, "wandb", library)
    spec = TrainSpec(descent=Descent(epochs=1, batch_tokens=400), held_out=0.0)
    train(example_set, spec, backbone=tiny_backbone, out=tmp_path, watch=Watch(track=("wandb",)))
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    logged = library.named("log")
    assert len(logged) == len(lines) > 1
    assert [options["step"] for _, options in logged] == list(range(1, len(lines) + 1))
    assert {"loss", "gradient_norm", "rate", "tokens", "steps"} <= set(logged[0][0][0])
    assert len(library.named("finish")) == 1


def test_a_failing_training_closes_its_trackers(tiny_backbone, example_set, tmp_path, monkeypatch):
    library = Library()
    monkeypatch.setitem(sys.modules, "wandb", library)

    def die(report):
        raise KeyboardInterrupt

    spec = TrainSpec(descent=Descent(epochs=1), held_out=0.0)
    with pytest.raises(KeyboardInterrupt):
        train(example_set, spec, backbone=tiny_backbone, out=tmp_path, watch=Watch(progress=die, track=("wandb",)))
    assert len(library.named("finish")) == 1


def test_lines_after_the_restored_step_are_forgotten(tmp_path):
    file = MetricsFile(folder=tmp_path)
    for step in (1, 2, 3):
        file.log(step, {"loss": 1.0 / step})
    with (tmp_path / "metrics.jsonl").open("a") as torn:
        torn.write('{"step": 4, "lo')
    file.forget_after(2)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1, "loss": 1.0}\n{"step": 2, "loss": 0.5}\n'
