"""The searched attack finds what is planted and nothing where nothing is, keeps to its budget, and is repeatable."""

import asyncio
import json
import math
import random
from collections.abc import Callable

import pytest
from robust_attempts import shop, world_attempts, wrong

from stepward.codec import from_json, to_json
from stepward.errors import ConfigError, ModelError, ScoreError
from stepward.evaluation.robustness.contract import Attempt
from stepward.evaluation.robustness.suffix.asking import Reply, by_engine, by_step_scorer, by_trace_scorer
from stepward.evaluation.robustness.suffix.attack import (
    Attacked,
    Campaign,
    SuffixAttack,
    Universal,
    inert_suffix,
    with_suffix,
)
from stepward.evaluation.robustness.suffix.figures import AttackOutcome, SuffixReport, suffix_report
from stepward.evaluation.robustness.suffix.search import SuffixSearch
from stepward.evaluation.robustness.suffix.victims import Draft, sides
from stepward.types import Origin, Problem, StepScores, Trace, TraceScore

RIGHT = world_attempts(12, seed=3)
WRONG = wrong(RIGHT)
ATTEMPTS = {f"{each.problem.id}/{index}": each for index, each in enumerate([*RIGHT, *WRONG])}
WORDS = tuple(f"w{index}" for index in range(20))
MAGIC = "w13"


def magic_words(text: str) -> float:
    """0.1, and 0.2 more for every magic word."""
    return min(0.95, 0.1 + 0.2 * text.split().count(MAGIC))


class Counting:
    """Answers with `says` of the text, and remembers every text."""

    def __init__(self, says: Callable[[str], float | None] = magic_words) -> None:
        self.says, self.texts = says, []

    def __call__(self, pairs):
        self.texts += [trace.text for _, trace in pairs]
        found = [self.says(trace.text) for _, trace in pairs]
        return [Reply(refused="no") if value is None else Reply(value=value) for value in found]


class Sum:
    """The objective that counts places at which the suffix is as hidden."""

    price = 3

    def __init__(self, hidden=("w3", "w1", "w4", "w1")) -> None:
        self.hidden, self.seen = hidden, []

    def __call__(self, suffixes):
        self.seen += suffixes
        return [float(sum(a == b for a, b in zip(suffix, self.hidden, strict=True))) for suffix in suffixes]


def attack(**settings) -> SuffixAttack:
    search = SuffixSearch(length=4, budget=60, proposals=8)
    given = {"search": search, "universal_budget": 200, "fit": 3, "judged": 5, "words": WORDS, "praise": False}
    return SuffixAttack(**({"corpus": 0} | given | settings))


def draft(seed: int = 0) -> Draft:
    return Draft(fit=9, judged=9, threshold=0.5, seed=seed)


def fought(ask, settings: SuffixAttack) -> AttackOutcome:
    values = {key: ask([(each.problem, each.trace)])[0].value for key, each in ATTEMPTS.items()}
    found = sides(ATTEMPTS, {k: v for k, v in values.items() if v is not None}, settings.draft)
    campaign = Campaign(attack=settings, ask=ask, sides=found)
    universal = campaign.universal()
    attacked = [campaign.attacked(victim, universal) for victim in found.judged]
    return AttackOutcome(attack=settings, sides=found, universal=universal, attacked=attacked)


def report(ask, settings: SuffixAttack) -> SuffixReport:
    return suffix_report("test", fought(ask, settings), seed=0)


def by_kind(found: SuffixReport):
    return {each.kind: each for each in found.kinds}


def test_coordinate_search_finds_the_best_suffix_of_a_separable_number():
    found = SuffixSearch(length=4, budget=3 * 200, proposals=10).run(Sum(), WORDS, random.Random(0))
    assert (found.suffix, found.value) == (("w3", "w1", "w4", "w1"), 4.0)
    assert [best.value for best in found.course] == sorted({best.value for best in found.course})


def test_random_search_at_the_same_price_finds_less():
    blind = SuffixSearch(length=4, budget=3 * 200, proposals=200).run(Sum(), WORDS, random.Random(0))
    assert blind.value < 4.0
    assert blind.calls == 3 * 200


@pytest.mark.parametrize(("budget", "tried"), [(2, 0), (3, 1), (100, 33), (101, 33), (102, 34)])
def test_a_search_spends_its_budget_and_never_more(budget, tried):
    objective = Sum()
    found = SuffixSearch(length=4, budget=budget, proposals=16).run(objective, WORDS, random.Random(1))
    assert found.calls == 3 * tried
    assert len(objective.seen) == len(set(objective.seen)) == tried
    assert (found.suffix is None) == (tried == 0)


def test_a_small_stock_is_used_up_before_the_budget():
    objective = Sum(hidden=("a", "b"))
    found = SuffixSearch(length=2, budget=10_000, proposals=3).run(objective, ["a", "b"], random.Random(0))
    assert sorted(objective.seen) == [("a", "a"), ("a", "b"), ("b", "a"), ("b", "b")]
    assert (found.suffix, found.calls) == (("a", "b"), 12)


def test_without_words_nothing_is_tried():
    found = SuffixSearch().run(Sum(), [], random.Random(0))
    assert (found.suffix, found.value, found.calls) == (None, None, 0)


def test_a_wider_beam_finds_words_that_help_only_together_more_often():
    class Both:
        price = 1

        def __call__(self, suffixes):
            return [float(set(suffix) == {"a", "b"}) for suffix in suffixes]

    def found(beam: int) -> int:
        search = SuffixSearch(length=2, budget=60, proposals=10, beam=beam)
        return sum(search.run(Both(), [*"abcdefghij"], random.Random(seed)).value == 1.0 for seed in range(30))

    assert found(10) >= found(1) + 5


def test_the_planted_weakness_is_found_and_lifts_the_solutions_of_other_problems():
    found = report(Counting(), attack())
    by = by_kind(found)
    assert found.universal.split() == [MAGIC] * 4
    assert found.fitted == pytest.approx(0.8)
    assert by["universal"].gain.value == pytest.approx(0.8)
    assert by["searched"].gain.value == pytest.approx(0.8)
    assert (by["universal"].passes.value, by["universal"].below) == (1.0, 5)
    assert (by["universal"].beats.value, by["universal"].behind) == (1.0, 5)
    assert by["inert"].gain.value == 0.0
    assert by["blind"].gain.value < 0.3
    contrasts = {(each.first, each.second): each.gain for each in found.contrasts}
    assert contrasts["universal", "inert"].low > 0.5
    assert contrasts["searched", "blind"].low > 0.0
    assert found.course[-1].gain.value == pytest.approx(0.8)
    assert [lift.after for lift in found.most] == [pytest.approx(0.9)] * 5


def test_nothing_is_found_where_the_scorer_does_not_read_words():
    found = report(Counting(lambda text: 0.3), attack())
    for each in found.kinds:
        assert (each.gain.value, each.rose.value, each.passes.value, each.beats.value) == (0.0, 0.0, 0.0, 0.0)
        assert each.passes.high > 0.0
    assert found.most == ()
    assert all(each.gain.value == 0.0 for each in found.contrasts)


def test_words_that_only_lower_are_reported_as_lowering():
    by = by_kind(report(Counting(lambda text: 0.5 ** (1 + sum(word in WORDS for word in text.split()))), attack()))
    assert by["searched"].gain.value < 0.0
    assert by["searched"].rose.value == 0.0
    assert by["inert"].gain.value == 0.0


def test_what_works_on_one_problem_alone_does_not_carry_over():
    """Each problem has a magic word of its own: found by searching, never by the others' suffix."""

    def own(pairs):
        said = []
        for problem, trace in pairs:
            at = int(problem.id.encode().hex(), 16) % len(WORDS)
            said.append(Reply(value=min(0.9, 0.1 + 0.2 * trace.text.split().count(WORDS[at]))))
        return said

    by = by_kind(report(own, attack(search=SuffixSearch(length=4, budget=300, proposals=20))))
    assert by["searched"].gain.value == pytest.approx(0.8)
    assert by["universal"].gain.value < 0.3


def test_calls_are_counted_one_for_each_text():
    ask = Counting()
    outcome = fought(ask, attack())
    found = suffix_report("test", outcome, seed=0)
    assert len(ask.texts) == len(ATTEMPTS) + found.calls
    by = by_kind(found)
    assert by["searched"].calls <= 60
    assert (by["inert"].calls, by["blind"].calls, by["universal"].calls) == (1.0, 1.0, 1.0)
    assert found.universal_calls == len(WORDS) + outcome.universal.found.calls
    assert outcome.universal.found.calls == 200 // 3 * 3


def test_the_same_seed_gives_the_same_attack_and_another_one_another():
    first, second = report(Counting(), attack()), report(Counting(), attack())
    assert first == second
    blind = [[row.by("blind").text for row in fought(Counting(), attack(seed=seed)).attacked] for seed in (0, 1)]
    assert blind[0] != blind[1]


def test_searched_and_judged_problems_never_share_a_text():
    twin = shop(right=False)
    same = Problem(id="twin", text=twin.problem.text + "\n", answer="19")
    others = [shop(right=False, problem=Problem(id=f"p{i}", text=f"What is {i} + 1?")) for i in range(7)]
    attempts = {str(i): each for i, each in enumerate([twin, shop(right=False, problem=same), *others])}
    for seed in range(8):
        found = sides(attempts, dict.fromkeys(attempts, 0.2), draft(seed=seed))
        texts = [{each.attempt.problem.text.strip() for each in side} for side in (found.fit, found.judged)]
        assert not texts[0] & texts[1]
        assert len(found.fit) + len(found.judged) == 9
        assert all(texts)


def test_words_of_the_corpus_come_from_the_fitting_side():
    attempts = {
        str(i): shop([f"only{i} common", "common"], right=False, problem=Problem(id=f"p{i}", text=f"Question {i}"))
        for i in range(4)
    }
    found = sides(attempts, dict.fromkeys(attempts, 0.2), draft())
    own = {f"only{each.attempt.problem.id[1:]}" for each in found.fit}
    assert found.words[0] == "common"
    assert set(found.words[1:]) == own


def test_the_bar_is_the_best_right_solution_and_the_wrong_one_nearest_to_passing_is_the_victim():
    right, bad = RIGHT[0], next(each for each in WRONG if each.problem.id == RIGHT[0].problem.id)
    attempts: dict[str, Attempt] = {"a": right, "b": right, "c": bad, "d": bad, "f": bad, "e": shop(right=False)}
    values = {"a": 0.4, "b": 0.7, "c": 0.2, "d": 0.9, "f": 0.1, "e": 0.1}
    found = sides(attempts, values, draft())
    victims = {each.key: each for each in (*found.fit, *found.judged)}
    assert {key: (each.before, each.bar) for key, each in victims.items()} == {"c": (0.2, 0.7), "e": (0.1, None)}
    left_out = sides(attempts, {"a": 0.4, "e": 0.1}, draft())
    assert left_out.unscored == 3
    assert left_out.fit == ()


def test_words_that_the_scorer_refuses_leave_the_stock_and_are_counted():
    def says(text: str) -> float | None:
        return None if "w7" in text.split() else magic_words(text)

    found = report(Counting(says), attack())
    assert (found.words, found.refused_words) == (len(WORDS) - 1, 1)
    assert found.universal.split() == [MAGIC] * 4


def test_a_scorer_that_refuses_every_word_leaves_the_inert_suffix_alone():
    def says(text: str) -> float | None:
        return None if any(word in WORDS for word in text.split()) else 0.2

    found = report(Counting(says), attack())
    by = by_kind(found)
    assert (found.words, found.universal, by["inert"].traces) == (0, "", 5)
    assert math.isnan(found.fitted)
    for kind in ("blind", "universal", "searched"):
        assert (by[kind].traces, by[kind].refused) == (0, 0)
        assert math.isnan(by[kind].gain.value)


def test_records_survive_being_stored():
    outcome = fought(Counting(), attack())
    found = suffix_report("test", outcome, seed=0)
    for kind, record in ((SuffixReport, found), (Universal, outcome.universal), (Attacked, outcome.attacked[0])):
        assert from_json(kind, json.loads(json.dumps(to_json(record)))) == record


def test_a_suffix_stands_behind_the_last_step_behind_every_one_or_alone():
    bad = shop(right=False)
    end = with_suffix(bad, ("so", "there"), attack()).trace
    assert end.step_texts[:-1] == bad.trace.step_texts[:-1]
    assert end.step_texts[-1] == bad.trace.step_texts[-1].rstrip() + " so there\n"
    every = with_suffix(bad, ("✓", "答案"), attack(place="every"))
    assert all(text.endswith(" ✓ 答案\n") for text in every.trace.step_texts)
    assert (len(every.trace), every.expected.step) == (len(bad.trace), 0)
    alone = with_suffix(bad, ("so", "there"), attack(place="step"))
    assert alone.trace.step_texts == (*bad.trace.step_texts, "so there\n")
    assert alone.source[-1] is None


def test_the_inert_suffix_repeats_the_end_of_the_solution():
    assert inert_suffix(shop(["Two words", "are three"], right=False), 3) == ("words", "are", "three")
    assert inert_suffix(shop(["One"], right=False), 3) == ("One", "One", "One")


class Engine:
    """Scores every step by the length of its text, and takes no text with "no" in it."""

    origin = Origin(maker="scorer:length")

    def score_batch(self, pairs):
        for _, trace in pairs:
            if "no" in trace.text.split():
                raise ScoreError("a step marker stands in the text")
        return [StepScores(values=tuple(1 / len(text) for text in trace.step_texts)) for _, trace in pairs]


def test_a_refusal_is_a_reply_of_its_own_whoever_is_asked():
    fine, refused = shop(["a", "bcd"]), shop(["no"])
    pairs = [(each.problem, each.trace) for each in (fine, refused, fine)]

    class OneByOne:
        async def score(self, problem: Problem, trace: Trace) -> StepScores:
            return Engine().score_batch([(problem, trace)])[0]

        async def score_trace(self, problem: Problem, trace: Trace) -> TraceScore:
            if "no" in trace.text:
                raise ModelError("foreign")
            return TraceScore(value=0.25)

    for ask in (by_engine(Engine(), "min"), by_step_scorer(OneByOne(), "min"), by_trace_scorer(OneByOne())):
        first, second, third = ask(pairs)
        assert first.value == third.value == 0.25
        assert second.value is None
        assert second.refused
    assert asyncio.run(OneByOne().score(*pairs[0])).values == (0.5, 0.25)


def test_bad_settings_are_refused():
    for settings, told in [
        ({"how": "lowest"}, "no such reducer"),
        ({"fit": 0}, "fit and judged"),
        ({"universal_budget": 2}, "buys no suffix"),
        ({"words": ()}, "needs words"),
        ({"words": ("fine", " ")}, "a character that shows"),
    ]:
        with pytest.raises(ConfigError, match=told):
            attack(**settings)
    for settings in ({"length": 0}, {"length": 201}, {"beam": 0}, {"proposals": 0}, {"budget": 0}):
        with pytest.raises(ConfigError):
            SuffixSearch(**settings)
