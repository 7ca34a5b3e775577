"""Judges every step of a solution exactly, and writes the reference solution.

A step states one quantity with its work, `Ben has 12 + 5 = 17 coins.`, or the answer, `The answer is
17.` It is *valid* if its work is the quantity's own relation, its operands are what the problem and the
steps before it say (a wrong value carried over faithfully stays valid: the error is where it was made),
its arithmetic holds and its unit is right. A step that states an unneeded but true thing is valid. The
prefix label is 1 until the first invalid step and 0 from there on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from stepward.types import LabeledTrace, Origin, Problem, StepLabel, Target, Trace, Verdict
from stepward.world.domains import DOMAINS
from stepward.world.problems import OPERATOR, Graph

Fault = Literal["", "unreadable", "unknown quantity", "operands", "operation", "arithmetic", "answer"]
ANSWER = re.compile(r"The answer is (?P<answer>[0-9]{1,12})\.")
CHECKER = Origin(maker="checker:world", revision="1")


def reference_solution(problem: Problem) -> str:
    """The shortest right solution: one line per needed quantity, then the answer's line."""
    graph = Graph.of(problem)
    domain = DOMAINS[graph.domain]
    truth = {i: q.value for i, q in enumerate(graph.quantities)}
    lines = []
    for quantity in graph.quantities:
        if quantity.how != "given":
            left, right = quantity.operands(truth)
            work = f"{left} {OPERATOR[quantity.how]} {right} = {quantity.value}"
            lines.append(domain.statement.format(n=quantity.name, v=work, u=quantity.unit))
    return "\n".join([*lines, f"The answer is {truth[graph.asked]}."]) + "\n"


def stated_answer(text: str) -> str | None:
    """The number of the last `The answer is ...` line; None where there is none."""
    found = ANSWER.findall(text)
    return found[-1] if found else None


@dataclass(frozen=True, kw_only=True)
class WorldChecker:
    """Exact labels for traces of the world's problems. A `Labeler` that needs no resources.

    `target` is "prefix" (1 until the first error) or "validity" (each step by itself).
    """

    target: Literal["prefix", "validity"] = "prefix"

    def check(self, problem: Problem, trace: Trace) -> LabeledTrace:
        """`trace` with one exact label per step; the note of a label names the fault."""
        reader = _Reader(Graph.of(problem))
        faults = [reader.fault(text) for text in trace.step_texts]
        labels, sound = [], True
        for fault in faults:
            sound = sound and not fault
            good = sound if self.target == "prefix" else not fault
            labels.append(_label(self.target, good, fault))
        right = stated_answer(trace.text) == problem.answer
        answer = stated_answer(trace.text)
        outcome: Literal["equal", "different", "unparsable"] = (
            "unparsable" if answer is None else "equal" if right else "different"
        )
        return LabeledTrace(trace=trace, labels=tuple(labels), verdict=Verdict(outcome=outcome, answer=answer))

    async def label(self, problem: Problem, trace: Trace, resources: object = None) -> LabeledTrace:
        """`check`, as the `Labeler` protocol wants it."""
        return self.check(problem, trace)


def _label(target: Target, good: bool, fault: Fault) -> StepLabel:
    return StepLabel(target=target, value=float(good), source="checker", origin=CHECKER, note=fault)


@dataclass
class _Reader:
    """Reads steps in order and knows what was said so far."""

    graph: Graph
    said: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.said = {i: q.value for i, q in enumerate(self.graph.quantities) if q.how == "given"}
        self.index = {(q.name, q.unit): i for i, q in enumerate(self.graph.quantities)}
        self.pattern = DOMAINS[self.graph.domain].pattern

    def fault(self, text: str) -> Fault:
        """What is wrong with the next step; "" for nothing."""
        line = text.strip()
        answer = ANSWER.fullmatch(line)
        if answer:
            return "" if self.said.get(self.graph.asked) == int(answer["answer"]) else "answer"
        stated = self.pattern.fullmatch(line)
        return self._statement(stated) if stated else "unreadable"

    def _statement(self, stated: re.Match[str]) -> Fault:
        index = self.index.get((stated["n"], stated["u"]))
        if index is None or self.graph.quantities[index].how == "given":
            return "unknown quantity"
        quantity = self.graph.quantities[index]
        left, right, result = int(stated["left"]), int(stated["right"]), int(stated["result"])
        fault = self._work(quantity.how == "together", index, stated["op"], (left, right))
        self.said[index] = result
        return fault or ("" if _compute(left, stated["op"], right) == result else "arithmetic")

    def _work(self, either_order: bool, index: int, op: str, numbers: tuple[int, int]) -> Fault:
        quantity = self.graph.quantities[index]
        if op != OPERATOR[quantity.how]:
            return "operation"
        if any(i not in self.said for i in quantity.of):
            return "operands"
        expected = quantity.operands(self.said)
        same = numbers == expected or (op in "+*" and numbers == expected[::-1])
        return "" if same else "operands"


def _compute(left: int, op: str, right: int) -> int | None:
    if op == "/":
        return left // right if right and left % right == 0 else None
    return {"+": left + right, "-": left - right, "*": left * right}[op]
