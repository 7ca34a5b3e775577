"""The recipes that Stepward ships, found by file or by name."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from stepward.errors import ConfigError
from stepward.spelling import suggest


def find_recipe(name: str) -> Path:
    """The file `name`, or the shipped recipe of that name; `ConfigError` lists the shipped ones otherwise."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = shipped_recipes()
    if name in shipped:
        return shipped[name]
    raise ConfigError(f"{name} is neither a file nor a shipped recipe", mend=suggest(name, shipped))


def shipped_recipes() -> dict[str, Path]:
    """By name, the shipped recipes: inside an installed package, at the root of a checkout."""
    package = Path(str(resources.files("stepward")))
    folder = next((f for f in (package / "recipes", package.parents[1] / "recipes") if f.is_dir()), package / "recipes")
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}
