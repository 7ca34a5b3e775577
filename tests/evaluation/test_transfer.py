"""The cross-domain matrix from made-up scores: cells, means, comparisons, sides of the split."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from stepward.codec import from_json, to_json
from stepward.errors import ConfigError, LabelError
from stepward.evaluation.steps import Judged
from stepward.evaluation.transfer import (
    Contender,
    Draws,
    JudgedDomain,
    Question,
    TransferMatrix,
    transfer_matrix,
)
from stepward.evaluation.transfer_figures import Drawn, first_error_found, mean_drawn, order_within
from stepward.evaluation.transfer_sides import DealSides, DomainPairs
from stepward.types import LabeledTrace, Problem, Step, StepLabel, StepScores, Trace

HOW = Draws(seed=3, draws=60)
QUESTION = Question(name="better?", first="sharp", second="dull")


def labeled(problem: str, values: Sequence[float | None], kinds: Sequence[str] = ()) -> LabeledTrace:
    steps = tuple(
        Step(2 * at, 2 * at + 2, kinds[at] if kinds else "thought")  # type: ignore[arg-type]
        for at in range(len(values))
    )
    labels = tuple(None if v is None else StepLabel(target="prefix", value=v, source="human") for v in values)
    return LabeledTrace(trace=Trace(problem_id=problem, text="s\n" * len(values), steps=steps), labels=labels)


def scores(*values: float) -> StepScores:
    return StepScores(values=values)


def domain(name: str, rows: int, **changes: object) -> JudgedDomain:
    """Each trace: two right steps and a wrong one."""
    traces = tuple(labeled(f"{name}{at}", (1.0, 1.0, 0.0)) for at in range(rows))
    fields = {"labeled": traces, "problems": tuple(t.trace.problem_id for t in traces), **changes}
    return JudgedDomain(name=name, **fields)  # type: ignore[arg-type]


def contender(name: str, domains: Sequence[JudgedDomain], lift: float) -> Contender:
    """Right steps score higher by `lift` than wrong ones, in noise that all contenders share."""
    found = {}
    for each in domains:
        noise = np.random.default_rng(len(each.name)).random((len(each.labeled), 3)) / 4
        rows = 0.3 + noise + np.array([lift, lift, 0.0])
        found[each.name] = [scores(*row) for row in rows.tolist()]
    return Contender(name=name, role="single", scores=found)


@pytest.fixture(scope="module")
def columns() -> list[JudgedDomain]:
    return [domain("ab", 12), domain("cde", 9, teaches=False), domain("fghi", 8, human=False)]


@pytest.fixture(scope="module")
def found(columns: list[JudgedDomain]) -> TransferMatrix:
    rows = [contender("sharp", columns, 0.2), contender("dull", columns, 0.05)]
    return transfer_matrix(columns, rows, [QUESTION], HOW)


def test_a_cell_is_the_auroc_of_scikit_learn(columns: list[JudgedDomain], found: TransferMatrix) -> None:
    rows = contender("dull", columns, 0.05).scores["cde"]
    expected = roc_auc_score([1, 1, 0] * 9, [v for row in rows if row for v in row.values])
    auroc = found.cell("dull", "cde").auroc
    assert auroc is not None and auroc.value == pytest.approx(expected, abs=1e-12)
    assert auroc.low < auroc.value < auroc.high


def test_the_mean_weighs_domains_alike_and_leaves_out_what_no_person_labelled(found: TransferMatrix) -> None:
    mean = found.average("dull", "auroc", "human")
    parts = [found.cell("dull", name).auroc for name in ("ab", "cde")]
    assert mean.domains == ("ab", "cde") and mean.value is not None
    assert mean.value.value == pytest.approx(sum(p.value for p in parts if p) / 2)
    assert found.average("dull", "auroc", "taught").domains == ("ab",)


def test_gains_are_paired_and_holm_is_taken_over_the_domains(found: TransferMatrix) -> None:
    own = [gain for gain in found.gains if gain.domain]
    cells = [(found.cell("sharp", g.domain).auroc, found.cell("dull", g.domain).auroc) for g in own]
    for gain, (first, second) in zip(own, cells, strict=True):
        assert gain.value is not None and first is not None and second is not None
        assert gain.value.value == pytest.approx(first.value - second.value)
        assert gain.p is not None and gain.adjusted is not None and gain.p <= gain.adjusted <= min(1, 3 * gain.p)
    mean = next(gain for gain in found.gains if not gain.domain)
    assert mean.domains == 2 and mean.adjusted is None and mean.sure


def test_the_record_survives_its_file(found: TransferMatrix) -> None:
    assert from_json(TransferMatrix, to_json(found)) == found


def test_an_empty_cell_holds_its_reason_and_no_mean_is_made_of_the_rest(columns: list[JudgedDomain]) -> None:
    clean = JudgedDomain(name="clean", labeled=(labeled("p", (1.0, 1.0)),), problems=("p",))
    bare = JudgedDomain(name="bare", labeled=(labeled("q", (None, None)),), problems=("q",))
    rows = [columns[0], clean, bare]
    full = contender("full", [columns[0]], 0.2).scores
    one = Contender(
        name="full",
        role="single",
        scores={**full, "clean": [scores(0.9, 0.8)]},
        missing={"bare": "nobody asked"},
    )
    other = Contender(
        name="other", role="expert", scores={**full, "clean": [None], "bare": [scores(0.5, 0.5)]}, missing={}
    )
    made = transfer_matrix(rows, [one, other], [Question(name="?", first="full", second="other")], HOW)
    assert made.cell("full", "clean").auroc is None
    assert "class" in str(made.cell("full", "clean").undefined["auroc"])
    first_error = made.cell("full", "clean").first_error
    assert first_error is not None and first_error.value == 1.0
    assert set(made.cell("full", "bare").undefined.values()) == {"nobody asked"}
    assert made.cell("other", "bare").undefined["auroc"] == "no labelled step is judged"
    assert made.cell("other", "clean").traces == 0
    average = made.average("full", "auroc", "human")
    assert average.value is None and average.why == "undefined on clean, bare"
    reasons = {gain.domain: gain.why for gain in made.gains}
    assert reasons["ab"] == "both say the same here" and reasons["bare"] == "nobody asked"
    assert reasons[""] == "no domain where both are measured"


def test_a_row_on_a_part_of_the_traces_is_measured_there_and_compared_with_nobody(columns: list[JudgedDomain]) -> None:
    whole = contender("whole", columns, 0.1)
    part = Contender(
        name="part",
        role="further",
        scores={name: [s if at < 5 else None for at, s in enumerate(rows)] for name, rows in whole.scores.items()},
    )
    made = transfer_matrix(columns, [whole, part], [Question(name="?", first="whole", second="part")], HOW)
    assert made.cell("part", "ab").traces == 5 and made.cell("part", "ab").auroc is not None
    assert {gain.why for gain in made.gains if gain.domain} == {"they scored different traces"}


def test_scores_that_are_no_probabilities_are_ranked_but_not_decoded(columns: list[JudgedDomain]) -> None:
    raw = {
        each.name: [StepScores(values=(3.0, 2.0, -1.0), convention="logit") for _ in each.labeled] for each in columns
    }
    made = transfer_matrix(columns, [Contender(name="raw", role="further", scores=raw)], [], HOW)
    cell = made.cell("raw", "ab")
    assert cell.auroc is not None and cell.auroc.value == 1.0
    assert cell.undefined == dict.fromkeys(("first_error", "ece"), "the scores are no probabilities")


def test_matrices_that_make_no_sense_are_refused(columns: list[JudgedDomain]) -> None:
    one = contender("one", columns, 0.1)
    with pytest.raises(LabelError, match="at least two domains"):
        transfer_matrix(columns[:1], [one], [], HOW)
    with pytest.raises(LabelError, match="a name of its own"):
        transfer_matrix([columns[0], columns[0]], [one], [], HOW)
    with pytest.raises(LabelError, match="neither scores"):
        transfer_matrix([*columns, domain("new", 3)], [one], [], HOW)
    with pytest.raises(LabelError, match="each trace of 'new'"):
        extra = Contender(name="x", role="expert", scores={**one.scores, "new": []})
        transfer_matrix([*columns, domain("new", 3)], [extra], [], HOW)
    with pytest.raises(ConfigError, match="not there"):
        transfer_matrix(columns, [one], [QUESTION], HOW)
    with pytest.raises(LabelError, match="a problem for each trace"):
        domain("short", 3, problems=("a",))
    with pytest.raises(ConfigError, match="draw"):
        Draws(seed=0, draws=0)


def test_order_within_a_solution_ignores_levels() -> None:
    trace = labeled("p", (1.0, 1.0, None, 0.0))
    assert order_within(Judged(labeled=trace, scores=scores(0.1, 0.3, 0.0, 0.2))) == 0.5
    assert order_within(Judged(labeled=trace, scores=scores(0.2, 0.3, 0.0, 0.2))) == 0.75
    assert order_within(Judged(labeled=labeled("p", (1.0, 1.0)), scores=scores(0.1, 0.3))) is None


def test_an_observation_is_never_the_first_error() -> None:
    kinds = ("action", "observation", "action")
    trace = labeled("p", (1.0, None, 0.0), kinds)
    assert first_error_found(Judged(labeled=trace, scores=scores(0.9, 0.0, 0.2))) == 1.0
    assert first_error_found(Judged(labeled=trace, scores=scores(0.2, 0.9, 0.9))) == 0.0
    assert first_error_found(Judged(labeled=labeled("p", (1.0, None, 0.0)), scores=scores(0.9, 0.0, 0.2))) is None
    assert first_error_found(Judged(labeled=labeled("p", (1.0, 1.0)), scores=scores(0.9, 0.9))) == 1.0


def test_the_degrees_of_freedom_of_a_mean_are_satterthwaites() -> None:
    noise = np.random.default_rng(0).normal(0.6, 0.05, (2, 4001))
    alike = mean_drawn([Drawn(values_D=row, problems=11) for row in noise])
    assert alike.problems in (20, 21), "two equal variances of 10 degrees each have 20 together"
    steady = mean_drawn([Drawn(values_D=noise[0], problems=11), Drawn(values_D=np.full(4001, 0.7), problems=3)])
    assert steady.problems == 11, "a domain that does not vary adds none"
    assert alike.value == pytest.approx(noise[:, 0].mean())


def test_a_difference_that_no_draw_moves_has_no_p_unless_it_is_zero() -> None:
    flat = Drawn(values_D=np.full(11, 0.25), problems=4)
    assert flat.p() is None and flat.less(flat).p() == 1.0
    wide = Drawn(values_D=np.array([0.1, *np.linspace(-0.9, 1.1, 100)]), problems=5)
    p = wide.p()
    assert p is not None and 0.8 < p < 1.0 and math.isclose(wide.free().value, 0.1)


def pairs(*texts: str) -> list[tuple[Problem, LabeledTrace]]:
    return [(Problem(id=text, text=text), labeled(text, (1.0, 0.0))) for text in texts]


def test_sides_share_no_problem_and_keep_what_must_not_teach() -> None:
    texts = [f"problem {at}" for at in range(60)]
    both = [DomainPairs(name="a", pairs=pairs(*texts)), DomainPairs(name="b", pairs=pairs(*map(str.upper, texts)))]
    dealt = DealSides().deal(both, withheld=[Problem(id="w", text="Problem  7!")])
    for side in ("teach", "calibrate", "judge"):
        first, second = (dealt[name].sides[side] for name in "ab")
        assert [p.text.upper() for p, _ in first] == [p.text for p, _ in second] and first
    assert "problem 7" in [problem.text for problem, _ in dealt["a"].sides["judge"]]


def test_a_domain_with_a_judged_set_teaches_all_the_rest_everywhere() -> None:
    texts = [f"problem {at}" for at in range(40)]
    kept = DomainPairs(name="kept", pairs=pairs(*texts), judged=pairs(*texts[:5], "new"))
    other = DomainPairs(name="other", pairs=pairs(*texts))
    judge = DomainPairs(name="judge", pairs=pairs(texts[9]), teaches=False)
    dealt = DealSides().deal([kept, other, judge])
    assert [p.text for p, _ in dealt["kept"].sides["judge"]] == [*texts[:5], "new"]
    assert dealt["kept"].left_out == {"the problem is kept for judging": 6}
    assert sorted(p.text for p, _ in dealt["other"].sides["judge"]) == sorted([*texts[:5], texts[9]])
    assert [p.text for p, _ in dealt["judge"].sides["judge"]] == [texts[9]]
    with pytest.raises(ConfigError, match="above 0"):
        DealSides(teach=0.7, calibrate=0.0)
