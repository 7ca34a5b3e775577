"""The model behind a judge, from whatever policy is at hand.

    a local model   tells exact chances of verdicts, and takes dialogues through its own chat template
    a server        takes dialogues as they are, holds answers to a schema, and verdicts to the known ones where it can
    any other       writes its verdicts, and is shown one user turn through its own prompt

Retries, meters and caches around a policy stay around it; only what they hold is exchanged. Chances of verdicts go past
them. A model is made once for each policy: traces that are judged at the same time share its batches.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias, cast
from weakref import WeakKeyDictionary

from stepward.policies.wrappers import BatchedPolicy, CachedPolicy, MeteredPolicy, RetryingPolicy
from stepward.protocols import Policy
from stepward.reward_models.generative.model import JudgeModel
from stepward.types import UNKNOWN, Origin

if TYPE_CHECKING:
    from stepward.policies.openai import OpenAIPolicy

Wrapper: TypeAlias = CachedPolicy | MeteredPolicy | RetryingPolicy

_MODELS: WeakKeyDictionary[Policy, JudgeModel] = WeakKeyDictionary()
"""Of batched local policies. They belong to an event loop, as their policies do."""
_RAW: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""Local engines without a prompt format, kept because telling a model's revision reads its weights."""


def judge_model(policy: Policy) -> JudgeModel:
    """A judge's model over `policy`."""
    core = _core(policy)
    if isinstance(core, BatchedPolicy) and hasattr(core.engine, "tokenizer"):
        local = _local(core)
        return replace(local, policy=_around(policy, local.policy, local.origin))
    if hasattr(core, "held_to"):
        return _served(policy, cast("OpenAIPolicy", core))
    return JudgeModel(policy=policy, origin=getattr(core, "origin", UNKNOWN))


def _local(core: BatchedPolicy) -> JudgeModel:
    """Imported here: a judge behind a server needs no torch."""
    from stepward.reward_models.generative.local import LocalPolicy, local_judge, unprompted

    if core not in _MODELS:
        engine = cast(LocalPolicy, core.engine)
        raw = _RAW.get(engine) or unprompted(engine)
        if raw is not engine:
            _RAW[engine] = raw
        _MODELS[core] = local_judge(raw)
    return _MODELS[core]


def _served(policy: Policy, core: OpenAIPolicy) -> JudgeModel:
    from stepward.policies.openai import MESSAGES

    def around(narrow: OpenAIPolicy) -> Policy:
        return _around(policy, narrow, narrow.origin)

    return JudgeModel(
        policy=policy,
        origin=core.origin,
        messages=MESSAGES if core.prompt.mode == "chat" else "",
        held_to=lambda schema: around(core.held_to(schema)),
        choosing=(lambda texts: around(core.held_to_one_of(texts))) if core.chooses else None,
    )


def _core(policy: Policy) -> Policy:
    """What is inside the wrappers."""
    while isinstance(policy, Wrapper):
        policy = policy.policy
    return policy


def _around(policy: Policy, core: Policy, origin: Origin) -> Policy:
    """The wrappers of `policy` around `core`, whose completions are kept under `origin`."""
    if not isinstance(policy, Wrapper):
        return core
    inner = _around(policy.policy, core, origin)
    if isinstance(policy, CachedPolicy):
        return replace(policy, policy=inner, origin=origin)
    return replace(policy, policy=inner)
