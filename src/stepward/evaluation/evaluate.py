"""Everything that scores and labels allow to be said of a scorer, in one call.

Steps are judged where they are labelled, choices where several traces of each problem have verdicts, failures where
either is so. What the data does not allow has a reason in the record: one class of labels, a single trace a problem, a
scorer that left traces out. Nothing needs a model: scores that came with a file do as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from stepward.calibrate import problem_key
from stepward.errors import LabelError
from stepward.evaluation.agreement import agreement
from stepward.evaluation.breakdown import break_down
from stepward.evaluation.calibration_change import calibration_change
from stepward.evaluation.choosing import choose
from stepward.evaluation.decisions import decide
from stepward.evaluation.evaluated import DataFacts, Evaluated, Habits, OtherLabeler, ScorerFigures, data_facts
from stepward.evaluation.failures import Failures, find_failures
from stepward.evaluation.families import in_family, student_p
from stepward.evaluation.groups import AXES
from stepward.evaluation.material import Material, Settings
from stepward.evaluation.pricing import UnitCost
from stepward.evaluation.ranking import rank_views
from stepward.evaluation.robustness.contract import Attempt
from stepward.evaluation.robustness.habits import biases, outcome_drift
from stepward.evaluation.robustness.report import is_usable
from stepward.evaluation.steps import Judged, StepQuality, auroc_gain, flatten, judge_steps
from stepward.metrics.bootstrap import rarer_problems
from stepward.types import Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The record, and the failures behind its counts by scorer."""

    record: Evaluated
    failures: Mapping[str, Failures]


def evaluate(material: Material, settings: Settings | None = None) -> Outcome:
    """Judge every entrant of `material`."""
    settings = settings or Settings()
    labels = list(material.labels.values())
    facts = data_facts(material.name, material.problems, labels, labeler=material.labeler)
    failures = {
        name: find_failures(name, material.judged(name), material.problems, threshold=settings.threshold)
        for name, entrant in material.entrants.items()
        if entrant.role != "baseline"
    }
    qualities, why = _qualities(material, settings.seed)
    selected = choose(material, settings)
    figures = [_figures(material, name, qualities.get(name), failures.get(name)) for name in material.entrants]
    record = Evaluated(
        data=facts,
        scorers=tuple(_compared([_judged(material, each, settings) for each in figures], material, settings.seed)),
        seed=settings.seed,
        threshold=settings.threshold,
        leaked=_leaked(material),
        rates=settings.rates,
        writing=_writing(material, facts),
        curves=selected.curves,
        differences=selected.differences,
        pools=selected.pools,
        no_steps=why,
        no_selection=selected.why,
        labelers=_labelers(material, settings.seed),
    )
    return Outcome(record=record, failures=failures)


def _qualities(material: Material, seed: int) -> tuple[dict[str, StepQuality], dict[str, str]]:
    """By scorer its step figures, and by scorer why there are none."""
    found: dict[str, StepQuality] = {}
    why: dict[str, str] = {}
    for name in material.entrants:
        judged = list(material.judged(name).values())
        conventions = sorted({each.scores.convention for each in judged} - {"probability"})
        if conventions:
            why[name] = (
                f"its scores are no probabilities ({', '.join(conventions)}): calibrate them first, method logistic"
            )
            continue
        try:
            found[name] = judge_steps(judged, seed=seed)
        except LabelError as error:
            why[name] = error.what
    return found, why


def _figures(material: Material, name: str, quality: StepQuality | None, failures: Failures | None) -> ScorerFigures:
    entrant, judged = material.entrants[name], list(material.judged(name).values())
    scorer = judged[0].scores.scorer
    paid = sum((each.scores.spend for each in judged), Spend())
    raw = sum((each.scores.spend for each in material.judged_before(name)), Spend())
    return ScorerFigures(
        name=name,
        role=entrant.role,
        kind=entrant.kind,
        maker=scorer.maker,
        revision=scorer.revision,
        traces=len(judged),
        spend=raw if paid == Spend() else paid,
        steps=quality,
        failures=failures.counts if failures else {},
        judged=failures.judged if failures else 0,
    )


def _judged(material: Material, figures: ScorerFigures, settings: Settings) -> ScorerFigures:
    """The same with what is told of scorers alone, not of baselines: habits, views, groups, decisions, calibration."""
    judged, seed = list(material.judged(figures.name).values()), settings.seed
    if figures.role == "baseline":
        return figures
    figures = replace(figures, habits=_habits(material, figures.name, judged, seed))
    if not any(each.kept(to_first_error=False) for each in judged):
        return figures
    decided = decide(judged, material.problems, threshold=settings.threshold, seed=seed)
    found = replace(figures, views=rank_views(judged, seed=seed), decisions=decided)
    if any(each.scores.convention != "probability" for each in judged):
        return found
    found = replace(found, groups=break_down(judged, material.domains, seed=seed, axes=("all", *AXES)))
    return _changed(material, found, judged, seed)


def _habits(material: Material, name: str, judged: list[Judged], seed: int) -> Habits:
    scored = [(Attempt(problem=material.problems[j.problem_id], labeled=j.labeled), j.scores) for j in judged]
    conventions = [each.scores.convention for each in judged]
    usable = [how for how in material.entrants[name].reduce if is_usable(how, conventions)]
    return Habits(drift=outcome_drift(scored, seed=seed), biases=biases(scored, usable[:1], seed=seed))


def _changed(material: Material, figures: ScorerFigures, judged: list[Judged], seed: int) -> ScorerFigures:
    """The same with what calibration did, where the scores before it are known and are probabilities too."""
    before = material.judged_before(figures.name)
    if not before or figures.steps is None or any(each.scores.convention != "probability" for each in before):
        return figures
    changes = calibration_change(before, judged, material.domains, seed=seed)
    return replace(figures, before=judge_steps(before, seed=seed), changes=changes)


def _compared(scorers: list[ScorerFigures], material: Material, seed: int) -> list[ScorerFigures]:
    """The same with the first scorer's gain in AUROC over each other one that judged the same steps."""
    first = scorers[0]
    own = list(material.judged(first.name).values())
    same = set(material.entrants[first.name].scores)
    gains = [
        auroc_gain(own, list(material.judged(each.name).values()), seed=seed)
        if each is not first
        and None not in (each.steps, first.steps)
        and set(material.entrants[each.name].scores) == same
        else None
        for each in scorers
    ]
    there = any(gain is not None for gain in gains)
    problems = rarer_problems(flatten(own)) if there else 0
    tests = in_family([None if gain is None else student_p(gain, problems) for gain in gains])
    return [replace(each, gain=gain, gain_test=test) for each, gain, test in zip(scorers, gains, tests, strict=True)]


def _labelers(material: Material, seed: int) -> tuple[OtherLabeler, ...]:
    """How far each labeler that was not chosen agrees with the one that was, where both labelled a trace."""
    found = []
    for name, told in material.others.items():
        pairs = [
            (material.problems[own.trace.problem_id], own, told[own.trace.id])
            for own in material.labels.values()
            if own.trace.id in told and own.target is not None
        ]
        try:
            found.append(OtherLabeler(name=name, agreement=agreement(pairs, seed=seed)))
        except LabelError:
            continue  # no step that both labelled: there is nothing to agree on
    return tuple(found)


def _leaked(material: Material) -> int | None:
    if material.taught_by is None:
        return None
    judged = {each.trace.problem_id for each in material.labels.values()}
    return sum(problem_key(material.problems[name]) in material.taught_by for name in judged)


def _writing(material: Material, facts: DataFacts) -> UnitCost:
    return UnitCost.of(sum((each.trace.spend for each in material.labels.values()), Spend()), facts.traces)
