import gzip
import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest

from stepward.errors import ConfigError, LabelError, ScoreError
from stepward.reduce import reducer
from stepward.search.replay import (
    Method,
    Pool,
    all_methods,
    reduced,
    selection_curves,
    selection_difference,
)
from stepward.search.voting import majority, weighted_majority

FOLDER = Path(os.environ.get("STEPWARD_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))


def development_file(name: str) -> Path:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"the development data file {name} is absent: set STEPWARD_DATA")
    return path


def random_pools(count: int = 30, samples: int = 8) -> list[Pool]:
    rng = np.random.default_rng(0)
    pools = []
    for index in range(count):
        correct = rng.random(samples) < rng.random()
        answers = tuple("right" if c else f"wrong {rng.integers(3)}" for c in correct)
        good = tuple(np.clip(correct * 0.4 + rng.random(samples) * 0.6, 0, 1).tolist())
        noise = tuple(rng.random(samples).tolist())
        scores = {"good": good, "noise": noise}
        pools.append(Pool(problem_id=f"p{index}", answers=answers, correct=tuple(correct.tolist()), scores=scores))
    return pools


def test_one_sample_is_worth_the_same_however_it_is_chosen() -> None:
    pools = random_pools()
    rows = selection_curves(pools, ns=[1], methods=all_methods(pools), seed=0)
    pass_at_1 = np.mean([np.mean(pool.correct) for pool in pools])
    assert len(rows) == 9
    for row in rows:
        slack = 4 * row.monte_carlo_se + 1e-12
        assert row.interval.value == pytest.approx(pass_at_1, abs=slack), row.method.name


def test_curves_lie_between_one_sample_and_the_oracle() -> None:
    pools = random_pools()
    rows = {
        (row.method.name, row.n): row
        for row in selection_curves(pools, ns=[1, 4, 8], methods=all_methods(pools), seed=0)
    }
    first, best, oracle = (rows[name, 4].interval.value for name in ("first", "best:good", "oracle"))
    assert first < best < oracle
    assert rows["first", 1].interval == rows["first", 8].interval
    assert rows["oracle", 8].interval.value == np.mean([any(pool.correct) for pool in pools])
    assert rows["best:good", 4].monte_carlo_se == 0.0 < rows["majority", 4].monte_carlo_se < 0.01
    assert rows["best:good", 4].pool == 8


def test_a_whole_pool_is_chosen_from_as_a_live_search_would() -> None:
    pools = random_pools()
    kinds = (Method(kind="majority"), Method(kind="sum", score="good"), Method(kind="log_odds", score="good"))
    rows = selection_curves(pools, ns=[8], methods=kinds[1:], seed=0)
    for row, how in zip(rows, ("sum", "log_odds"), strict=True):
        live = [weighted_majority(p.answers, p.scores["good"], how=how).winner == "right" for p in pools]  # type: ignore[arg-type]
        assert row.interval.value == pytest.approx(np.mean(live))
    decided = [pool for pool in pools if majority(pool.answers).tied == 1]
    plain = selection_curves(decided, ns=[8], methods=kinds[:1], seed=0)
    assert plain[0].interval.value == pytest.approx(np.mean([majority(p.answers).winner == "right" for p in decided]))


def test_what_cannot_be_chosen_counts_as_wrong_and_has_no_vote() -> None:
    pool = Pool(problem_id="p", answers=(None, "7"), correct=(True, True), scores={"s": (0.5, None)})
    methods = (Method(kind="best", score="s"), Method(kind="sum", score="s"), Method(kind="majority"))
    rows = selection_curves([pool], ns=[2], methods=methods, seed=0)
    assert [row.interval.value for row in rows] == [1.0, 0.0, 1.0]


def test_differences_are_paired_over_problems() -> None:
    pools = random_pools()
    good, noise = Method(kind="best", score="good"), Method(kind="best", score="noise")
    apart = selection_difference(pools, n=4, methods=(good, noise), seed=0)
    alone = selection_curves(pools, ns=[4], methods=[good], seed=0)[0].interval
    assert apart.low > 0
    assert apart.high - apart.low < alone.high - alone.low
    same = selection_difference(pools, n=4, methods=(good, good), seed=0)
    assert (same.low, same.value, same.high) == (0, 0, 0)


def test_curves_depend_on_the_seed_and_on_nothing_else() -> None:
    pools, methods = random_pools(), [Method(kind="majority")]
    once = selection_curves(pools, ns=[3], methods=methods, seed=1)
    assert once == selection_curves(pools, ns=[3], methods=methods, seed=1)
    assert once != selection_curves(pools, ns=[3], methods=methods, seed=2)
    turned = selection_curves(pools[::-1], ns=[3], methods=methods, seed=1)
    assert turned[0].interval.value == pytest.approx(once[0].interval.value, abs=1e-12)


def test_scores_reduce_to_a_row_with_none_for_no_steps() -> None:
    assert reduced([[0.9, 0.2], [], [0.5]], "min") == (0.2, None, 0.5)


def test_ill_formed_pools_and_methods_are_refused() -> None:
    with pytest.raises(ScoreError, match="needs as many s"):
        Pool(problem_id="p", answers=("1",), correct=(True,), scores={"s": (0.1, 0.2)})
    with pytest.raises(ScoreError, match="not finite"):
        Pool(problem_id="p", answers=("1",), correct=(True,), scores={"s": (math.nan,)})
    with pytest.raises(LabelError):
        Pool(problem_id="p", answers=("1",), correct=(None,))  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        Method(kind="best")
    with pytest.raises(ConfigError):
        Method(kind="majority", score="s")
    pool = Pool(problem_id="p", answers=("1",), correct=(True,), scores={"s": (2.0,)})
    with pytest.raises(ConfigError, match="no scores 't'"):
        selection_curves([pool], ns=[1], methods=[Method(kind="best", score="t")], seed=0)
    with pytest.raises(ConfigError, match="pool of 'p'"):
        selection_curves([pool], ns=[2], methods=[Method(kind="first")], seed=0)
    with pytest.raises(ScoreError, match="need probabilities"):
        selection_curves([pool], ns=[1], methods=[Method(kind="log_odds", score="s")], seed=0)
    with pytest.raises(ConfigError, match="at least one pool"):
        selection_curves([], ns=[1], methods=[], seed=0)


# --- published verdicts -----------------------------------------------------------------------------------------------

STRIPPED = r"\^\{?\\circ\}?|\\(?:left|right|text(?:bf)?|mbox|mathrm|quad|[!,;:%$ ()])|[${}%\s]"


def boxed(text: str) -> str | None:
    """The last boxed answer, reduced to a text that equal answers mostly share."""
    start = text.rfind("\\boxed{")
    if start < 0:
        return None
    depth = 0
    for end in range(start + 6, len(text)):
        depth += (text[end] == "{") - (text[end] == "}")
        if depth == 0:
            break
    answer = re.sub(r"\\[dt]frac", r"\\frac", text[start + 7 : end])
    answer = re.sub(r"\\frac\s*(\d)\s*(\d)", r"\1/\2", answer)
    answer = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", r"\1/\2", answer)
    return re.sub(STRIPPED, "", answer).rstrip(".")


def winners(answers: list[str | None], steps: list[list[float]]) -> dict[str, str | None]:
    found = {"majority_vote": majority(answers).winner}
    for how in ("min", "last"):
        weights = [reducer(how)(values) for values in steps]
        best = max((i for i, a in enumerate(answers) if a is not None), key=lambda i: (weights[i], -i), default=None)
        found[f"prm_{how}_max"] = None if best is None else answers[best]
        found[f"prm_{how}_vote"] = weighted_majority(answers, weights).winner
    return found


def test_published_verdicts_of_five_vote_rules_are_reproduced() -> None:
    """500 problems x 4 traces with step values and the published verdict of each rule.

    Rules that choose one answer must have one verdict, whatever graded it: so for all but problem 141, whose first
    trace boxes no answer and was read some other way there. Grading by text alone then differs only where the
    reference is written differently from the answers, 1,000 and 1000.
    """
    rows = json.loads(development_file("golden_aggregation/train_data1.json").read_text())
    contradicted, differing = set(), set()
    for index, row in enumerate(rows):
        chosen = winners([boxed(o["text"]) for o in row["output"]], [o["value"] for o in row["output"]])
        verdicts = {(chosen[rule], row["result"][rule]) for rule in chosen}
        if len(verdicts) > len(set(chosen.values())):
            contradicted.add(index)
        reference = boxed(row["groundtruth"])
        if any((chosen[rule] == reference) != bool(row["result"][rule]) for rule in chosen):
            differing.add(index)
    assert len(rows) == 500
    assert contradicted == {141}
    by_spelling = {23, 71, 94, 163, 177, 193, 216, 225, 249, 254, 291, 292, 299, 340, 385, 429, 457, 466}
    assert differing - contradicted == by_spelling


def test_published_scores_of_a_reward_model_give_its_best_of_8() -> None:
    lines = development_file("golden_aggregation/math_cot_100.jsonl").read_text().splitlines()
    pools = [
        Pool(
            problem_id=str(row["idx"]),
            answers=tuple(row["pred"]),
            correct=tuple(row["score"]),
            scores={"rm": tuple(score for (score,) in row["pred_score"])},
        )
        for row in map(json.loads, lines)
    ]
    methods = (Method(kind="oracle"), Method(kind="best", score="rm"))
    oracle, best = selection_curves(pools, ns=[8], methods=methods, seed=0)
    assert (oracle.interval.value, best.interval.value) == pytest.approx((0.96, 0.94))


def test_a_public_prm_beats_one_sample_on_real_pools() -> None:
    with gzip.open(development_file("best_of_32/gsm8k_351x32.jsonl.gz"), "rt") as lines:
        rows = [json.loads(line) for line in lines]
    pools = [
        Pool(
            problem_id=row["problem_id"],
            answers=tuple(c["extracted_answer"] for c in row["candidates"]),
            correct=tuple(c["is_correct"] for c in row["candidates"]),
            scores={"qwen/last": reduced([c["scores"]["qwen_prm"] for c in row["candidates"]], "last")},
        )
        for row in rows
    ]
    methods = (Method(kind="best", score="qwen/last"), Method(kind="first"))
    gain = selection_difference(pools, n=16, methods=methods, seed=0)
    assert 0.03 < gain.low < gain.value < 0.08
