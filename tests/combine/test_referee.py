import pytest

from stepward.combine.referee import Decision, Referee
from stepward.combine.signals import Signals
from stepward.errors import ConfigError, ScoreError

RULES = Referee(reduce="mean")


@pytest.mark.parametrize(
    ("steps", "outcome", "winner", "reason", "verdict"),
    [
        ((0.9, 0.8), 0.9, "both", "agree", "accept"),
        ((0.2, 0.3), 0.3, "both", "agree", "reject"),
        ((0.95, 0.05, 0.95), 0.99, "prm", "prm_veto", "reject"),
        ((0.9, 0.95), 0.05, "orm", "orm_veto", "reject"),
        ((0.3, 0.4), 0.95, "orm", "surer", "accept"),
        ((0.95, 0.95), 0.45, "prm", "surer", "accept"),
        ((0.45, 0.45), 0.6, "nobody", "uncertain", "abstain"),
    ],
)
def test_who_wins_and_why(steps, outcome, winner, reason, verdict) -> None:
    found = RULES.decide(Signals(steps=steps, outcome=outcome))
    assert (found.winner, found.reason, found.verdict) == (winner, reason, verdict)


def test_a_veto_names_the_step_and_takes_its_score() -> None:
    found = RULES.decide(Signals(steps=(0.95, 0.05, 0.95), outcome=0.99))
    assert found == Decision(winner="prm", reason="prm_veto", score=0.05, verdict="reject", step=1)


def test_where_nobody_wins_there_is_no_score_and_a_judge_may_be_asked() -> None:
    found = Referee(reduce="mean", unsure="ask").decide(Signals(steps=(0.45,), outcome=0.6))
    assert found.score is None and found.verdict == "ask"
    hasty = Referee(reduce="mean", sure=0.0).decide(Signals(steps=(0.45,), outcome=0.6))
    assert hasty.winner == "orm" and hasty.score == 0.6, "without a margin the surer one wins"


def test_a_veto_bites_only_where_the_other_would_accept() -> None:
    low = RULES.decide(Signals(steps=(0.05, 0.05), outcome=0.05))
    assert (low.winner, low.reason) == ("both", "agree")


def test_every_pair_of_signals_gets_a_decision_that_holds_together() -> None:
    for o in range(0, 101, 4):
        for s in range(0, 101, 4):
            found = RULES.decide(Signals(steps=(s / 100, s / 100), outcome=o / 100))
            assert (found.score is None) == (found.winner == "nobody") == (found.verdict in ("abstain", "ask"))
            if found.score is not None and found.reason not in ("prm_veto", "orm_veto"):
                assert (found.verdict == "accept") == (found.score >= 0.5)


def test_contradictory_settings_and_missing_signals_are_refused() -> None:
    for wrong in ({"accept": 1.0}, {"veto_step": 0.6}, {"veto_outcome": 0.5}, {"sure": -1.0}, {"unsure": "guess"}):
        with pytest.raises(ConfigError):
            Referee(**wrong)
    with pytest.raises(ScoreError, match="needs an outcome score"):
        RULES.decide(Signals(steps=(0.5,)))
