"""OmegaPRM's sampled trees, in the two forms that its open implementation writes.

    tree       `reasoning_steps` is {text, mc_value, children}, whose root is the question
    prefixes   `reasoning_steps` is a list of {solution_prefix, mc_value}; each prefix begins with the question

Every way from the root to a leaf is a trace; each step carries the Monte-Carlo value of the state after it, so the
labels of a shared step stand in every trace that has it. Counts are not in the file, values are: there is no neutral
label. In the prefix form the parent of a prefix is the longest other one that it begins with. Prefixes that stand
twice count once, with the mean of their values (noted). The root's value goes into the trace's meta. Paper:
OmegaPRM, arXiv 2406.06592.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from stepward.datasets.lines import Source
from stepward.datasets.reading import Example, Tally
from stepward.datasets.rows import Columns, Extra, Row, check_columns, read_rows
from stepward.segment.cut import from_steps
from stepward.types import Json, LabeledTrace, Origin, Problem, StepLabel, content_key

COLUMNS = Columns(required=("question", "reasoning_steps"), optional=("final_answer", "question_id"))
NODE = Columns(required=("text", "mc_value", "children"))
PREFIX = Columns(required=("solution_prefix", "mc_value"))
LABELER = Origin(maker="tree:omega_prm")


@dataclass(eq=False, slots=True)
class Cut:
    """One step of the tree and the value of the state after it."""

    text: str
    value: float
    children: list[Cut] = field(default_factory=list)
    copies: int = 1
    """How often it stands in the file; `value` is the mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OmegaPrm:
    """Reads both forms; one example a leaf."""

    separator: str = "\n\n"
    extra: Extra = "refuse"

    def stream(self, path: Source, tally: Tally) -> Iterator[Example]:
        """The traces of each question, in the order of its tree."""
        for row, problem, root in self._rows(path, tally):
            if not root.children:
                tally.drop("a question without a step")
            for cuts in _paths(root):
                yield self._example(row, problem, root, cuts)

    def trees(self, path: Source, tally: Tally) -> Iterator[tuple[Problem, Cut]]:
        """Each question with the root of its tree, whose text is empty."""
        for _, problem, root in self._rows(path, tally):
            yield problem, root

    def _rows(self, path: Source, tally: Tally) -> Iterator[tuple[Row, Problem, Cut]]:
        for row in read_rows(path, COLUMNS, tally, self.extra):
            question = row.filled("question")
            as_list = isinstance(row.get("reasoning_steps"), list)
            root = _from_prefixes(row, question, tally) if as_list else _from_tree(row, question)
            text, answer = question.strip(), row.text("final_answer") if row.has("final_answer") else None
            yield row, Problem(id=f"omega-{content_key(text)}", text=text, answer=answer), root

    def _example(self, row: Row, problem: Problem, root: Cut, cuts: tuple[Cut, ...]) -> Example:
        meta: dict[str, Json] = {"root_value": root.value, **row.extras}
        with row.blame("reasoning_steps"):
            trace = from_steps(problem.id, [cut.text for cut in cuts], separator=self.separator, meta=meta)
            labels = tuple(StepLabel(target="value", value=cut.value, source="tree", origin=LABELER) for cut in cuts)
            return Example(problem=problem, labeled=LabeledTrace(trace=trace, labels=labels))


def _from_tree(row: Row, question: str) -> Cut:
    top = check_columns(row.row("reasoning_steps"), NODE, Tally())
    if top.text("text").strip() != question.strip():
        raise top.error("text", "must be the question: the tree grows from it", got=top.text("text")[:80])
    root = Cut("", top.number("mc_value"))
    waiting = [(top, root)]
    while waiting:
        node, cut = waiting.pop()
        for child in node.rows("children"):
            check_columns(child, NODE, Tally())
            cut.children.append(Cut(child.filled("text").strip(), child.number("mc_value")))
            waiting.append((child, cut.children[-1]))
    return root


def _from_prefixes(row: Row, question: str, tally: Tally) -> Cut:
    root, above = Cut("", 0.0), [("", Cut("", 0.0))]
    above[0] = ("", root)
    for prefix, values in _values(row, question, tally):
        value = sum(values) / len(values)
        if not prefix:
            root.value = value
            continue
        while not prefix.startswith(above[-1][0]):
            above.pop()
        parent, cut = above[-1]
        cut.children.append(Cut(prefix[len(parent) :].strip(), value, copies=len(values)))
        above.append((prefix, cut.children[-1]))
    return root


def _values(row: Row, question: str, tally: Tally) -> list[tuple[str, list[float]]]:
    """Each prefix without its question, and its values, sorted: whatever a prefix begins with stands before it."""
    found: dict[str, list[float]] = {}
    for item in row.rows("reasoning_steps"):
        check_columns(item, PREFIX, Tally())
        prefix = item.text("solution_prefix")
        if not prefix.startswith(question):
            raise item.error("solution_prefix", "must begin with the question", got=prefix[:80])
        found.setdefault(prefix[len(question) :].strip(), []).append(item.number("mc_value"))
    tally.note("prefixes that stand twice", sum(len(values) - 1 for values in found.values()))
    return sorted(found.items())


def _paths(root: Cut) -> Iterator[tuple[Cut, ...]]:
    """The steps of every way from `root` to a leaf."""
    waiting: list[tuple[Cut, ...]] = [(child,) for child in reversed(root.children)]
    while waiting:
        path = waiting.pop()
        if not path[-1].children:
            yield path
        waiting.extend((*path, child) for child in reversed(path[-1].children))
