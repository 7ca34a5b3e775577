"""How often a nominal 95 % interval of agreement beyond chance holds the truth, in two worlds of labelled steps.

    four    four categories in order; problems differ in what is common and in how careful the second rater is
    rare    two categories, about 6 % of steps wrong, most of them in few problems

Four units a problem. A sample with one category alone has no agreement beyond chance (NaN) and counts as a miss. The
Monte-Carlo error of a coverage of 95 % is sqrt(.95 x .05 / samples).

    nice -n 19 python benchmarks/agreement_coverage.py [--samples 600]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from stepward.evaluation.beyond_chance import PairDraws, Rated

MEASURES = ("kappa", "ac1", "nominal_alpha", "ordinal_alpha", "interval_alpha", "weighted_kappa")
PROBLEMS, UNITS, MANY = (10, 25, 50, 200), 4, 40_000
Rng = np.random.Generator


def four(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Both raters' values of one problem."""
    care = rng.beta(4, 1.5)
    first = rng.choice(4, size=UNITS, p=rng.dirichlet(np.full(4, 1.5)))
    return first, np.where(rng.random(UNITS) < care, first, rng.integers(0, 4, UNITS))


def rare(rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """Both raters' values of one problem; 0 is a wrong step."""
    care, wrong = rng.beta(6, 1.5), rng.beta(0.6, 9)
    first = rng.choice(2, size=UNITS, p=(wrong, 1 - wrong))
    return first, np.where(rng.random(UNITS) < care, first, rng.choice(2, size=UNITS, p=(0.06, 0.94)))


WORLDS = {"four": four, "rare": rare}


def main() -> None:
    """One table a world: coverage in percent by measure and number of problems."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=600)
    samples = parser.parse_args().samples
    for name, world in WORLDS.items():
        whole = PairDraws.of(drawn(world, np.random.default_rng(1), MANY), seed=0, draws=2)
        truth = {measure: getattr(whole, measure)().value for measure in MEASURES}
        print(f"\n{name:10}" + "".join(f"{measure:>16}" for measure in MEASURES))
        print(f"{'truth':10}" + "".join(f"{value:16.3f}" for value in truth.values()))
        for problems in PROBLEMS:
            hits = dict.fromkeys(MEASURES, 0)
            for seed in range(samples):
                draws = PairDraws.of(drawn(world, np.random.default_rng(1000 + seed), problems), seed=seed, draws=500)
                for measure in MEASURES:
                    found = getattr(draws, measure)()
                    hits[measure] += found.low <= truth[measure] <= found.high
            print(f"{problems:<10}" + "".join(f"{100 * hit / samples:16.1f}" for hit in hits.values()), flush=True)


def drawn(world: Callable[[Rng], tuple[np.ndarray, np.ndarray]], rng: Rng, problems: int) -> list[Rated]:
    """Every unit of `problems` problems."""
    pairs = [(f"p{p}", *world(rng)) for p in range(problems)]
    return [Rated(name, int(a), int(b)) for name, first, second in pairs for a, b in zip(first, second, strict=True)]


if __name__ == "__main__":
    main()
