"""Heads and routers of a cross-domain matrix on made-up features whose meaning is known."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from stepward.errors import ConfigError, LabelError
from stepward.reward_models.encoding.codec import Encoded
from stepward.training.domain_features import DomainPart, Take
from stepward.training.domain_heads import FitDomainHeads
from stepward.training.examples import Example, Slot
from stepward.training.experts import FitExperts
from stepward.training.first_step_router import fit_first_step
from stepward.training.spec import HeadFit, TrainSpec
from stepward.types import LabeledTrace, Problem, Step, StepLabel, Trace

SPEC = TrainSpec(mode="frozen", head_fit=HeadFit(penalties=(0.01,), folds=2, iterations=25))
FIT = FitDomainHeads(spec=SPEC, experts=FitExperts(fewest=10, fewest_each=2))
STEPS = 3


def part(name: str, seed: int, *, turn: float = 1.0, place: float = 0.0, traces: int = 24) -> DomainPart:
    """Feature 0 tells right from wrong, the other way round where `turn` is -1; feature 1 tells the domain."""
    drawn = torch.Generator().manual_seed(seed)
    good = torch.rand((traces, STEPS), generator=drawn) < 0.6
    noise = 0.3 * torch.randn((traces, STEPS, 3), generator=drawn)
    noise[..., 0] += turn * (2.0 * good - 1.0)
    noise[..., 1] += place
    pairs, examples = [], []
    for at in range(traces):
        steps = tuple(Step(2 * k, 2 * k + 2) for k in range(STEPS))
        labels = tuple(StepLabel(target="prefix", value=float(g), source="human") for g in good[at].tolist())
        trace = Trace(problem_id=f"{name}{at}", text="s\n" * STEPS, steps=steps)
        pairs.append((Problem(id=f"{name}{at}", text=f"{name} {at}"), LabeledTrace(trace=trace, labels=labels)))
        encoded = Encoded(ids=(1,) * STEPS, spans=tuple((k, k + 1) for k in range(STEPS)), read_positions=(0, 1, 2))
        slots = tuple(Slot(step=k, target=float(g)) for k, g in enumerate(good[at].tolist()))
        examples.append(Example(encoded=encoded, slots=slots, group=f"{name}{at}", trace_id=f"{name}{at}"))
    return DomainPart(pairs=tuple(pairs), examples=tuple(examples), states=noise.reshape(-1, 3))


def right(part_: DomainPart, values: list[tuple[float, ...]]) -> float:
    """Share of steps on whose right side of one half the score lies."""
    pairs = zip((labeled for _, labeled in part_.pairs), values, strict=True)
    hits = [(v >= 0.5) == (x is not None and x.good) for t, row in pairs for v, x in zip(row, t.labels, strict=True)]
    return sum(hits) / len(hits)


def test_experts_know_their_domain_and_the_left_out_model_follows_the_others() -> None:
    teach = {"plain": part("p", 1, place=-2.0), "turned": part("t", 2, turn=-1.0, place=2.0, traces=16)}
    tune = {"plain": part("pc", 3, place=-2.0), "turned": part("tc", 4, turn=-1.0, place=2.0)}
    judge = {"plain": part("pj", 5, place=-2.0), "turned": part("tj", 6, turn=-1.0, place=2.0)}
    heads = FIT.fit(teach, tune, ("plain", "turned"))
    for name in ("plain", "turned"):
        for experts in (heads.alone, heads.corrected):
            own = [scores.values for scores in experts[name].scores(judge[name], "expert")]
            assert right(judge[name], own) > 0.9
        other = "turned" if name == "plain" else "plain"
        left = [scores.values for scores in heads.left_out[other].scores(judge[name], "left out")]
        assert right(judge[name], left) > 0.9, "without the other domain, this one's labels alone teach"
        assert heads.left_out[name].note == "" and heads.alone[name].calibrator is not None


def test_a_small_domain_gets_no_expert_and_one_apart_teaches_itself_alone() -> None:
    teach = {"a": part("a", 1), "b": part("b", 2), "tiny": part("c", 3, traces=2), "apart": part("d", 4, turn=-1.0)}
    heads = FIT.fit(teach, {}, ("a", "b", "tiny"))
    assert set(heads.alone) == {"a", "b", "apart"} and set(heads.corrected) == {"a", "b"}
    assert "labels enough" in heads.refused["tiny"] and set(heads.left_out) == {"a", "b", "tiny"}
    assert heads.single.calibrator is None and "calibration side" in heads.single.note
    judged = part("e", 9)
    assert right(judged, [scores.values for scores in heads.single.scores(judged, "single")]) > 0.9


def test_calibration_that_would_turn_the_order_round_is_left_out() -> None:
    heads = FIT.fit({"a": part("a", 1), "b": part("b", 2)}, {"a": part("c", 3, turn=-1.0)}, ("a", "b"))
    assert heads.alone["a"].calibrator is None and "order round" in heads.alone["a"].note


def test_one_domain_is_refused() -> None:
    with pytest.raises(LabelError, match="at least two domains"):
        FIT.fit({"a": part("a", 1)}, {}, ("a",))


def test_the_first_step_names_the_domain_or_nobody() -> None:
    teach = {name: part(name, at, place=3.0 * at) for at, name in enumerate(("left", "middle", "right"))}
    router = fit_first_step(teach, list(teach))
    assert router.routes(part("x", 7, place=6.0)).count("right") > 20
    assert router.routes(part("x", 8, place=0.0)).count("left") > 20
    assert replace(router, sure=0.999).routes(part("x", 9, place=3.0)).count("") == 24, "nobody is that sure"
    two = fit_first_step(teach, ["left", "right"])
    assert two.routes(part("x", 7, place=6.0)).count("right") > 20
    with pytest.raises(LabelError, match="two domains"):
        fit_first_step(teach, ["left"])


def test_caps_below_one_are_refused() -> None:
    for caps in ({"tokens": 0}, {"per_problem": 0}, {"longest": -1}):
        with pytest.raises(ConfigError, match="at least 1"):
            Take(**caps)
