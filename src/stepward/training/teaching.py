"""What of labels and verdicts is taught, as one record of plain choices: for recipes, the command line and `train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from stepward.errors import ConfigError
from stepward.reward_models.checkpoint import Kind
from stepward.reward_models.encoding.codec import StepCodec
from stepward.training.examples import ExampleSet, OutcomeExamples, StepExamples, TwoHeadExamples
from stepward.training.intake import Intake, Pair
from stepward.training.losses import balanced
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.objectives.binomial import BinomialLikelihood
from stepward.training.objectives.bradley_terry import BradleyTerry
from stepward.training.objectives.contract import Objective
from stepward.training.ratings import AS_READ, Neutral, check_neutral
from stepward.training.siblings import only_compared
from stepward.training.weights import Agreement, PosteriorWeights, StatedWeights, Trust, Weigher
from stepward.types import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Labellings:
    """What people, rollouts or judges said of the same traces."""

    first: Sequence[Pair]
    second: Sequence[Pair] = ()
    """For the second head."""
    agree_with: Sequence[Pair] = ()
    """Labels of `first` count where these call the step the same, good or bad."""


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """How labelled traces become examples. See `examples.py`, `ratings.py` and `weights.py` for what each choice does.

    Raises `ConfigError` where a choice is out of range.
    """

    heads: Literal["one", "two"] = "one"
    """two: output 0 learns the labels; output 1 the verdict at every step end, or a second labelling."""
    view: Literal["hard", "soft"] = "hard"
    """How a PRM reads its labels."""
    second_view: Literal["hard", "soft"] = "soft"
    """How the second output reads a second labelling."""
    after_error: Literal["keep", "drop"] = "keep"
    neutral: Neutral = AS_READ
    target: Target | None = None
    """What labels must mean; by default whatever they all mean."""
    outcome_at: Literal["last", "every", "token"] = "last"
    """Where an ORM is taught the outcome."""
    balance: bool = False
    """Rare bad steps weigh more, at most five times; the prior is given back after training. Needs objective bce."""
    trust: Mapping[str, float] = field(default_factory=dict)
    """Weight of labels by their maker or source; 1 for others."""
    posterior_spread: float = 0.0
    """Above 0 labels weigh by how much their rollouts leave unknown; see `PosteriorWeights`."""
    disagree: float = 0.0
    """Where a labelling to agree with is given: weight of labels that it contradicts, or says nothing of."""
    repeats: Literal["keep", "merge"] = "keep"
    overlong: Literal["exclude", "error"] = "exclude"

    def __post_init__(self) -> None:
        check_neutral(self.neutral)
        self.weighers()
        if self.disagree < 0:
            raise ConfigError("disagree is a weight of at least 0", got=self.disagree)

    def weighers(self) -> tuple[Weigher, ...]:
        """What decides how much a label weighs."""
        trust = (Trust(of=self.trust),) if self.trust else ()
        return (
            StatedWeights(),
            *trust,
            *((PosteriorWeights(spread=self.posterior_spread),) if self.posterior_spread else ()),
        )

    def examples(self, kind: Kind, codec: StepCodec, labels: Labellings) -> ExampleSet:
        """Examples for a PRM or an ORM. Raises `LabelError` where there is nothing to learn."""
        intake = Intake(overlong=self.overlong, repeats=self.repeats)
        if kind == "orm":
            return OutcomeExamples(at=self.outcome_at, intake=intake).build(codec, labels.first)
        steps = StepExamples(
            view=self.view,
            after_error=self.after_error,
            neutral=self.neutral,
            target=self.target,
            weighers=(*self.weighers(), *self._agreement(labels)),
            intake=intake,
        )
        if self.heads == "one":
            return steps.build(codec, labels.first)
        other = replace(steps, view=self.second_view, target=None, weighers=self.weighers())
        second = other if labels.second else OutcomeExamples(at="every")
        return TwoHeadExamples(first=steps, second=second, intake=intake).build(codec, labels.first, labels.second)

    def _agreement(self, labels: Labellings) -> tuple[Weigher, ...]:
        if not labels.agree_with:
            return ()
        others = [labeled for _, labeled in labels.agree_with]
        return (Agreement.of(others, disagree=self.disagree, alone=self.disagree),)

    def check(self, objective: Objective) -> None:
        """Raise `ConfigError` where `objective` cannot use labels as they are read here."""
        if self.balance and not isinstance(objective, BinaryCrossEntropy):
            raise ConfigError("balance weighs the classes of objective bce", got=objective, mend="balance: false")
        if isinstance(objective, BinomialLikelihood) and self.view == "hard":
            raise ConfigError(
                "objective binomial learns k of n, which hard labels have lost", got="view: hard", mend="view: soft"
            )

    def fitted(self, examples: ExampleSet, objective: Objective) -> tuple[ExampleSet, Objective]:
        """`examples` without what `objective` has no use for, and `objective` with the class weight they ask for.

        Raises `ConfigError` where labels are not read as `objective` needs them.
        """
        self.check(objective)
        if self.balance and isinstance(objective, BinaryCrossEntropy):
            objective = replace(objective, bad_weight=balanced(examples.examples).bad_weight)
        if isinstance(objective, BradleyTerry):
            examples = only_compared(examples, objective)
        return examples, objective
