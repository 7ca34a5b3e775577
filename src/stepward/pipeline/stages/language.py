"""Trains a small policy from scratch on the reference solutions of the world's problems."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace

from stepward.pipeline.workshop import Stopped, Workshop
from stepward.training.language import LanguageSpec, train_language_model
from stepward.types import Json, Spend
from stepward.world.checker import reference_solution


@dataclass(frozen=True, kw_only=True)
class TrainPolicy:
    """A policy in this stage's folder `model`; its prompt is the problem and a line break."""

    source: str
    size: LanguageSpec = LanguageSpec()
    """Its seed is the recipe's."""

    def run(self, shop: Workshop) -> Json:
        """Train it. A stopped training starts over: it is minutes long."""
        texts = [(f"{p.text}\n", reference_solution(p)) for p in shop.problems(self.source).values()]
        spec, losses = replace(self.size, seed=shop.seed), [0.0]
        shop.progress.begin(shop.stage, spec.steps, "steps")

        def show(step: int, loss: float) -> None:
            losses.append(loss)
            shop.progress.advance(step + 1, Spend(), f"loss {loss:.3f}")
            if shop.stopping():
                raise Stopped

        draft, folder = shop.folder("draft"), shop.folder("model")
        train_language_model(texts, spec, draft, progress=show)
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
        return {"texts": len(texts), "loss": sum(losses[-100:]) / len(losses[-100:])}
