"""Reads problems, traces, human labels and stored scores from files in public formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

from stepward.config import build
from stepward.datasets.development import development_folder
from stepward.datasets.reading import Example, Reader, problems_of, read
from stepward.datasets.repeats import one_per_trace
from stepward.errors import ConfigError, DataError
from stepward.pipeline.workshop import Chunks, Workshop
from stepward.types import Json, Problem, Spend

DEVELOPMENT = "data:"
"""A path that begins so lies in the folder of development data."""


@dataclass(frozen=True, kw_only=True)
class ReadExamples:
    """The examples in `paths`, or the first of them."""

    format: Json
    """A dataset reader: its name, or a mapping with `use` and its choices."""
    paths: tuple[str, ...]
    problems: int | None = None
    """Keep the examples of the first so many problems; None keeps all."""

    repeats: Literal["keep", "merge"] = "keep"
    """merge: equal traces of one problem become one, its labels by majority; for training, where repeats weigh."""

    def __post_init__(self) -> None:
        if not self.paths or (self.problems is not None and self.problems < 1):
            raise ConfigError("paths must name a file, and problems be at least 1", got=(self.paths, self.problems))

        build("dataset", self.format, "format")

    def run(self, shop: Workshop) -> Json:
        """Read, and keep problems, labelled traces and scores apart."""
        reader = cast("Reader[Example | Problem]", build("dataset", self.format, "format"))
        reading = read(reader, *(resolve(path) for path in self.paths))
        found = [item for item in reading.items if isinstance(item, Example)]
        examples = self._first(list(one_per_trace(found).examples) if self.repeats == "merge" else found)
        bare = [item for item in reading.items if isinstance(item, Problem)][: self.problems]
        problems = problems_of(examples) | {problem.id: problem for problem in bare}
        if not problems:
            raise DataError(f"every row was left out: {reading.report}", mend="check the file, or the reader's choices")
        _keep(shop, "problems", problems)
        if examples:
            labels = {trace_key(index, example): example for index, example in enumerate(examples)}
            _keep(shop, "labels", {key: example.labeled for key, example in labels.items()})
            for name in dict.fromkeys(name for example in examples for name in example.scores):
                scored = {key: e.scores[name] for key, e in labels.items() if name in e.scores}
                _keep(shop, f"scores-{name}", scored)
        return {"report": str(reading.report), "problems": len(problems), "traces": len(examples)}

    def _first(self, examples: list[Example]) -> list[Example]:
        if self.problems is None:
            return examples
        kept = set(list(dict.fromkeys(example.problem.id for example in examples))[: self.problems])
        return [example for example in examples if example.problem.id in kept]


def resolve(path: str) -> Path | str:
    """Where a recipe's path points; "-" stays standard input."""
    if path.startswith(DEVELOPMENT):
        return development_folder() / path.removeprefix(DEVELOPMENT)
    return path if path == "-" else Path(path)


def trace_key(index: int, example: Example) -> str:
    """Problem and place in the file: two equal attempts stay two."""
    return f"{example.problem.id}/{index}"


def _keep(shop: Workshop, what: str, found: Mapping[str, object]) -> None:
    shop.work(found, Chunks(what=what, size=max(1, len(found)), unit=what.split("-")[0]), _as_they_are)


def _as_they_are(chunk: Sequence[tuple[str, object]]) -> list[tuple[str, object, Spend]]:
    return [(key, record, Spend()) for key, record in chunk]
