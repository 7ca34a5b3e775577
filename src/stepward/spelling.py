"""What a misspelt name may have meant."""

from __future__ import annotations

from collections.abc import Iterable


def suggest(name: str, known: Iterable[str]) -> str:
    """The end of an error message: the nearest of the `known` names, if one is near, and all of them."""
    from difflib import get_close_matches

    names = sorted(known)
    folded = {each.lower(): each for each in names}
    near = get_close_matches(name.lower(), folded, n=1)
    listed = f"known: {', '.join(names)}" if names else "none is known"
    return f"did you mean {folded[near[0]]!r}? {listed}" if near else listed
