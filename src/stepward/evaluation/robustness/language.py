"""The same solution in another language. No score must move.

Solutions to the world's problems are translated whole, sentence by sentence, since the sentences are known; names stay.
In any other text only connectives are ("Therefore" becomes "Por lo tanto"), which leaves a mixture of languages: it
tests whether a scorer leans on the words that reasoning is written with, not whether it reads the language. Where a
text holds no known connective, the perturbation does not apply.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from stepward.evaluation.robustness.contract import NO_STEPS, Attempt, Inapplicable, Outcome
from stepward.evaluation.robustness.padding import INVARIANT
from stepward.evaluation.robustness.rewriting import Rewrite, pieces, with_text
from stepward.evaluation.robustness.truth import is_world
from stepward.world.checker import ANSWER
from stepward.world.domains import DOMAINS
from stepward.world.problems import Graph

Language = Literal["de", "es"]

SENTENCES: dict[Language, dict[str, str]] = {
    "de": {
        "collections": "{n} hat {v} {u}.",
        "prices": "Der Preis von {n} ist {v} {u}.",
        "ages": "{n} ist {v} {u} alt.",
        "distances": "Die Straße nach {n} ist {v} {u} lang.",
        "durations": "Die Dauer von {n} ist {v} {u}.",
        "answer": "Die Antwort ist {v}.",
    },
    "es": {
        "collections": "{n} tiene {v} {u}.",
        "prices": "El precio de {n} es {v} {u}.",
        "ages": "{n} tiene {v} {u} de edad.",
        "distances": "El camino a {n} mide {v} {u}.",
        "durations": "La duración de {n} es {v} {u}.",
        "answer": "La respuesta es {v}.",
    },
}
UNITS: dict[Language, dict[str, str]] = {
    "de": {
        "coins": "Münzen", "cards": "Karten", "shells": "Muscheln", "apples": "Äpfel", "dollars": "Dollar",
        "euros": "Euro", "years": "Jahre", "months": "Monate", "miles": "Meilen", "leagues": "Wegstunden",
        "days": "Tage", "weeks": "Wochen",
    },
    "es": {
        "coins": "monedas", "cards": "cartas", "shells": "conchas", "apples": "manzanas", "dollars": "dólares",
        "euros": "euros", "years": "años", "months": "meses", "miles": "millas", "leagues": "leguas",
        "days": "días", "weeks": "semanas",
    },
}  # fmt: skip
CONNECTIVES: dict[Language, dict[str, str]] = {
    "de": {
        "therefore": "daher", "thus": "somit", "hence": "folglich", "because": "weil", "since": "da", "so": "also",
        "then": "dann", "now": "nun", "next": "als Nächstes", "first": "zuerst", "finally": "schließlich",
        "we have": "wir haben", "we know that": "wir wissen, dass", "we get": "wir erhalten",
        "this means": "das bedeutet", "the answer is": "die Antwort ist", "in total": "insgesamt",
    },
    "es": {
        "therefore": "por lo tanto", "thus": "así", "hence": "por ende", "because": "porque", "since": "ya que",
        "so": "así que", "then": "entonces", "now": "ahora", "next": "a continuación", "first": "primero",
        "finally": "finalmente", "we have": "tenemos", "we know that": "sabemos que", "we get": "obtenemos",
        "this means": "esto significa", "the answer is": "la respuesta es", "in total": "en total",
    },
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Translated:
    """Another language, or its connectives."""

    to: Language = "es"
    seed: int = 0

    def perturb(self, attempt: Attempt, others: Sequence[Attempt]) -> Outcome:
        """The attempt translated as far as the rules reach."""
        old = pieces(attempt.trace)
        if not old:
            return NO_STEPS
        known = is_world(attempt.problem)
        texts = [self._sentence(attempt, piece.text) if known else self._connectives(piece.text) for piece in old]
        if known and None in texts:
            return Inapplicable(reason="a step is no sentence of the world")
        new = [with_text(piece, text or piece.text) for piece, text in zip(old, texts, strict=True)]
        if new == old:
            return Inapplicable(reason="no known connective in the text")
        return Rewrite(by=self, of=attempt).reworded(new, INVARIANT)

    def _sentence(self, attempt: Attempt, text: str) -> str | None:
        """A step of the world in the language; None where it is none of its sentences."""
        domain, line = Graph.of(attempt.problem).domain, text.strip()
        answer = ANSWER.fullmatch(line)
        if answer:
            return SENTENCES[self.to]["answer"].format(v=answer["answer"])
        stated = DOMAINS[domain].pattern.fullmatch(line)
        if stated is None or stated["u"] not in UNITS[self.to]:
            return None
        work = f"{stated['left']} {stated['op']} {stated['right']} = {stated['result']}"
        return SENTENCES[self.to][domain].format(n=stated["n"], v=work, u=UNITS[self.to][stated["u"]])

    def _connectives(self, text: str) -> str:
        words = CONNECTIVES[self.to]
        pattern = re.compile(rf"\b(?:{'|'.join(sorted(words, key=len, reverse=True))})\b", re.IGNORECASE)
        return pattern.sub(lambda found: _cased(words[found.group().lower()], found.group()), text)


def _cased(word: str, like: str) -> str:
    return word[0].upper() + word[1:] if like[0].isupper() else word
