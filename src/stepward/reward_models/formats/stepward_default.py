"""Stepward's own format: the problem on one line, each step followed by an added step-end token.

The step-end token is an id of its own, so no step's text can merge with it or imitate it; it starts as a copy of the
newline's embedding, so it means "end of line" to a backbone that was never trained on it.
"""

from __future__ import annotations

from stepward.reward_models.formats.record import PRMFormat

STEPWARD_DEFAULT = PRMFormat(
    name="stepward",
    summary="Stepward's own",
    source="stepward.reward_models",
)
