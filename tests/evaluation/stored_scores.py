"""A small data set with labels, verdicts and the scores of two made-up scorers, for the tests of this folder."""

from dataclasses import replace

from stepward.evaluation.material import Entrant, Material
from stepward.segment.cut import from_steps
from stepward.types import LabeledTrace, Origin, Problem, Spend, StepLabel, StepScores, Verdict

STEPS = ("a\n", "b\n", "c\n")


def labelled(problem: str, wrong: int | None, right: bool | None, text: str = "", domain: str = "") -> LabeledTrace:
    """Three steps, wrong from `wrong` on; `right` is the verdict on the answer."""
    trace = from_steps(problem, [text + step for step in STEPS], separator="", answer=str(right))
    labels = tuple(
        StepLabel(
            target="prefix", value=float(wrong is None or at < wrong), source="human", origin=Origin(maker="human:x")
        )
        for at in range(3)
    )
    verdict = None if right is None else Verdict(outcome="equal" if right else "different", answer=str(right))
    return LabeledTrace(trace=trace, labels=labels, verdict=verdict)


def scored(*values: float, maker: str = "scorer:good", tokens: int = 0) -> StepScores:
    spend = Spend(scorer_tokens=tokens, scorer_calls=1, seconds=0.5) if tokens else Spend()
    return StepScores(values=values, scorer=Origin(maker=maker, revision="r1"), spend=spend)


def bare(labeled: LabeledTrace) -> LabeledTrace:
    """The same without labels."""
    return replace(labeled, labels=(None,) * len(labeled.trace))


def material(problems: int = 12, *, metered: bool = True) -> Material:
    """Two traces a problem, one right and one wrong at step 1; scorer `good` sees it mostly, `flat` hardly."""
    known: dict[str, Problem] = {}
    labels: dict[str, LabeledTrace] = {}
    good: dict[str, StepScores] = {}
    flat: dict[str, StepScores] = {}
    for at in range(problems):
        name = f"p{at}"
        known[name] = Problem(id=name, text=f"question {at}", answer="True", domain="odd" if at % 2 else "even")
        labels[f"{name}/0"] = labelled(name, None, True, f"right {at} ")
        labels[f"{name}/1"] = labelled(name, 1, False, f"wrong {at} ")
        tokens = 100 if metered else 0
        good[f"{name}/0"] = scored(0.9, 0.8 if at else 0.4, 0.9, tokens=tokens)
        good[f"{name}/1"] = scored(0.9, 0.2 if at != 1 else 0.7, 0.1, tokens=tokens)
        flat[f"{name}/0"] = scored(0.6, 0.5 + at / 100, 0.6, maker="scorer:flat")
        flat[f"{name}/1"] = scored(0.6, 0.6 - at / 100, 0.5, maker="scorer:flat")
    entrants = {"good": Entrant(role="scorer", scores=good), "flat": Entrant(role="stored", scores=flat)}
    return Material(name="made up", problems=known, labels=labels, entrants=entrants)
