import pytest

from stepward.errors import ConfigError
from stepward.evaluation.pricing import Rates, UnitCost, price, unpriced
from stepward.types import Spend

SPEND = Spend(policy_tokens=4000, prompt_tokens=1000, scorer_tokens=2000, scorer_calls=2, flops=4e9, seconds=7.2)


def test_a_price_is_the_sum_of_given_rates_and_nothing_is_assumed() -> None:
    cost = UnitCost.of(SPEND, 2)
    assert (cost.written, cost.read, cost.passes, cost.scored, cost.seconds) == (2000, 500, 1, 1000, 3.6)
    assert price(cost, Rates()) is None
    assert price(cost, Rates(written=3, read=1, scored=2)) == pytest.approx((3 * 2000 + 500 + 2 * 1000) / 1e6)
    assert price(cost, Rates(gpu_hour=2, cpu_hour=0.5)) == pytest.approx(2.5 * 0.001)


def test_what_was_not_metered_has_no_price_and_a_sum_with_it_has_none_either() -> None:
    rates = Rates(written=1)
    assert price(UnitCost.of(Spend(), 5), rates) is None
    part = UnitCost(written=10, whole=False)
    assert price(part + UnitCost(written=5), rates) is None
    assert price(part.times(3), rates) is None
    assert price(UnitCost(written=10).times(3), rates) == pytest.approx(3e-5)


def test_kinds_of_tokens_without_a_rate_are_named_unless_hours_are_paid() -> None:
    cost = UnitCost.of(SPEND, 1)
    assert unpriced(cost, Rates(scored=1)) == ("written", "read")
    assert unpriced(cost, Rates(cpu_hour=1)) == unpriced(cost, Rates()) == ()


def test_a_rate_below_zero_or_without_end_is_refused() -> None:
    for rate in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="rate scored"):
            Rates(scored=rate)
    assert str(Rates(scored=0.5, currency="EUR")) == "0.5 EUR per million tokens scored"
