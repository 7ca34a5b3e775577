"""A world small enough to follow by hand: steps are letters, a solution has three of them, then its answer."""

import asyncio
from collections.abc import Callable

from stepward.policies.fake import Faults, ScriptedPolicy
from stepward.protocols import Resources, Search, SearchResult, StepScorer
from stepward.reward_models.fake import ScriptedScorer
from stepward.segment.newline import Newline
from stepward.types import Problem, SampleRequest, content_key
from stepward.verifiers.answers import StatedAnswers

PROBLEM = Problem(id="p", text="Spell it.", answer="7")
LETTERS = "abcd"


def letters(request: SampleRequest, draw: int) -> str:
    """Step k is one of four letters by draw; the fourth line is the answer: 7 if the path holds no d, else 8."""
    written = request.prefix.split()
    if len(written) < 3:
        at = int(content_key(request.problem.id, request.prefix, draw)[:8], 16)
        return LETTERS[at % 4] + "\n" + "never read"
    return f"The answer is {8 if 'd' in written else 7}."


def resources(
    scorer: StepScorer | None = None,
    script: Callable[[SampleRequest, int], str] = letters,
    faults: Faults | None = None,
) -> Resources:
    known = {"a": 0.9, "b": 0.7, "c": 0.5, "d": 0.1, "The answer is 7.": 0.8, "The answer is 8.": 0.3}
    policy = ScriptedPolicy(script=script, faults=faults or Faults())
    return Resources(
        policy=policy, segmenter=Newline(), answers=StatedAnswers(), scorer=scorer or ScriptedScorer(scores=known)
    )


def solve(search: Search, live: Resources | None = None, problem: Problem = PROBLEM) -> SearchResult:
    return asyncio.run(search.solve(problem, live or resources()))


def policy_of(live: Resources) -> ScriptedPolicy:
    assert isinstance(live.policy, ScriptedPolicy)
    return live.policy


def drawn(found: SearchResult) -> str:
    """The tree as indented text: score, what it adds, what became of it."""
    depth = {0: 0}
    lines = [f"answer {found.answer}; {found.note or 'nothing to note'}"]
    for index, node in enumerate(found.nodes):
        if node.parent is not None:
            depth[index] = depth[node.parent] + 1
        facts = [node.state, f"{node.copies} draws" if node.copies > 1 else "", "chosen" if node.chosen else ""]
        facts += [f"{node.visits} visits" if node.visits else "", f"value {node.value:.4f}" if node.value else ""]
        score = "  -   " if node.score is None else f"{node.score:.4f}"
        told = " ".join(each for each in (*facts, node.reason) if each)
        lines.append(f"{'  ' * depth[index]}{score} {node.text.strip() or '.'} [{told}]")
    return "\n".join(lines) + "\n"
