"""Live parts that a recipe names: policies by folder or by short name, and the usual resources around them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from stepward.errors import ConfigError
from stepward.policies.wrappers import BatchedPolicy
from stepward.protocols import Policy, PolicyEngine, Remembering, Resources, Segmenter, StepScorer, Verifier
from stepward.verifiers.answers import StatedAnswers

if TYPE_CHECKING:
    from stepward.policies.chat import PromptFormat

WIDE = 4096
"""Requests that one batch of labelling or searching may hold; an engine splits what is too much for it."""


@dataclass(frozen=True, kw_only=True)
class PolicyChoice:
    """Which policy to load."""

    path: str
    """A model folder, or one of the short names quickstart and smollm2. For a server: the model's name there."""
    dtype: str = "float32"
    template: str = ""
    """How a problem becomes a prompt, such as "{problem}\\n"; empty for the model's own chat template."""
    engine: Literal["transformers", "vllm", "openai"] = "transformers"
    """What runs the model; vllm is for GPUs, and its samples are not independent of batching. openai is a server."""
    url: str = ""
    """For openai: the server's address, such as "http://localhost:8000/v1"."""
    key_env: str = ""
    """For openai: the environment variable that holds the key, if the server wants one."""
    server: Literal["vllm", "sglang", "llamacpp", "openai"] = "vllm"
    """For openai: what the server understands beyond OpenAI's own fields."""

    def __post_init__(self) -> None:
        if (self.engine == "openai") != bool(self.url):
            raise ConfigError("url goes with engine: openai, and with no other", got=(self.engine, self.url))

    def load(self) -> PolicyEngine:
        """The policy; `ModelError` or `MissingExtraError` says what is missing."""
        from stepward.policies.chat import PromptFormat

        template = self.template or ("{problem}\n" if self.path == "quickstart" else "")
        prompt = PromptFormat(mode="plain", template=template) if template else None
        if self.engine == "openai":
            return self._served(prompt)
        folder = model_folder(self.path)
        if self.engine == "vllm":
            from stepward.policies.vllm import VLLMPolicy

            return VLLMPolicy.load(folder, dtype=self.dtype, prompt=prompt)
        from stepward.policies.transformers import TransformersPolicy

        return TransformersPolicy.load(folder, dtype=self.dtype, prompt=prompt)

    def _served(self, prompt: PromptFormat | None) -> PolicyEngine:
        from stepward.policies.http_server import HttpServer
        from stepward.policies.openai import CHAT, OpenAIPolicy

        server = HttpServer(url=self.url, key_env=self.key_env)
        return OpenAIPolicy(server=server, model=self.path, kind=self.server, prompt=prompt or CHAT)


def start_cold(*engines: object) -> None:
    """What follows costs the same whatever `engines` did before, in this run or in one that it goes on from."""
    for engine in engines:
        if isinstance(engine, Remembering):
            engine.forget()


def model_folder(name: str) -> Path:
    """The folder that `name`, a path or a short name, stands for."""
    if name == "smollm2":
        from stepward.policies.smollm2 import smollm2_folder

        return smollm2_folder()
    if name == "quickstart":
        return Path(str(resources.files("stepward.world") / "policy"))
    if not name:
        raise ConfigError("a model needs a folder or one of the names quickstart, smollm2", got=name)
    return Path(name)


def workbench(
    engine: PolicyEngine | None, segmenter: Segmenter, verifier: Verifier, *, scorer: StepScorer | None = None
) -> Resources:
    """Resources for one event loop."""
    policy = engine if isinstance(engine, Policy) else None  # a server gathers requests itself
    if engine is not None and policy is None:
        policy = BatchedPolicy(engine=engine, max_batch=WIDE)
    return Resources(policy=policy, segmenter=segmenter, verifier=verifier, answers=StatedAnswers(), scorer=scorer)
