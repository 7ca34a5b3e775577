"""What a stage spends does not depend on what was computed before."""

from stepward.pipeline.parts import PolicyChoice, start_cold
from stepward.types import Problem, SampleRequest, Sampling


def test_engines_that_remember_start_cold_and_others_are_left_alone() -> None:
    engine = PolicyChoice(path="quickstart").load()
    request = SampleRequest(problem=Problem(id="p", text="a cab"), sampling=Sampling(max_tokens=2))

    def read() -> int:
        ((made,),) = engine.sample_batch([request])
        return made.spend.prompt_tokens

    first, again = read(), read()
    start_cold(engine, None, object())
    assert again == 1 < first == read()
