"""Checks per second of the maths verifier on rollout answers, against math-verify called directly in this process.

10,000 answers, 80 % of them repeats, over 200 problems: 70 % numbers, the rest roots, polynomials, fractions of pi
and tuples, half of them right. The rival parses and verifies every pair, as a script without cache, limits or
processes would; it is measured on the first --rival answers of the same list and reported per check. Both rates
are also given per second of processor time, which other work on the machine does not change.

    python benchmarks/verifier_throughput.py            # full: about a minute on two cores
    python benchmarks/verifier_throughput.py --answers 2000 --rival 200
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time

from stepward.verifiers.math import MathVerifier
from stepward.verifiers.pool import MathWorkers

Pair = tuple[str, str]


def answers(count: int, *, distinct: float = 0.2, seed: int = 0) -> list[Pair]:
    """Pairs of reference and answer; a share `distinct` of them is seen for the first time."""
    draw = random.Random(seed)
    fresh = list(dict.fromkeys(_pair(draw) for _ in range(int(count * distinct * 1.5))))[: int(count * distinct)]
    pairs = fresh + [draw.choice(fresh) for _ in range(count - len(fresh))]
    draw.shuffle(pairs)
    return pairs


def _pair(draw: random.Random) -> Pair:
    a, b, wrong = draw.randint(2, 999), draw.randint(2, 99), draw.choice((0, 0, 1, 2))
    if draw.random() < 0.7:
        written = draw.choice((str(a + wrong), f"{a + wrong}.0", rf"\${a + wrong}", f"{a + wrong} dollars"))
        return str(a), written
    return draw.choice((
        (rf"{b}\sqrt{{{a}}}", rf"\sqrt{{{b * b * a + wrong}}}"),
        (f"x^2-{a * a}", f"(x-{a})(x+{a + wrong})"),
        (rf"\frac{{{a}\pi}}{{{b}}}", rf"{a + wrong}\pi/{b}"),
        (rf"({a}, \sqrt{{{b}}})", rf"({a + wrong}, \sqrt{{{b}}})"),
    ))  # fmt: skip


async def ours(pairs: list[Pair], workers: MathWorkers) -> tuple[float, list[float], list[str]]:
    """Seconds for all, seconds of each, outcomes; twice as many checks under way as there are workers."""
    verifier, gate, spent = MathVerifier(seconds=60.0), asyncio.Semaphore(2 * workers.count), []

    async def one(pair: Pair) -> str:
        async with gate:
            started = time.perf_counter()
            verdict = await verifier.compare(*pair, workers=workers)
            spent.append(time.perf_counter() - started)
            return verdict.outcome

    started = time.perf_counter()
    outcomes = await asyncio.gather(*map(one, pairs))
    return time.perf_counter() - started, spent, list(outcomes)


def rival(pairs: list[Pair]) -> tuple[float, list[bool]]:
    """Seconds and verdicts of math-verify in this process, one call after another, with its own time-outs."""
    import math_verify

    started = time.perf_counter()
    said = [
        math_verify.verify(math_verify.parse(f"${gold}$"), math_verify.parse(f"${answer}$")) for gold, answer in pairs
    ]
    return time.perf_counter() - started, said


def _processor_seconds() -> float:
    """Of this process and of the children that ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main() -> None:
    """Print one line per side and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=10_000)
    parser.add_argument("--rival", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    pairs = answers(options.answers)
    with MathWorkers(options.workers) as workers:
        asyncio.run(ours([("x+1", f"1+x+{n}") for n in range(8)], workers))  # start the processes
        seconds, spent, outcomes = asyncio.run(ours(pairs, workers))
    processor = _processor_seconds()
    rival_seconds, said = rival(pairs[: options.rival])
    rival_processor = _processor_seconds() - processor
    rate, rival_rate = len(pairs) / seconds, len(said) / rival_seconds
    p99 = sorted(spent)[int(len(spent) * 0.99)] * 1000
    differ = sum((outcome == "equal") != verdict for outcome, verdict in zip(outcomes, said, strict=False))
    busy, rival_busy = len(pairs) / processor, len(said) / rival_processor
    print(f"stepward     {rate:7.0f} checks/s  {busy:7.0f} per processor second")
    print(f"math-verify  {rival_rate:7.0f} checks/s  {rival_busy:7.0f} per processor second, {len(said)} checks")
    print(f"ratio        {rate / rival_rate:7.1f} x         {busy / rival_busy:7.1f} x")
    print(f"stepward p99 {p99:.1f} ms, undecided {outcomes.count('undecided')}, verdicts that differ {differ}")


if __name__ == "__main__":
    main()
