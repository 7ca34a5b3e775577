"""Code that comes with a checkpoint is never run, unless a flag names its repository and revision.

The usual process reward models need none: their transformer is one that the library knows, and their heads are read
here. For what is left, `"owner/name@commit"` says whose code was looked at. It is believed only where the folder is a
download of that very commit, as the hub's client wrote down: `.../models--owner--name/snapshots/<commit>` in its cache,
or `.cache/huggingface/download/config.json.metadata` in a folder of one's own.
"""

from __future__ import annotations

import re
from pathlib import Path

from stepward.errors import ModelError

NAMED = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)@(?P<commit>[0-9a-f]{40})")
RECORD = Path(".cache/huggingface/download/config.json.metadata")


def trusted_code(folder: Path, named: str) -> bool:
    """Whether the code in `folder` may run: False without `named`.

    Raises `ModelError` unless `named` is "owner/name@commit" and the folder is a download of that commit.
    """
    if not named:
        return False
    match = NAMED.fullmatch(named)
    if match is None:
        raise ModelError(
            "code of a checkpoint runs only for a repository and a full commit",
            got=named,
            mend='write "owner/name@" and the 40 hex digits of the commit that you looked at',
        )
    if (found := _download(folder)) not in (named, f"@{match['commit']}"):
        raise ModelError(
            f"{folder} is not known to be {named}, whose code you trust",
            got=found or "no record of a download",
            mend=f"hf download {match['repository']} --revision {match['commit']} --local-dir FOLDER",
        )
    return True


def _download(folder: Path) -> str:
    """What the hub's client wrote down of `folder`: "repository@commit", "@commit", or nothing."""
    place = folder.absolute()
    if place.parent.name == "snapshots" and place.parents[1].name.startswith("models--"):
        return place.parents[1].name.removeprefix("models--").replace("--", "/", 1) + f"@{place.name}"
    record = folder / RECORD
    return "@" + record.read_text(encoding="utf-8").split("\n", 1)[0].strip() if record.is_file() else ""
