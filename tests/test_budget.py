import pytest

from stepward.budget import Budget, Meter
from stepward.errors import ConfigError
from stepward.types import Spend


def test_the_scarcest_limit_decides_what_is_left():
    budget = Budget(policy_tokens=100, scorer_tokens=10, flops=1e9, seconds=4.0)
    spent = Spend(policy_tokens=50, scorer_tokens=2, flops=9e8, seconds=1.0)
    assert budget.left(spent) == pytest.approx(0.1)
    assert not budget.ended(spent)


def test_a_budget_ends_at_its_limit_and_never_goes_below_nothing():
    budget = Budget(policy_tokens=100)
    assert not budget.ended(Spend(policy_tokens=99))
    assert budget.ended(Spend(policy_tokens=100))
    assert budget.left(Spend(policy_tokens=1000)) == 0.0


def test_discarded_tokens_count_as_written_ones():
    assert Budget(policy_tokens=10).ended(Spend(policy_tokens=10, discarded_tokens=10))


def test_no_limit_never_ends():
    assert Budget().left(Spend(policy_tokens=10**12)) == 1.0


@pytest.mark.parametrize("field", ["policy_tokens", "scorer_tokens", "flops", "seconds"])
@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_must_be_above_nothing(field, limit):
    with pytest.raises(ConfigError, match=rf"budget\.{field} must be above 0; got {limit}; leave it out"):
        Budget(**{field: limit})


def test_a_meter_adds_by_name_and_in_total_and_tells_who_listens():
    seen = []
    meter = Meter(on_change=seen.append)
    meter.add("policy", Spend(policy_tokens=3, seconds=0.5))
    meter.add("scorer", Spend(scorer_tokens=4))
    meter.add("policy", Spend(policy_tokens=1))
    assert meter.by_name == {
        "policy": Spend(policy_tokens=4, seconds=0.5),
        "scorer": Spend(scorer_tokens=4),
    }
    assert meter.total == Spend(policy_tokens=4, scorer_tokens=4, seconds=0.5)
    assert [spend.tokens for spend in seen] == [3, 7, 8]


def test_an_idle_meter_has_spent_nothing():
    assert Meter().total == Spend()


def test_spends_add_and_subtract_field_by_field():
    one = Spend(policy_tokens=5, prompt_tokens=2, scorer_tokens=1, discarded_tokens=3, policy_calls=1, flops=2.0)
    assert one + one - one == one
    assert (one + one).discarded_tokens == 6
    assert one.tokens == 8
