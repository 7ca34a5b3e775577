"""Attempts that the tests of the robustness suite share."""

from collections.abc import Sequence

from stepward.evaluation.robustness.contract import Attempt, Perturbed
from stepward.evaluation.robustness.suite import perturbations
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import Json, LabeledTrace, Problem, StepScores, Trace, Verdict
from stepward.world.checker import WorldChecker, reference_solution
from stepward.world.problems import World

SHOP = Problem(
    id="shop", text="Tom buys 3 bags with 8 pens each and gives 5 pens away. How many are left?", answer="19"
)
SHOP_STEPS = (
    "We want to know how many pens Tom keeps.",
    "First, he buys 3 * 8 = 24 pens.",
    "So he keeps 24 - 5 = 19 of them.",
    "Therefore, the answer is 19.",
)


def world_attempts(count: int = 10, seed: int = 5, **world: int) -> list[Attempt]:
    """Right solutions of the world's problems, labelled exactly."""
    problems = World(**({"min_steps": 5, "max_steps": 7} | world)).draw(count, seed)  # type: ignore[arg-type]
    return [checked(problem, reference_solution(problem)) for problem in problems]


def checked(problem: Problem, text: str) -> Attempt:
    return Attempt(problem=problem, labeled=WorldChecker().check(problem, cut(problem.id, text, Newline())))


def shop(
    steps: Sequence[str] = SHOP_STEPS, *, right: bool | None = True, problem: Problem = SHOP, answer: str | None = None
) -> Attempt:
    """A solution in prose, of which only the verdict is known."""
    trace = cut(problem.id, "\n".join(steps) + "\n", Newline(), answer=answer)
    verdict = None if right is None else Verdict(outcome="equal" if right else "different", answer="19")
    return Attempt(problem=problem, labeled=LabeledTrace(trace=trace, labels=(None,) * len(trace), verdict=verdict))


def wrong(attempts: Sequence[Attempt]) -> list[Attempt]:
    """The attempts with one wrong number, labelled."""
    made = [apply("numeric_corruption", attempt) for attempt in attempts]
    return [checked(a.problem, m.trace.text) for a, m in zip(attempts, made, strict=True) if isinstance(m, Perturbed)]


def apply(spec: Json, attempt: Attempt, others: Sequence[Attempt] = ()):  # type: ignore[no-untyped-def]
    (perturbation,) = perturbations([spec]).values()
    return perturbation.perturb(attempt, others)


def oracle(problem: Problem, trace: Trace, high: float = 0.9, low: float = 0.1) -> StepScores:
    """What a scorer says that knows the world: high until the first error, low from there on."""
    labels = WorldChecker().check(problem, trace).labels
    return StepScores(values=tuple(high if label is not None and label.good else low for label in labels))
