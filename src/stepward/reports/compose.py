"""From traces to the parts of a report: views, score by position, judges against each other, galleries."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stepward.evaluation.failures import in_turn
from stepward.reports.model import NO_ERROR, CrossCell, Crosstab, Curve, Figure, Gallery, TraceView, Track
from stepward.types import LabeledTrace, Problem, StepScores


def view_trace(
    problem: Problem, labeled: LabeledTrace, scores: Mapping[str, StepScores], *, threshold: float = 0.5
) -> TraceView:
    """A labelled trace and its scores, by scorer name, as a view; add tags and the like with `dataclasses.replace`.

    The likely first error is the first step that the first scorer shades below `threshold`; it is not known where
    that scorer only ranks (logits, log-ratios). Raises `ScoreError` where a scorer did not score every step.
    """
    trace = labeled.trace
    tracks = tuple(Track(scorer=name, values=s.values, convention=s.convention) for name, s in scores.items())
    verdict = labeled.verdict
    return TraceView(
        id=trace.id,
        problem=problem.text,
        problem_id=problem.id,
        steps=trace.step_texts,
        tracks=tracks,
        labels=labeled.labels,
        true_error=_true_error(labeled),
        predicted_error=first_below(tracks[0], threshold) if tracks and trace.steps and not _ranks(scores) else None,
        answer=trace.answer if verdict is None or verdict.answer is None else verdict.answer,
        reference=problem.answer,
        verdict=None if verdict is None else verdict.outcome,
    )


def _ranks(scores: Mapping[str, StepScores]) -> bool:
    """Whether the first scorer says which step is better and not whether it is right."""
    return next(iter(scores.values())).zero is None


def _true_error(labeled: LabeledTrace) -> int | None:
    for index, label in enumerate(labeled.labels):
        if label is None:
            return None
        if not label.good:
            return index
    return NO_ERROR if labeled.labels else None


def first_below(track: Track, threshold: float) -> int | None:
    """First step whose shade is below `threshold`, `NO_ERROR`, or None where an unscored step hides it."""
    for index, shade in enumerate(track.shades()):
        if shade is None:
            return None
        if shade < threshold:
            return index
    return NO_ERROR


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreByPosition:
    """Mean score of the first track at each step index, for steps labelled right and wrong.

    A scorer that merely counts steps shows two falling lines that lie together. Bands: percentile
    intervals over resampled problems (`resamples`, `seed`); a position with under `least` steps is left out.
    """

    least: int = 5
    resamples: int = 200
    seed: int = 0

    def figure(self, traces: Sequence[TraceView]) -> Figure:
        """One curve for right steps and one for wrong steps; steps without label or score are not counted."""
        curves = [self._curve(traces, good) for good in (True, False)]
        return Figure(
            title="Score by step position",
            x_label="step (0-based)",
            y_label="mean score",
            curves=tuple(curve for curve in curves if curve.xs),
            note=f"Bands: 95% over problems, {self.resamples} resamples, seed {self.seed}. "
            f"Positions with fewer than {self.least} steps are left out.",
        )

    def _curve(self, traces: Sequence[TraceView], good: bool) -> Curve:
        groups: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for trace in traces:
            for index, shade in _scored_steps(trace, good):
                groups[index][trace.problem_id or trace.id].append(shade)
        kept = {i: groups[i] for i in sorted(groups) if sum(map(len, groups[i].values())) >= self.least}
        bands = [self._band(list(by_problem.values())) for by_problem in kept.values()]
        means = [float(np.mean(np.concatenate(list(by_problem.values())))) for by_problem in kept.values()]
        return Curve(
            name="steps labelled right" if good else "steps labelled wrong",
            xs=tuple(map(float, kept)),
            ys=tuple(means),
            lows=tuple(low for low, _ in bands),
            highs=tuple(high for _, high in bands),
        )

    def _band(self, problems: Sequence[Sequence[float]]) -> tuple[float, float]:
        sums = np.array([sum(scores) for scores in problems])
        counts = np.array([len(scores) for scores in problems])
        draws = np.random.default_rng(self.seed).integers(0, len(problems), (self.resamples, len(problems)))
        means: NDArray[np.float64] = sums[draws].sum(axis=1) / counts[draws].sum(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        return float(low), float(high)


def _scored_steps(trace: TraceView, good: bool) -> list[tuple[int, float]]:
    if not trace.tracks or not trace.labels:
        return []
    pairs = enumerate(zip(trace.tracks[0].shades(), trace.labels, strict=True))
    return [(i, shade) for i, (shade, label) in pairs if shade is not None and label and label.good == good]


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreements:
    """Two judges, each right or wrong on the same cases, in four cells with traces to look at."""

    rows: str
    """Name of the judge whose being right and wrong are the rows, such as "ORM"."""
    columns: str
    links: int = 12
    """Traces linked from one cell at most; the count says how many there are."""

    def crosstab(self, cases: Sequence[tuple[str, bool, bool]]) -> Crosstab:
        """From (trace id, is the row's judge right, is the column's judge right), the most telling case first."""
        cells = []
        for row_right in (True, False):
            found = [[i for i, row, column in cases if (row, column) == (row_right, right)] for right in (True, False)]
            cells.append(tuple(CrossCell(count=len(ids), trace_ids=tuple(ids[: self.links])) for ids in found))
        return Crosstab(
            title=f"{self.rows} against {self.columns}",
            row_names=(f"{self.rows} right", f"{self.rows} wrong"),
            column_names=(f"{self.columns} right", f"{self.columns} wrong"),
            cells=tuple(cells),
            note=f"n = {len(cases)}. At most {self.links} traces are linked from a cell.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGallery:
    """The `size` worst traces beside `size` drawn at random, round-robin over strata.

    Strata take turns in the order of their names, so that each is seen even where one is rare. The
    same traces and seed give the same gallery; a tie in badness keeps the order of the traces.
    """

    title: str
    badness_name: str
    """In words, such as "highest score on a wrong step"."""
    size: int = 6
    seed: int = 0

    def pick(
        self, traces: Sequence[TraceView], badness: Callable[[TraceView], float], stratum: Callable[[TraceView], str]
    ) -> Gallery:
        """The gallery; a trace may stand on both sides."""
        strata: dict[str, list[TraceView]] = defaultdict(list)
        for trace in traces:
            strata[stratum(trace)].append(trace)
        names = sorted(strata)
        return Gallery(
            title=self.title,
            worst=tuple(sorted(traces, key=badness, reverse=True)[: self.size]),
            sampled=in_turn([strata[name] for name in names], self.size, self.seed),
            how=f"Worst: {self.badness_name}. Random: in turn from {', '.join(names) or 'nothing'}.",
            seed=self.seed,
        )
