"""Problem and trace -> the turns that a judge is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from stepward.errors import ScoreError
from stepward.reward_models.generative.record import SLOT, JudgeFormat
from stepward.types import Problem, Trace

SOLUTION = "reference_solution"
"""Key of `problem.meta` under which readers keep a reference solution."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a dialogue."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """A problem and the steps of one trace as a judge of `format` sees them."""

    format: JudgeFormat
    problem: Problem
    steps: tuple[str, ...]

    @classmethod
    def of(cls, format: JudgeFormat, problem: Problem, trace: Trace) -> Brief:
        """The brief; `ScoreError` for what cannot be put before this judge without being misread."""
        steps = tuple(
            re.sub(format.erase, "", text).strip() if format.erase else text.strip() for text in trace.step_texts
        )
        if any(part.kind != "text" for part in problem.parts):
            raise ScoreError(f"judge {format.name} reads text alone", got=f"an image in problem {problem.id!r}")
        for index, step in enumerate(steps):
            if not step:
                raise ScoreError(
                    f"step {index} of trace {trace.id} holds nothing to judge", got=trace.step_texts[index]
                )
        if format.most_steps is not None and len(steps) > format.most_steps:
            raise ScoreError(f"judge {format.name} reads at most {format.most_steps} steps a trace", got=len(steps))
        brief = cls(format=format, problem=problem, steps=steps)
        brief.refuse(format.reserved, "marks steps for the judge")
        return brief

    def refuse(self, texts: tuple[str, ...] | frozenset[str], why: str) -> None:
        """`ScoreError` where the problem or a step holds one of `texts`."""
        named = [("the problem", self.problem.text), *((f"step {i}", text) for i, text in enumerate(self.steps))]
        for where, held in named:
            for text in texts:
                if text in held:
                    raise ScoreError(
                        f"{where} of problem {self.problem.id!r} holds {text!r}, which {why}",
                        mend="take it out of the text: a judge would be misled by it",
                    )

    def turns(self, shown: int) -> tuple[Turn, ...]:
        """System and first user turn with the first `shown` steps, of which the last is the one in question."""
        system = (Turn("system", self.format.system),) if self.format.system else ()
        return (*system, Turn("user", self.fill(self.format.prompt, shown)))

    def fill(self, template: str, shown: int) -> str:
        """`template` with its slots filled, where the first `shown` steps are shown."""
        own, last = self.format, shown + self.format.first_number - 1
        slots = {
            "problem": self.problem.text,
            "steps": self._written(shown),
            "previous": self._written(shown - 1) or own.no_previous,
            "step": self.steps[shown - 1] if shown else "",
            "number": str(last),
            "count": str(shown),
            "next": str(last + 1),
        }
        if "{reference}" in template:
            slots["reference"] = self._reference()
        return filled(template, slots | self._meta(template))

    def _reference(self) -> str:
        answer, solution = self.problem.answer, self.problem.meta.get(SOLUTION)
        parts = [f"The right answer is: {answer}"] if answer is not None else []
        parts += [f"A right solution:\n{solution}"] if isinstance(solution, str) else []
        if not parts:
            raise ScoreError(
                f"judge {self.format.name} needs the reference answer of problem {self.problem.id!r}",
                mend=f"set its answer or meta[{SOLUTION!r}], or take a judge without reference",
            )
        return "\n".join(parts)

    def _written(self, count: int) -> str:
        numbered = enumerate(self.steps[: max(0, count)], self.format.first_number)
        return self.format.between.join(
            filled(self.format.step, {"number": str(number), "step": step}) for number, step in numbered
        )

    def _meta(self, template: str) -> dict[str, str]:
        found = {}
        for slot in SLOT.findall(template):
            kind, _, key = slot.partition(":")
            if kind == "meta":
                value = self.problem.meta.get(key)
                if not isinstance(value, str):
                    raise ScoreError(
                        f"judge {self.format.name} needs the text problem.meta[{key!r}]",
                        got=value,
                        mend=f"set it for problem {self.problem.id!r}",
                    )
                found[slot] = value
        return found


def filled(template: str, slots: Mapping[str, str]) -> str:
    """`template` with every slot that `slots` names filled, in one pass: what is filled in is never read again."""
    return SLOT.sub(lambda match: slots.get(match[1], match[0]), template)
