"""One verifier for a mixed set of problems: each goes to the verifier of its `answer_kind`."""

from __future__ import annotations

from dataclasses import dataclass, field

from stepward.protocols import Verifier
from stepward.types import Problem, Verdict
from stepward.verifiers.choice import ChoiceVerifier
from stepward.verifiers.exact import ExactVerifier
from stepward.verifiers.math import MathVerifier


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutedVerifier:
    """Sends a problem to `math`, `choice` or `exact`, as its `answer_kind` says."""

    math: Verifier = field(default_factory=MathVerifier)
    choice: Verifier = field(default_factory=ChoiceVerifier)
    exact: Verifier = field(default_factory=ExactVerifier)

    async def verify(self, problem: Problem, text: str) -> Verdict:
        """The verdict of the verifier for `problem.answer_kind`."""
        verifier = {"math": self.math, "choice": self.choice, "exact": self.exact}[problem.answer_kind]
        return await verifier.verify(problem, text)
