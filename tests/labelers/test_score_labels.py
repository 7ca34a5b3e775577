"""Labels that come from a scorer: falling confidence, and log-ratios."""

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from stepward.errors import ConfigError, ResourceError, ScoreError
from stepward.labelers.confidence import ConfidenceDrop, first_drop, sigmoid
from stepward.labelers.implicit import ImplicitLabeler
from stepward.protocols import Labeler, Resources
from stepward.segment.cut import cut
from stepward.segment.newline import Newline
from stepward.types import Convention, LabeledTrace, Problem, Sees, Spend, StepScores, Trace

PROBLEM = Problem(id="p", text="?")


@dataclass(frozen=True)
class Says:
    """Gives every trace these scores."""

    values: Sequence[float]
    convention: Convention = "probability"
    sees: Sees = "prefix"

    async def score(self, problem: Problem, trace: Trace) -> StepScores:
        values, spend = tuple(self.values), Spend(scorer_tokens=5)
        return StepScores(values=values, convention=self.convention, target="value", sees=self.sees, spend=spend)


def label(labeler: Labeler, scorer: Says) -> LabeledTrace:
    trace = cut("p", "\n".join("abcdefgh"[: len(scorer.values)]), Newline())
    return asyncio.run(labeler.label(PROBLEM, trace, Resources(scorer=scorer)))


def values(labeled: LabeledTrace) -> list[float]:
    return [each.value for each in labeled.labels if each]


def test_the_first_step_that_loses_more_than_half_of_the_confidence_is_the_first_error() -> None:
    labeled = label(ConfidenceDrop(), Says([0.8, 0.7, 0.3, 0.9]))
    assert values(labeled) == [1, 1, 0, 0]
    assert labeled.target == "prefix" and labeled.first_error == 2
    assert labeled.meta == {"confidences": [0.8, 0.7, 0.3, 0.9], "first_error": 2}
    assert labeled.spend == Spend(scorer_tokens=5)
    assert {each.source for each in labeled.labels if each} == {"scorer"}


def test_a_slow_decline_and_a_fall_by_exactly_half_are_no_errors() -> None:
    assert values(label(ConfidenceDrop(), Says([0.9, 0.5, 0.3, 0.16]))) == [1, 1, 1, 1]
    assert first_drop([0.5, 0.25]) is None
    assert first_drop([0.5, 0.2499]) == 1


def test_after_a_vanishing_confidence_the_next_step_is_the_first_error() -> None:
    assert first_drop([0.9, 0.8, 1e-6, 0.9], drop=-0.99999999) == 3
    assert first_drop([0.0, 0.9], floor=0.0) is None


def test_the_first_step_is_judged_only_against_a_stated_start() -> None:
    assert first_drop([0.1, 0.1]) is None
    assert values(label(ConfidenceDrop(start=0.6), Says([0.1, 0.1]))) == [0, 0]


def test_logits_are_read_through_the_sigmoid() -> None:
    assert label(ConfidenceDrop(), Says([2.0, -2.0], "logit")).meta["first_error"] == 1
    assert sigmoid(0.0) == 0.5 and sigmoid(-1000.0) == 0.0 and sigmoid(1000.0) == 1.0
    assert sigmoid(-40.0) == pytest.approx(math.exp(-40.0))


def test_scores_that_are_no_confidences_of_a_prefix_are_refused() -> None:
    with pytest.raises(ScoreError, match="no confidences"):
        label(ConfidenceDrop(), Says([0.1], "log_ratio"))
    with pytest.raises(ScoreError, match="depend on the steps that follow"):
        label(ConfidenceDrop(), Says([0.1], sees="trace"))
    with pytest.raises(ResourceError, match="needs a scorer"):
        asyncio.run(ConfidenceDrop().label(PROBLEM, cut("p", "a", Newline()), Resources()))


def test_log_ratios_become_values_validities_and_progress() -> None:
    sums = Says([0.5, -1.0, 3.0], "log_ratio")
    assert values(label(ImplicitLabeler(), sums)) == pytest.approx([sigmoid(0.5), sigmoid(-1), sigmoid(3)])
    steps = label(ImplicitLabeler(target="validity"), sums)
    assert values(steps) == pytest.approx([sigmoid(0.5), sigmoid(-1.5), sigmoid(4)])
    assert [each.good for each in steps.labels if each] == [True, False, True]
    progress = label(ImplicitLabeler(target="progress"), sums)
    assert values(progress) == pytest.approx([sigmoid(0.5) - 0.5, sigmoid(-1) - sigmoid(0.5), sigmoid(3) - sigmoid(-1)])
    assert [each.target for each in (steps, progress)] == ["validity", "progress"]
    assert steps.meta == {"log_ratios": [0.5, -1.0, 3.0]}


def test_single_and_accumulated_log_ratios_say_the_same() -> None:
    single, sums = Says([0.5, -1.5, 4.0], "log_ratio"), Says([0.5, -1.0, 3.0], "log_ratio")
    for target in ("value", "validity", "progress"):
        one = label(ImplicitLabeler(target=target, scores="single", scale=0.5), single)
        two = label(ImplicitLabeler(target=target, scale=0.5), sums)  # type: ignore[arg-type]
        assert values(one) == pytest.approx(values(two))


def test_scores_that_are_no_log_ratios_are_refused() -> None:
    with pytest.raises(ScoreError, match="no log-ratios"):
        label(ImplicitLabeler(), Says([0.5]))


def test_empty_traces_have_no_labels() -> None:
    assert label(ConfidenceDrop(), Says([])).labels == ()
    assert label(ImplicitLabeler(), Says([], "log_ratio")).labels == ()


def test_settings_out_of_range_are_named() -> None:
    for wrong in ({"drop": 0.5}, {"drop": -1.0}, {"start": 0.0}, {"floor": -1.0}):
        with pytest.raises(ConfigError):
            ConfidenceDrop(**wrong)  # type: ignore[arg-type]
    for odd in ({"target": "prefix"}, {"scores": "sums"}, {"scale": 0.0}):
        with pytest.raises(ConfigError):
            ImplicitLabeler(**odd)  # type: ignore[arg-type]


def test_a_policy_and_its_reference_label_a_trace_end_to_end(tmp_path: Path) -> None:
    """Two tiny models, opened as an implicit reward model: the labels are the sigmoids of its log-ratios."""
    from stepward.reward_models.formats.chats import IMPLICIT
    from stepward.reward_models.public.load import Opening, open_scorer
    from stepward.reward_models.tiny import TinyBackbone
    from stepward.reward_models.wrappers import BatchedScorer

    texts = ["What is 2 + 3 * 4 ?", "3 * 4 = 12 .\n2 + 12 = 15 .\nThe answer is 15 ."]
    trained, start = (TinyBackbone(seed=seed).write(tmp_path / str(seed), texts) for seed in (1, 2))
    for folder in (trained, start):
        (folder / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}\n{% endfor %}")
    problem = Problem(id="p", text=texts[0])
    trace = cut("p", texts[1], Newline())

    def labelled(policy: Path, reference: Path, scores: str) -> LabeledTrace:
        opening = Opening(format=IMPLICIT, reference=reference, reading=scores)  # type: ignore[arg-type]
        scorer = BatchedScorer(engine=open_scorer(policy, opening))
        return asyncio.run(ImplicitLabeler(scores=scores).label(problem, trace, Resources(scorer=scorer)))  # type: ignore[arg-type]

    sums, single = labelled(trained, start, "accumulated"), labelled(trained, start, "single")
    ratios = sums.meta["log_ratios"]
    assert isinstance(ratios, list)
    assert values(sums) == pytest.approx([sigmoid(each) for each in ratios])
    assert values(sums) == pytest.approx(values(single), abs=1e-5)
    assert any(abs(each) > 0.01 for each in ratios)
    assert values(labelled(start, start, "accumulated")) == pytest.approx([0.5] * 3)
