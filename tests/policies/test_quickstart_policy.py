"""The policy that ships with the package."""

from stepward.pipeline.parts import PolicyChoice
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import SampleRequest, Sampling
from stepward.world.checker import WorldChecker
from stepward.world.problems import World


def test_it_writes_readable_steps_and_is_right_more_often_than_by_chance() -> None:
    engine = PolicyChoice(path="quickstart").load()
    problems = World(min_steps=2, max_steps=4).draw(20, 11)
    requests = [SampleRequest(problem=p, n=2, sampling=Sampling(max_tokens=100, temperature=0.7)) for p in problems]
    labelled = [
        WorldChecker().check(problem, cut(problem.id, completion.text, Newline()))
        for problem, completions in zip(problems, engine.sample_batch(requests), strict=True)
        for completion in completions
    ]
    notes = [label.note for each in labelled for label in each.labels if label]
    assert notes.count("unreadable") <= len(notes) // 50
    assert sum(each.verdict is not None and bool(each.verdict.correct) for each in labelled) >= 12
