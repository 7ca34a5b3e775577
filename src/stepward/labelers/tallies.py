"""What labelers that complete prefixes share: which prefixes, which counts, and how a count becomes a label."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict

from stepward.errors import LabelError
from stepward.labelers.rolling import Rollouts, Tally
from stepward.protocols import Policy
from stepward.types import Json, Origin, Problem, StepLabel, Trace, Verdict


def need_answer(problem: Problem) -> None:
    """`LabelError` where nothing says which completions end right."""
    if problem.answer is None:
        raise LabelError(
            f"problem {problem.id!r} has no answer: no completion of it can be called right",
            mend="give it its answer, or take a labeler that needs none, such as judge",
        )


def ends(trace: Trace) -> bool:
    """Whether the policy ended the trace: nothing is left to complete."""
    return trace.finish == "stop"


def prefixes(trace: Trace) -> list[str]:
    """What each step leaves: the prefix that ends with it."""
    return [trace.prefix(count) for count in range(1, len(trace) + 1)]


def to_complete(traces: Sequence[Trace], *, root: bool) -> list[str]:
    """Every prefix of `traces` that can be completed, once; with `root` the empty one before them."""
    found = [each for trace in traces for each in (prefixes(trace)[:-1] if ends(trace) else prefixes(trace))]
    return list(dict.fromkeys([""] * root + found))


def own_tally(verdict: Verdict) -> Tally:
    """The trace itself as the one completion of its last prefix."""
    if verdict.correct is None:
        return Tally(undecided=1)
    return Tally(successes=int(verdict.correct), trials=1)


def step_tallies(trace: Trace, verdict: Verdict, tallies: Mapping[str, Tally]) -> list[Tally]:
    """One per step: what the completions behind it came to, for the step that ends the trace its own verdict."""
    counted = [tallies.get(prefix, Tally()) for prefix in prefixes(trace)]
    return [*counted[:-1], own_tally(verdict)] if counted and ends(trace) else counted


def value_label(tally: Tally, origin: Origin) -> StepLabel | None:
    """The share k / n with its counts; None where no completion was decided."""
    if tally.trials == 0:
        return None
    return StepLabel(
        target="value",
        value=tally.successes / tally.trials,
        source="rollout",
        successes=tally.successes,
        trials=tally.trials,
        origin=origin,
        note=f"{tally.undecided} undecided, {tally.failed} failed" if tally.undecided or tally.failed else "",
    )


def told(tallies: Iterable[Tally]) -> dict[str, Json]:
    """How many completions behind a trace's steps were undecided or failed."""
    counted = list(tallies)
    return {
        "undecided": sum(each.undecided for each in counted),
        "failed": sum(each.failed for each in counted),
    }


def root_counts(tally: Tally) -> dict[str, Json]:
    """The counts of the empty prefix, as `LabeledTrace.meta` keeps them under "root"."""
    return {"root": {"successes": tally.successes, "trials": tally.trials}}


def made_by(name: str, rollouts: Rollouts, settings: Mapping[str, Json]) -> Origin:
    """Labeler, its settings, how completions were drawn, and by whom as far as the policy tells."""
    drawn: dict[str, Json] = {
        key: list(value) if isinstance(value, tuple) else value for key, value in asdict(rollouts.sampling).items()
    }
    completer = _origin(rollouts.policy)
    told_by: dict[str, Json] = {"completer": f"{completer.maker}@{completer.revision}"} if completer else {}
    return Origin(
        maker=f"labeler:{name}",
        revision="1",
        settings={**settings, **drawn, **told_by},
        seed=rollouts.sampling.seed,
    )


def _origin(policy: Policy) -> Origin | None:
    """Whom a policy, or what it wraps, says it is."""
    at: object | None = policy
    while at is not None:
        found = getattr(at, "origin", None)
        if isinstance(found, Origin):
            return found
        at = getattr(at, "policy", None)
    return None
