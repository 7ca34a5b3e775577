r"""Stepward's own JSON lines: the form to write by hand, for problems, traces and labelled traces alike.

    {"problem": "What is 2+2*3?", "answer": "8", "steps": ["2*3 = 6.", "2+6 = 8."], "labels": [1, 1]}
    {"problem": "What is 7-5?", "text": "7-5 is 3.\n\nSo 3.", "labels": [0, null], "verdict": false}

Steps come as `steps`, joined by `separator` ("\n\n" unless the row says otherwise), or as one `text` for
the reader's segmenter. A label is a number, true or false, null for an unlabelled step, or an object with
`value` and any of `successes`, `trials`, `note`; `target` ("prefix") and `source` ("human") hold for the
row. `verdict` is true, false or an outcome word. `scores` holds what scorers said, by name: {"prm": [0.9, 0.2]}, one
probability a step; it is read and not written. Where problems are asked for, a row
needs no steps. `id` names the problem: rows may share it, if they agree about the problem. Written by
`native_write.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias, cast, get_args

from stepward.datasets.lines import Place, Source, name_of, read_text
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns, read_rows
from stepward.errors import ConflictError
from stepward.protocols import Segmenter
from stepward.segment.cut import cut, from_steps
from stepward.types import (
    UNKNOWN,
    AnswerKind,
    Finish,
    Json,
    LabeledTrace,
    Origin,
    Outcome,
    Problem,
    StepLabel,
    StepScores,
    Target,
    Trace,
    Verdict,
    content_key,
)
from stepward.types import Source as LabelSource

PROBLEM = ("id", "answer", "answer_kind", "domain", "meta")
TRACE = ("steps", "text", "separator", "stated", "finish", "origin", "trace_meta")
LABELS = ("labels", "target", "source", "labeler", "verdict", "scores")
COLUMNS = Columns(required=("problem",), optional=(*PROBLEM, *TRACE, *LABELS))
LABEL_COLUMNS = Columns(required=("value",), optional=("successes", "trials", "note"))
ORIGIN_COLUMNS = Columns(required=("maker",), optional=("revision", "settings", "seed"))

Known: TypeAlias = dict[str, tuple[Problem, Place]]
"""Problems read so far, by id, and where each stood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeProblems:
    """Reads problems. Rows of traces serve too: what they say beyond the problem is left aside."""

    extra: Extra = "refuse"

    def stream(self, path: Source, tally: Tally) -> Iterator[Problem]:
        """Each problem once; `ConflictError` where one id has two contents."""
        known: Known = {}
        for row in read_rows(path, COLUMNS, tally, self.extra):
            problem = _problem(row)
            if _is_new(row, problem, known):
                yield problem
            else:
                tally.duplicates += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeExamples:
    """Reads traces, with labels where the file has them."""

    segmenter: Segmenter | None = None
    """Cuts rows that hold `text`."""
    extra: Extra = "refuse"

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """One example a row; a row that repeats trace, labels and all is counted and given once."""
        known: Known = {}
        seen: set[str] = set()
        for row in read_rows(path, COLUMNS, tally, self.extra):
            key = content_key(row.values)
            if key in seen:
                tally.duplicates += 1
                continue
            seen.add(key)
            problem = _problem(row)
            _is_new(row, problem, known)
            with row.blame("steps" if row.has("steps") else "text"):
                trace = self._trace(row, problem)
            with row.blame("labels"):
                labeled = LabeledTrace(trace=trace, labels=_labels(row, len(trace)), verdict=_verdict(row, trace))
            yield Example(problem=problem, labeled=labeled, scores=_scores(row, trace))

    def _trace(self, row: Row, problem: Problem) -> Trace:
        if row.has("steps") == row.has("text"):
            raise row.error("steps", "a trace needs either steps or text", mend='write "steps": ["...", ...]')
        stated = row.text("stated") if row.has("stated") else None
        finish = cast(Finish, _word(row, "finish", get_args(Finish), "stop"))
        origin, meta = _origin(row, "origin"), _object(row, "trace_meta") | dict(row.extras)
        if row.has("steps"):
            separator = row.text("separator") if row.has("separator") else "\n\n"
            return from_steps(
                problem.id,
                row.texts("steps"),
                separator=separator,
                answer=stated,
                finish=finish,
                origin=origin,
                meta=meta,
            )
        if self.segmenter is None:
            raise row.error(
                "text", "needs a segmenter to cut it into steps", mend="give the reader one, or write steps"
            )
        return cut(
            problem.id,
            row.filled("text"),
            self.segmenter,
            answer=stated,
            finish=finish,
            origin=origin,
            meta=meta,
        )


def read_text_trace(path: Source, problem: Problem, segmenter: Segmenter) -> Trace:
    """The trace that a plain text file holds, cut by `segmenter`. Raises `DataError` where the file is blank."""
    return cut(problem.id, read_text(path), segmenter, origin=Origin(maker=f"file:{name_of(path)}"))


def _problem(row: Row) -> Problem:
    text = row.filled("problem")
    return Problem(
        id=row.filled("id") if row.has("id") else f"own-{content_key(text)}",
        text=text,
        answer=_answer(row) if row.has("answer") else None,
        answer_kind=cast(AnswerKind, _word(row, "answer_kind", get_args(AnswerKind), "math")),
        domain=row.text("domain") if row.has("domain") else "",
        meta=_object(row, "meta"),
    )


def _is_new(row: Row, problem: Problem, known: Known) -> bool:
    """Whether the problem's id is new; `ConflictError` naming both lines where it stood for another problem."""
    before, place = known.setdefault(problem.id, (problem, row.place))
    if before == problem:
        return place is row.place
    raise ConflictError(
        f"{row.place.path}, line {row.place.line}, field 'id': {problem.id!r} stood at line {place.line} with another "
        "problem, answer or meta",
        got=problem.text[:80],
        mend="give one of them another id",
    )


def _answer(row: Row) -> str:
    value = row.get("answer")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise row.error("answer", "must be a string or a number", got=value)
    return str(value)


def _labels(row: Row, count: int) -> tuple[StepLabel | None, ...]:
    if not row.has("labels"):
        return (None,) * count
    target = cast(Target, _word(row, "target", get_args(Target), "prefix"))
    source = cast(LabelSource, _word(row, "source", get_args(LabelSource), "human"))
    origin = _origin(row, "labeler")
    return tuple(
        None
        if item is None
        else _label(row, f"labels[{index}]", item, StepLabel(target=target, value=0.0, source=source, origin=origin))
        for index, item in enumerate(row.items("labels"))
    )


def _label(row: Row, name: str, item: Json, like: StepLabel) -> StepLabel:
    """The label that `item` writes, with target, source and origin of `like`."""
    if isinstance(item, bool | int | float):
        return replace(like, value=float(item))
    if not isinstance(item, dict):
        raise row.error(name, "must be a number, true, false, null or an object", got=item)
    inner = Row(Place(row.place.path, row.place.line, f"{row.place.prefix}{name}."), item)
    check_columns(inner, LABEL_COLUMNS, Tally())
    return replace(
        like,
        value=inner.number("value"),
        successes=inner.integer("successes") if inner.has("successes") else None,
        trials=inner.integer("trials") if inner.has("trials") else None,
        note=inner.text("note") if inner.has("note") else "",
    )


def _verdict(row: Row, trace: Trace) -> Verdict | None:
    if not row.has("verdict"):
        return None
    value = row.get("verdict")
    if isinstance(value, bool):
        return Verdict(outcome="equal" if value else "different", answer=trace.answer)
    outcome = cast(Outcome, _word(row, "verdict", get_args(Outcome), "equal"))
    return Verdict(outcome=outcome, answer=trace.answer)


def _scores(row: Row, trace: Trace) -> dict[str, StepScores]:
    if not row.has("scores"):
        return {}
    given = row.row("scores")
    for name in given.values:
        if not name or "/" in name:
            raise row.error("scores", "a scorer's name must hold a character and no slash", got=name)
    found = {}
    for name in given.values:
        with row.blame(f"scores.{name}"):
            scores = StepScores(values=tuple(given.numbers(name)), scorer=Origin(maker=f"scorer:{name}"))
            found[name] = scores.check(trace)
    return found


def _word(row: Row, name: str, words: tuple[str, ...], default: str) -> str:
    if not row.has(name):
        return default
    word = row.text(name)
    if word not in words:
        raise row.error(name, f"must be one of {', '.join(words)}", got=word)
    return word


def _object(row: Row, name: str) -> dict[str, Json]:
    return dict(row.row(name).values) if row.has(name) else {}


def _origin(row: Row, name: str) -> Origin:
    if not row.has(name):
        return UNKNOWN
    inner = check_columns(row.row(name), ORIGIN_COLUMNS, Tally())
    return Origin(
        maker=inner.text("maker"),
        revision=inner.text("revision") if inner.has("revision") else "",
        settings=_object(inner, "settings"),
        seed=inner.integer("seed") if inner.has("seed") else None,
    )
