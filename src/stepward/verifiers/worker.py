"""The process that runs math-verify: reads checks as JSON lines on stdin, writes verdicts as JSON lines.

It is started as `python -m stepward.verifiers.worker` and is the only module that parses an answer. math-verify's own
time-outs are off: they are alarms that work in a main thread alone, that C code ignores, and that read as "wrong". The
parent kills this process at its limit instead. Should the parent be gone by then, the kernel's timer ends it a second
later, even inside C code. It ends with its stdin.

It holds 2 GB of address space at most, writes no file, and starts no process: an audit hook refuses both.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
from itertools import product
from typing import Any

from stepward.types import Outcome

ADDRESS_SPACE = 2 << 30
GRACE_SECONDS = 1.0
NEGLIGIBLE = 1e-12
REFUSED = (
    "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod",
    "os.link", "os.symlink", "subprocess.Popen", "socket.", "shutil.", "ctypes.dlopen", "pty.",
)  # fmt: skip
"""Beginnings of the audit events that grading never needs."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def compare(gold: str, answer: str) -> tuple[Outcome, str]:
    """Outcome and reason for two LaTeX texts without dollar signs."""
    wanted, said = parsed(gold), parsed(answer)
    if not any(_is_expression(one) for one in wanted):
        return "undecided", "the reference answer cannot be parsed"
    if not said:
        return "unparsable", "the answer cannot be parsed"
    equal, faults = _any_equal(wanted, said)
    if not equal:
        equal, _ = _any_equal(_imaginary(wanted), _imaginary(said)) if _has_i(wanted + said) else (False, "")
    if equal:
        return "equal", "math-verify"
    if faults:
        return "undecided", f"math-verify failed: {faults}"
    if not any(_is_expression(one) for one in said):
        return "unparsable", "the answer cannot be parsed"
    return "different", "math-verify"


def identical(left: str, right: str) -> tuple[Outcome, str]:
    """Whether two LaTeX expressions are equal for every value of their unknowns; the reason names the unknowns.

    Numbers are compared exactly, then to thirty digits. Two that could not be shown equal are different where they
    differ at sample points: `undecided` remains where a sample has no value there.
    """
    import sympy

    sides = [next((one for one in parsed(text) if isinstance(one, sympy.Expr)), None) for text in (left, right)]
    if sides[0] is None or sides[1] is None:
        return "unparsable", "a side is no expression"
    gap = sides[0] - sides[1]
    unknowns = " ".join(sorted(str(symbol) for symbol in sides[0].free_symbols | sides[1].free_symbols))
    if gap == 0 or sympy.expand(gap) == 0:
        return "equal", unknowns
    values = [_sample(gap, shift) for shift in (0, 1, 2)]
    if any(value is None for value in values):
        return "undecided", "no value at a sample point"
    apart = [value for value in values if value is not None and value > NEGLIGIBLE]
    return ("different" if len(apart) == len(values) else "undecided" if apart else "equal"), unknowns


def _sample(gap: Any, shift: int) -> float | None:
    """Size of `gap` where its unknowns are fractions that no simple relation joins; None where it has no value."""
    import sympy

    names = sorted(gap.free_symbols, key=str)
    point = {name: sympy.Rational(31 + 7 * index + 11 * shift, 13 + 2 * index) for index, name in enumerate(names)}
    value = sympy.N(gap.subs(point), 30)
    return float(abs(value)) if value.is_number and value.is_finite else None


@functools.lru_cache(maxsize=1024)
def parsed(text: str) -> tuple[Any, ...]:
    """What math-verify reads in `text`: an expression, its string, both or neither."""
    import math_verify

    # Numbers inside prose are not looked for, and a final "c" is no unit: the text is the answer and nothing else.
    spelling = math_verify.LatexNormalizationConfig(units=False, malformed_operators=True, nits=True, boxed="none")
    config = math_verify.LatexExtractionConfig(normalization_config=spelling, boxed_match_priority=-1)
    return tuple(math_verify.parse(f"${text}$", extraction_config=[config], parsing_timeout=None))


def _any_equal(wanted: tuple[Any, ...], said: tuple[Any, ...]) -> tuple[bool, str]:
    import math_verify

    faults = ""
    for one, other in product(wanted, said):
        try:
            if math_verify.verify(
                [one], [other], timeout_seconds=None, raise_on_error=True, allow_set_relation_comp=True
            ):
                return True, ""
        except (RecursionError, MemoryError) as error:
            faults = type(error).__name__
        except Exception:  # two things that cannot be compared at all: not a fault
            continue
    return False, faults


def _is_expression(one: Any) -> bool:
    return not isinstance(one, str)


def _has_i(expressions: tuple[Any, ...]) -> bool:
    """Whether a symbol i, or a complex number, occurs: math-verify leaves i a symbol."""
    return any(getattr(one, "is_real", True) is False or _symbols_i(one) for one in expressions if _is_expression(one))


def _symbols_i(one: Any) -> list[Any]:
    return [symbol for symbol in getattr(one, "free_symbols", ()) if symbol.name == "i"]


def _imaginary(expressions: tuple[Any, ...]) -> tuple[Any, ...]:
    import sympy

    found = []
    for one in expressions:
        if _is_expression(one) and hasattr(one, "subs"):
            replaced = one.subs(dict.fromkeys(_symbols_i(one), sympy.I))
            found.append(replaced.doit() if hasattr(replaced, "doit") else replaced)
    return tuple(found)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    writes = event == "open" and len(arguments) > 2 and isinstance(arguments[2], int) and arguments[2] & WRITING
    if writes or event.startswith(REFUSED):
        raise PermissionError(f"a grading worker may not do this: {event}")


def _confine() -> None:
    import logging
    import resource

    logging.disable(logging.CRITICAL)
    sys.dont_write_bytecode = True
    for limit, value in ((resource.RLIMIT_AS, ADDRESS_SPACE), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        with contextlib.suppress(ValueError, OSError):  # the system has a lower hard limit, or none of this kind
            resource.setrlimit(limit, (value, value))
    sys.addaudithook(_refuse)


def _answer(line: str) -> dict[str, str]:
    check = json.loads(line)
    signal.setitimer(signal.ITIMER_REAL, check["seconds"] + GRACE_SECONDS)
    try:
        judge = identical if check["identity"] else compare
        outcome, reason = judge(check["gold"], check["answer"])
    except Exception as error:
        outcome, reason = "undecided", f"worker fault: {type(error).__name__}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return {"outcome": outcome, "reason": reason}


def main() -> int:
    """Serve checks until stdin ends; exit code 3 where math-verify is missing."""
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints must not get between the replies
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        parsed("1"), compare("x^2-1", "(x-1)(x+1)")
    except ImportError:
        return 3
    _confine()
    print(json.dumps({"ready": os.getpid()}), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(line)), file=replies, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
