"""Finds the reward model that a user means."""

from __future__ import annotations

from pathlib import Path

from stepward.cli.conduct import RUNS
from stepward.errors import ConfigError

CARD = "stepward.json"


def find_model(name: str) -> Path:
    """The folder `name`; for no name the newest PRM below runs/. `ConfigError` where there is none."""
    if name:
        return Path(name)
    found = sorted(RUNS.glob(f"*/*/model/{CARD}"), key=lambda card: card.stat().st_mtime, reverse=True)
    for card in found:
        if '"kind": "prm"' in card.read_text(encoding="utf-8"):
            return card.parent
    raise ConfigError("no reward model is named and none is in runs/", mend="--model FOLDER, or `stepward quickstart`")
