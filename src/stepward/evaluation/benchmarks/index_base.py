"""Whether labels are counted from the right number.

ProcessBench and BIG-Bench Mistake count steps from 0, PRMBench and the MR family from 1, and a file read with the
wrong base moves every error by one step without a single type being wrong. A label beyond the last step betrays it,
and the reader refuses that. Where no label falls off the end, two patterns over the whole file are left:

    never the first step   among many errors none stands at step 0: numbers from 1 may have been read as indexes
    never clean            no item is without an error and many errors stand at step 0: a 0 that means "no error" may
                           have been read as an index

Both are refused by name, because no right file of these benchmarks looks so; files that may (in BIG-Bench Mistake the
first step repeats the task and is never wrong) are not checked for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from stepward.errors import DataError

MANY = 100
"""Errors from which on "never the first step" is a finding: at a rate of 3 % it happens by chance in 5 % of files."""
CROWDED = 0.3
"""Share of errors at step 0 that is a finding where no item is clean."""


def check_first_steps(first_errors: Sequence[int | None], what: str) -> None:
    """`DataError` where no one of at least `MANY` errors stands at step 0."""
    errors = [index for index in first_errors if index is not None]
    if len(errors) >= MANY and 0 not in errors:
        raise DataError(
            f"{what}: none of {len(errors)} first errors is the first step, so steps may be counted from 1 in the file",
            got=f"lowest index {min(errors)}",
            mend="subtract 1 from every label, or set check_base to false if the file is known to be right",
        )


def check_clean_items(first_errors: Sequence[int | None], what: str) -> None:
    """`DataError` where no item is clean and many errors stand at step 0."""
    at_first = sum(index == 0 for index in first_errors)
    if len(first_errors) >= MANY and None not in first_errors and at_first >= CROWDED * len(first_errors):
        raise DataError(
            f"{what}: every item has an error, and {at_first} of {len(first_errors)} at the first step, so 0 may stand "
            "for no error in the file",
            mend="write -1 for no error and 0-based indexes, or set check_base to false if the file is known to be "
            "right",
        )
