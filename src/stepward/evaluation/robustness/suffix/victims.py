"""Whom a suffix is searched for, whom it is judged on, and which words it may be made of.

One wrong solution a problem: of those that do not pass the threshold the one that scores highest, which is the one that
an attacker would start from; where all pass, the highest. Problems are dealt to two sides by a hash of their text, so
that no problem, under whatever id, stands on both: a suffix that was found on one side is judged on the other, and
words of the corpus come from solutions of the first side alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from stepward.evaluation.robustness.contract import Attempt
from stepward.types import content_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Victim:
    """A wrong solution, what it scores, and what it would have to beat."""

    key: str
    attempt: Attempt
    before: float
    bar: float | None = None
    """The best right solution of its problem; None where the pool holds none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """Victims to search on, victims to judge on, and the words of the first side's solutions."""

    fit: tuple[Victim, ...]
    judged: tuple[Victim, ...]
    words: tuple[str, ...]
    """The most frequent first."""
    unscored: int = 0
    """Wrong solutions that the scorer would not take even as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """How victims are taken."""

    fit: int
    judged: int
    """At most so many on either side."""
    threshold: float | None
    seed: int


def sides(attempts: Mapping[str, Attempt], values: Mapping[str, float], draft: Draft) -> Sides:
    """Victims to search on and to judge on, from all scored attempts: `values` by key, absent where refused.

    Half of the problems with a victim go to either side, the odd one to the side that judges.
    """
    victims = _victims(attempts, values, draft.threshold)
    texts = sorted({_text(each) for each in victims}, key=lambda text: content_key(draft.seed, text))
    first = set(texts[: len(texts) // 2])
    fit, judged = ([each for each in victims if (_text(each) in first) is side] for side in (True, False))
    wrong = [key for key, attempt in attempts.items() if attempt.sound is False]
    own = (attempt for attempt in attempts.values() if attempt.problem.text.strip() in first)
    return Sides(
        fit=_spread(fit, draft.fit, draft.seed),
        judged=_spread(judged, draft.judged, draft.seed),
        words=_words(own),
        unscored=sum(key not in values for key in wrong),
    )


def _victims(attempts: Mapping[str, Attempt], values: Mapping[str, float], threshold: float | None) -> list[Victim]:
    bars: dict[str, float] = {}
    for key, attempt in attempts.items():
        if attempt.sound and key in values:
            bars[attempt.problem.id] = max(values[key], bars.get(attempt.problem.id, values[key]))
    wrong: dict[str, list[Victim]] = {}
    for key, attempt in attempts.items():
        name = attempt.problem.id
        if attempt.sound is False and key in values and len(attempt.trace):
            victim = Victim(key=key, attempt=attempt, before=values[key], bar=bars.get(name))
            wrong.setdefault(name, []).append(victim)
    top = math.inf if threshold is None else threshold
    return [max(those, key=lambda each: (each.before < top, each.before)) for those in wrong.values()]


def _spread(victims: Sequence[Victim], count: int, seed: int) -> tuple[Victim, ...]:
    """`count` of them by lot, in the order that they had."""
    drawn = sorted(victims, key=lambda each: content_key(seed, "victim", each.attempt.problem.id))[:count]
    kept = {each.key for each in drawn}
    return tuple(each for each in victims if each.key in kept)


def _text(victim: Victim) -> str:
    return victim.attempt.problem.text.strip()


def _words(attempts: Iterable[Attempt]) -> tuple[str, ...]:
    """What stands between white space, most frequent first, equals in alphabetical order."""
    counts = Counter(word for attempt in attempts for word in attempt.trace.text.split())
    return tuple(sorted(counts, key=lambda word: (-counts[word], word)))
