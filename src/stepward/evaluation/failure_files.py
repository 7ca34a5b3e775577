"""Failures as files that others can read: JSON lines with everything, tasks for annotators, PRM800K's schema.

    failures.jsonl    every failure as a row of Stepward's own JSON lines; `trace_meta.failure` has its kinds, how bad,
                      both first errors, the scores, and whether it was picked as one of the worst or at random
    annotate.jsonl    the picked traces without labels, scores, verdict or reference answer, in an order that says
                      nothing: what a person sees who is to judge them again without being led
    prm800k.jsonl     the picked traces in the original PRM800K schema, one completion a step, with their ratings

All three are read by Stepward (`native`, `native`, `prm800k_raw`); the trace's id stands in both of the first two.
PRM800K has three ratings, so a set with a label between them, or without any, has no such file. A row has room for one
origin of its labels: where those of one labeler differ in settings or seed, maker and revision stand for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from stepward.datasets.native_write import write_examples
from stepward.datasets.prm800k_raw import write_prm800k_raw
from stepward.datasets.reading import Example
from stepward.evaluation.failures import Failure, Failures, Picked
from stepward.types import Json, LabeledTrace, Origin, StepLabel, content_key

RATED = (0.0, 0.5, 1.0)
"""Labels that PRM800K has a rating for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFiles:
    """What was written, and how many rows."""

    failures: int
    tasks: int
    prm800k: int | None
    """None where the labels do not fit PRM800K's ratings."""


def write_failures(folder: Path, failures: Failures, picked: Sequence[Picked]) -> FailureFiles:
    """Write the three files into `folder`, which exists; rows keep the order of the traces."""
    why = _reasons(picked)
    shown = [failure for failure in failures.found if failure.key in why]
    write_examples(folder / "failures.jsonl", (_row(f, failures, why.get(f.key, ())) for f in failures.found))
    tasks = sorted((_task(failure) for failure in shown), key=lambda example: content_key(example.labeled.trace.id))
    write_examples(folder / "annotate.jsonl", tasks)
    rows = [failure.example for failure in shown]
    fits = bool(rows) and all(map(_is_rated, rows))
    if fits:
        write_prm800k_raw(folder / "prm800k.jsonl", rows)
    return FailureFiles(failures=len(failures.found), tasks=len(tasks), prm800k=len(rows) if fits else None)


def _reasons(picked: Sequence[Picked]) -> dict[str, tuple[str, ...]]:
    """By key of a picked failure, why it was picked."""
    why: dict[str, tuple[str, ...]] = {}
    for each in picked:
        for side, members in (("worst", each.worst), ("random", each.sampled)):
            for failure in members:
                why[failure.key] = (*why.get(failure.key, ()), f"{side}: {each.kind}")
    return why


def _row(failure: Failure, failures: Failures, why: Sequence[str]) -> Example:
    labeled = failure.example.labeled
    scores = failure.example.scores[failures.scorer]
    told: dict[str, Json] = {
        "trace": labeled.trace.id,
        "key": failure.key,
        "kinds": list(failure.kinds),
        "badness": failure.badness,
        "first_error_labelled": failure.labelled,
        "first_error_called": failure.called,
        "threshold": failures.threshold,
        "scorer": failures.scorer,
        "scorer_revision": scores.scorer.revision,
        "scores": list(scores.values),
        "picked": list(why),
    }
    trace = replace(labeled.trace, meta={**labeled.trace.meta, "failure": told})
    return replace(failure.example, labeled=replace(labeled, trace=trace, labels=_one_origin(labeled)))


def _one_origin(labeled: LabeledTrace) -> tuple[StepLabel | None, ...]:
    origins = [label.origin for label in labeled.labels if label is not None]
    if all(origin == origins[0] for origin in origins):
        return labeled.labels
    common = Origin(maker=origins[0].maker, revision=origins[0].revision)
    return tuple(None if label is None else replace(label, origin=common) for label in labeled.labels)


def _task(failure: Failure) -> Example:
    """The trace as a person sees it who knows of no label, score or outcome."""
    trace = replace(failure.example.labeled.trace, meta={"trace": failure.example.labeled.trace.id})
    blank = LabeledTrace(trace=trace, labels=(None,) * len(trace))
    problem = replace(failure.example.problem, answer=None, meta={})
    return Example(problem=problem, labeled=blank)


def _is_rated(example: Example) -> bool:
    labels = example.labeled.labels
    kept = example.labeled.trace.meta.get("ratings")
    if isinstance(kept, list) and len(kept) == len(labels):
        return True
    return all(label is not None for label in labels[:1]) and all(
        label is None or label.value in RATED for label in labels
    )
