"""How a reward model is trained: the mode, and the knobs of each."""

from __future__ import annotations

from dataclasses import asdict, dataclass, is_dataclass, replace
from typing import Literal

from stepward.errors import ConfigError, LabelError
from stepward.reward_models.backbone import Precision
from stepward.reward_models.checkpoint import Kind, Mode
from stepward.reward_models.formats.record import PRMFormat
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.log_ratio import pass_through
from stepward.reward_models.readout import LAST, Readout
from stepward.training.examples import ExampleSet
from stepward.training.losses import Normalisation
from stepward.training.objectives.bce import CROSS_ENTROPY
from stepward.training.objectives.contract import Objective, StepTargets
from stepward.training.order import Pack
from stepward.types import Json, Sees, Target

Start = Literal["zero", "fitted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadFit:
    """A head on cached features of a frozen backbone, fitted by L-BFGS on standardised features.

    The penalty is chosen by problem-disjoint cross-validation, then the head is fitted on everything.
    """

    penalties: tuple[float, ...] = (0.001, 0.01, 0.03, 0.1, 0.3, 1.0)
    """Candidates for c in loss + c/2 * |weights|^2."""
    folds: int = 5
    iterations: int = 200

    def __post_init__(self) -> None:
        if not self.penalties or min(self.penalties) < 0 or self.folds < 2 or self.iterations < 1:
            raise ConfigError("a head fit needs penalties >= 0, folds >= 2, iterations >= 1", got=self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter:
    """Low-rank adapters on the attention and MLP projections (LoRA, arXiv 2106.09685)."""

    rank: int = 16
    alpha: int = 32
    targets: str = "all-linear"
    """"all-linear", or the names of modules separated by spaces."""

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1:
            raise ConfigError("an adapter needs rank >= 1 and alpha >= 1", got=self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Descent:
    """AdamW with warm-up and cosine decay, for the modes lora and full."""

    epochs: int = 2
    learning_rate: float = 1e-3
    """Of backbone or adapters: 1e-3 suits a backbone of a million weights, 1e-4 LoRA, 1e-5 a large one in full."""
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.05
    """Share of all steps in which the rate rises."""
    clip: float = 1.0
    """Largest norm of the gradient of all weights together."""
    pack: Pack = "tree"
    """tree: tokens that traces of a problem share are computed once; chain: packed without sharing; rows: padded. A
    backbone that reads no packed row exactly gets rows."""
    batch_tokens: int = 4096
    """Tokens of the traces of one optimizer step, however they are packed."""
    forward_tokens: int = 4096
    """Most tokens of one forward pass, distinct or padded; a batch is cut into as many passes as it needs."""
    precision: Precision = "float32"
    """bfloat16: the backbone's products in half precision (autocast). Weights, moments, head and loss stay fp32."""
    lanes: int = 2
    """On a CPU: forward passes computed side by side, each on its share of the threads; each beyond the first holds a
    gradient of its own. A model with dropout, and objectives that compare siblings, take one."""
    recompute: bool = False
    """Keep no activations inside layers but compute them again: less memory, about a third more time."""
    shard: bool = False
    """Under a launcher: weights, gradients and moments spread over the processes (FSDP) and not copied to each."""
    evaluate_every: int = 50
    """Steps between looks at the held-out problems."""
    patience: int = 4
    """Looks without improvement after which training ends; the best weights are kept."""
    save_every: int = 100
    """Steps between states from which an interrupted run goes on exactly."""

    def __post_init__(self) -> None:
        counts = (self.epochs, self.batch_tokens, self.forward_tokens, self.lanes, self.evaluate_every)
        if min(*counts, self.patience, self.save_every) < 1:
            raise ConfigError("epochs, tokens, lanes, patience and intervals must be at least 1", got=self)
        if min(self.learning_rate, self.head_learning_rate, self.clip) <= 0 or self.weight_decay < 0:
            raise ConfigError("rates and clip must be above 0, weight decay at least 0", got=self)
        if not 0 <= self.warmup < 1:
            raise ConfigError("warmup is a share of all steps, in [0, 1)", got=self.warmup)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSpec:
    """Everything that decides what comes out, besides the examples and the backbone."""

    kind: Kind = "prm"
    mode: Mode = "full"
    objective: Objective = CROSS_ENTROPY
    normalisation: Normalisation = "token"
    readout: Readout = LAST
    head_hidden: int = 0
    """0 is a linear head, otherwise the width of its inner layer."""
    start: Start = "zero"
    """Of the head, for lora and full. fitted: first the head that suits the untrained backbone, as mode frozen fits it,
    then everything together, which bends a good backbone less (arXiv 2202.10054)."""
    correct_prior: bool = True
    """Give the objective's class weight back after training, so scores keep the data's base rate."""
    held_out: float = 0.1
    """Share of the problems held out for early stopping (lora, full); 0 trains to the end on everything."""
    precision: Precision = "float32"
    """Of a frozen backbone, in training and in scoring: bfloat16 is about three times as fast on a CPU with AMX, and
    its scores move in the third digit with the batch. The head is always fp32."""
    sees: Sees = "prefix"
    """For a bidirectional backbone: taught on each step's prefix alone, or on whole traces; see `prefixes.py`."""
    head_fit: HeadFit = HeadFit()
    adapter: Adapter = Adapter()
    descent: Descent = Descent()
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mode == "public":
            raise ConfigError("a published checkpoint is not trained", got=self.mode, mend="frozen, lora or full")
        if not 0 <= self.held_out < 1:
            raise ConfigError("held_out is a share of the problems, in [0, 1)", got=self.held_out)
        if self.precision != "float32" and self.mode != "frozen":
            raise ConfigError("only a frozen backbone is read in less than fp32", got=self.mode, mend="set float32")
        if self.readout.likelihood != "none" and (self.mode == "frozen" or self.head_hidden):
            raise ConfigError(
                "log-ratios are trained in the mode lora or full, and have no head",
                got=(self.mode, self.head_hidden),
                mend="set mode: lora; a frozen model's log-ratio with itself is 0",
            )
        if self.readout.surprise and self.mode != "frozen":
            raise ConfigError("surprise is read from a frozen backbone only", got=self.mode, mend="set mode: frozen")
        if self.start == "fitted" and (self.mode == "frozen" or self.readout.likelihood != "none"):
            raise ConfigError(
                "a fitted start is for the heads of modes lora and full",
                got=(self.mode, self.readout.likelihood),
                mend="start: zero",
            )
        if self.head_hidden < 0:
            raise ConfigError("head_hidden must be at least 0", got=self.head_hidden, mend="0 is a linear head")

    def check(self, examples: ExampleSet) -> None:
        """Raise `LabelError` or `ConfigError` where `examples` do not hold what this training needs."""
        targets = StepTargets.of(examples.examples)
        self.objective.check(targets)
        _check_classes(targets, examples.outputs)
        if examples.reads == "tokens" and (self.readout.pool != "read" or self.readout.likelihood != "none"):
            raise ConfigError(
                "a target at every token needs a readout at the token itself",
                got=(self.readout.pool, self.readout.likelihood),
                mend="set readout.pool: read, or outcome_at: every",
            )
        if examples.second is not None and self.readout.likelihood != "none":
            raise ConfigError("a log-ratio has one output", got=examples.second, mend="train two models, or heads: one")

    def scored(self, format: PRMFormat, target: Target) -> PRMFormat:
        """`format` with what scores of the trained model mean."""
        if self.readout.likelihood != "none":
            return replace(format, target=target, output="log_ratio", convention="log_ratio")
        return replace(format, target=target, convention=self.objective.convention)

    def head(self, width: int, outputs: int = 1) -> ScoreHead:
        """An untrained head for a backbone of hidden size `width`."""
        if self.readout.likelihood != "none":
            return pass_through()
        return ScoreHead(self.readout.width(width), self.head_hidden, outputs)

    def to_json(self) -> dict[str, Json]:
        """Plain data, with the objective's name."""
        return {**asdict(self), "objective": {"name": type(self.objective).__name__, **_fields(self.objective)}}


def _check_classes(targets: StepTargets, outputs: int) -> None:
    """Raise `LabelError` where all that an output is taught is one and the same."""
    for output in range(outputs):
        taught = targets.targets_S[(targets.weights_S > 0) & (targets.outputs_S == output)]
        if len(taught) and bool((taught == taught[0]).all()):
            raise LabelError(
                "every label says the same, so a model would learn to say it of anything",
                got=f"{len(taught)} x {float(taught[0]):g}" + (f" for output {output}" if output else ""),
                mend="bring good and bad ones, or soft labels that differ (view: soft)",
            )


def _fields(objective: Objective) -> dict[str, Json]:
    return asdict(objective) if is_dataclass(objective) and not isinstance(objective, type) else {}
