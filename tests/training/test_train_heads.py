"""Further heads on cached features: ensembles, quantiles, experts; and the checkpoints that carry them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stepward.calibrate import FitPerDomain, Platt, problem_key, to_json
from stepward.combine.routing import ByName
from stepward.combine.uncertainty import Band
from stepward.errors import ConfigError, LabelError, ModelError
from stepward.reward_models.backbone import Backbone
from stepward.reward_models.checkpoint import set_calibrator
from stepward.reward_models.formats.stepward_default import STEPWARD_DEFAULT
from stepward.reward_models.heads import ScoreHead
from stepward.reward_models.process import ProcessRewardModel
from stepward.reward_models.readout import LAST, step_states
from stepward.reward_models.several.experts import (
    Experts,
    ExpertsRewardModel,
    read_experts,
    write_expert_card,
    write_experts,
)
from stepward.reward_models.several.uncertain import Members, UncertainRewardModel, write_band, write_members
from stepward.reward_models.token_batch import TokenBatch
from stepward.reward_models.trained_on import read_trained_on, refuse_training_problems
from stepward.training.ensemble import fit_ensemble, fit_quantiles
from stepward.training.examples import Example
from stepward.training.experts import FitExperts
from stepward.training.frozen import fit_head, fit_head_at
from stepward.training.loop import train
from stepward.training.objectives.bce import BinaryCrossEntropy
from stepward.training.objectives.contract import StepTargets
from stepward.training.objectives.pinball import Pinball
from stepward.training.spec import HeadFit, TrainSpec
from stepward.types import Problem, Trace

SPEC = TrainSpec(mode="frozen", head_fit=HeadFit(penalties=(0.01, 0.1), iterations=50))


@pytest.fixture(scope="module")
def states(tiny_backbone: Path, example_set) -> torch.Tensor:
    backbone = Backbone.open(tiny_backbone, STEPWARD_DEFAULT)
    with torch.inference_mode():
        return step_states(backbone, TokenBatch.of([e.encoded for e in example_set.examples], backbone.device), LAST)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tiny_backbone: Path, example_set) -> Path:
    out = tmp_path_factory.mktemp("heads") / "prm"
    assert train(example_set, SPEC, backbone=tiny_backbone, out=out).finished
    return out


@pytest.fixture(scope="module")
def pairs(learnable) -> list[tuple[Problem, Trace]]:
    return [(problem, labeled.trace) for problem, labeled in learnable[:10]]


def targets_of(values: list[float], outputs: list[int] | None = None) -> StepTargets:
    count = len(values)
    zeros, numbers = torch.zeros(count), torch.tensor(values)
    places = torch.zeros(count, dtype=torch.long)
    return StepTargets(
        targets_S=numbers,
        weights_S=torch.ones(count),
        trials_S=zeros,
        offsets_S=zeros,
        reads_S=places,
        outputs_S=torch.tensor(outputs or [0] * count),
        traces_S=places,
        prefixes_S=places,
        steps_S=places,
    )


def test_pinball_is_the_textbook_loss_where_it_is_not_smoothed() -> None:
    logit = math.log(0.4 / 0.6)
    losses = Pinball(smooth=0.0).losses(torch.full((3,), logit), targets_of([0.9, 0.4, 0.1], [0, 1, 2]))
    assert losses.tolist() == pytest.approx([0.1 * 0.5, 0.0, 0.1 * 0.3], abs=1e-6)
    smooth = Pinball(smooth=1e-4).losses(torch.full((3,), logit), targets_of([0.9, 0.4, 0.1], [0, 1, 2]))
    assert smooth.tolist() == pytest.approx(losses.tolist(), abs=1e-3)


def test_pinball_is_least_at_the_quantile() -> None:
    values = torch.linspace(0.05, 0.95, 91)
    at = torch.linspace(0.02, 0.98, 97)
    for output, level in enumerate(Pinball().levels):
        targets = targets_of(values.tolist(), [output] * 91)
        means = [float(Pinball(smooth=0.002).losses(torch.full((91,), p).logit(), targets).mean()) for p in at.tolist()]
        best = float(at[int(np.argmin(means))])
        assert best == pytest.approx(float(values.quantile(level)), abs=0.02)


def test_pinball_refuses_hard_labels_unknown_outputs_and_odd_settings() -> None:
    with pytest.raises(LabelError, match="soft labels"):
        Pinball().check(targets_of([0.0, 1.0]))
    for levels, outputs in (((0.5,), [0, 1]), ((0.1, 0.5), [0, 0])):
        with pytest.raises(LabelError, match="one output for each of its"):
            Pinball(levels=levels).check(targets_of([0.5, 0.2], outputs))
    Pinball(levels=(0.5,)).check(targets_of([0.0, 0.5]))
    for wrong in ({"levels": (0.0,)}, {"levels": ()}, {"smooth": -1.0}):
        with pytest.raises(ConfigError, match="levels in"):
            Pinball(**wrong)


def test_quantiles_of_hard_labels_are_refused(states, example_set) -> None:
    with pytest.raises(LabelError, match="soft labels"):
        fit_quantiles(states, example_set.examples, SPEC)


def test_an_ensemble_differs_by_the_problems_it_saw_and_agrees_on_what_is_clear(states, example_set) -> None:
    penalty = fit_head(states, example_set.examples, SPEC).penalty
    found = fit_ensemble(states, example_set.examples, SPEC, count=4, penalty=penalty)
    again = fit_ensemble(states, example_set.examples, SPEC, count=4, penalty=penalty)
    with torch.no_grad():
        probs_RE = torch.cat([torch.sigmoid(head(states)) for head in found.heads], dim=1)
        same_RE = torch.cat([torch.sigmoid(head(states)) for head in again.heads], dim=1)
    assert torch.equal(probs_RE, same_RE)
    assert float(probs_RE.std(dim=1).min()) > 0
    with pytest.raises(ConfigError, match="two heads"):
        fit_ensemble(states, example_set.examples, SPEC, count=1, penalty=penalty)


def test_an_ensemble_of_one_problem_is_one_head_many_times(states, example_set) -> None:
    alone = [replace(example, group="g") for example in example_set.examples]
    found = fit_ensemble(states, alone, SPEC, count=3, penalty=0.1)
    weights = [head.out.weight for head in found.heads]
    assert torch.allclose(weights[0], weights[1], atol=1e-5) and torch.allclose(weights[0], weights[2], atol=1e-5)


def test_an_ensemble_gives_class_weight_back(states, example_set) -> None:
    heavy = replace(SPEC, objective=BinaryCrossEntropy(bad_weight=4.0))
    raw = fit_ensemble(states, example_set.examples, replace(heavy, correct_prior=False), count=2, penalty=0.1)
    mended = fit_ensemble(states, example_set.examples, heavy, count=2, penalty=0.1)
    shift = mended.heads[0].out.bias - raw.heads[0].out.bias
    assert float(shift.detach()) == pytest.approx(math.log(4), abs=1e-5)


def test_quantile_heads_hold_the_share_of_values_that_they_promise(states, example_set) -> None:
    draw = np.random.default_rng(0)
    soft = [
        replace(example, slots=tuple(replace(slot, target=float(draw.random())) for slot in example.slots))
        for example in example_set.examples
    ]
    values = torch.tensor([slot.target for example in soft for slot in example.slots])
    found = fit_quantiles(
        states, soft, replace(SPEC, head_fit=HeadFit(penalties=(1.0,), folds=2)), levels=(0.2, 0.5, 0.8)
    )
    for level, head in zip(found.members.levels, found.heads, strict=True):
        with torch.no_grad():
            below = float((values <= torch.sigmoid(head(states))[:, 0]).float().mean())
        assert below == pytest.approx(level, abs=0.1)


def test_a_checkpoint_with_an_ensemble_scores_with_ends_and_loads_plain_as_before(
    folder: Path, states, example_set, pairs
) -> None:
    before = ProcessRewardModel.load(folder).score_batch(pairs)
    made = fit_ensemble(states, example_set.examples, SPEC, count=4, penalty=0.1)
    write_members(folder, made.members, made.heads)
    assert ProcessRewardModel.load(folder).score_batch(pairs)[0].values == before[0].values
    model = UncertainRewardModel.load(folder)
    found = model.score_uncertain(pairs)
    with torch.no_grad():
        expected = torch.cat([torch.sigmoid(head(states)) for head in made.heads], dim=1)[: len(pairs[0][1])]
    assert found[0].scores.values == pytest.approx(expected.mean(dim=1).tolist(), abs=1e-5)
    assert found[0].deviations == pytest.approx(expected.std(dim=1).tolist(), abs=1e-5)
    assert model.score_batch(pairs)[1].values == found[1].scores.values
    assert found[0].scores.spend.scorer_tokens > 0
    alone = model.score_uncertain([pairs[3]])[0]
    assert alone.lows == pytest.approx(found[3].lows, abs=1e-5)
    empty = Trace(problem_id="p", text="", steps=())
    assert len(model.score_uncertain([(pairs[0][0], empty)])[0].scores) == 0
    write_band(folder, replace(made.members, band=Band(margin=0.05, level=0.8, problems=9)))
    wide = UncertainRewardModel.load(folder)
    assert wide.score_uncertain(pairs)[0].highs[0] == pytest.approx(min(1.0, found[0].highs[0] + 0.05))
    assert wide.origin != model.origin, "a changed band is another scorer"


def test_the_calibrator_goes_over_every_head_of_an_ensemble(folder: Path, states, example_set, pairs) -> None:
    made = fit_ensemble(states, example_set.examples, SPEC, count=3, penalty=0.1)
    write_members(folder, made.members, made.heads)
    plain = UncertainRewardModel.load(folder).score_uncertain(pairs)[0]
    set_calibrator(folder, to_json(Platt(a=1.0, b=2.0)))
    mapped = UncertainRewardModel.load(folder).score_uncertain(pairs)[0]
    set_calibrator(folder, None)
    assert min(mapped.lows) > min(plain.lows)
    assert mapped.lows == pytest.approx(Platt(a=1.0, b=2.0).transform(plain.lows), abs=0.03)


def test_missing_and_damaged_members_are_refused(
    tmp_path: Path, folder: Path, tiny_backbone: Path, example_set
) -> None:
    bare = tmp_path / "bare"
    assert train(example_set, SPEC, backbone=tiny_backbone, out=bare).finished
    with pytest.raises(ModelError, match="no ensemble"):
        UncertainRewardModel.load(bare)
    with pytest.raises(ModelError, match="no experts"):
        ExpertsRewardModel.load(bare)
    with pytest.raises(ModelError, match="3 heads were announced"):
        write_members(bare, Members(how="ensemble", count=3), [ScoreHead(16)])
    with pytest.raises(ConfigError, match="rising levels"):
        Members(how="quantiles", count=3, levels=(0.9, 0.5, 0.1))
    write_members(bare, Members(how="ensemble", count=2), [ScoreHead(8), ScoreHead(8)])
    with pytest.raises(ModelError, match="2 heads of width 16"):
        UncertainRewardModel.load(bare)
    broken = ScoreHead(16)
    torch.nn.init.constant_(broken.out.weight, math.nan)
    write_members(bare, Members(how="ensemble", count=2), [ScoreHead(16), broken])
    with pytest.raises(ModelError, match="not finite"):
        UncertainRewardModel.load(bare)
    (bare / "members.json").write_text("{}")
    with pytest.raises(ModelError, match="does not say"):
        UncertainRewardModel.load(bare)


def domains_of(examples: tuple[Example, ...]) -> dict[str, str]:
    groups = sorted({example.group for example in examples})
    return {group: ("law", "maths")[index % 2] for index, group in enumerate(groups)}


def test_an_expert_of_a_domain_with_other_rules_leaves_the_shared_head(states, example_set) -> None:
    """In law every label is turned round: the shared head cannot know, the expert must."""
    domains = domains_of(example_set.examples)
    turned = [
        replace(example, slots=tuple(replace(slot, target=1 - slot.target) for slot in example.slots))
        if domains[example.group] == "law"
        else example
        for example in example_set.examples
    ]
    shared = fit_head(states, turned, SPEC)
    found = FitExperts(fewest=20, fewest_each=5).fit(states, turned, domains, SPEC, shared.head)
    assert set(found.heads) == {"law", "maths"} and found.small == ()
    reads = [domains[e.group] == "law" for e in turned for _ in e.encoded.read_positions]
    truth = torch.tensor([slot.target for e in turned for slot in e.slots])[reads] >= 0.5
    with torch.no_grad():
        by_expert = found.heads["law"](states[reads])[:, 0] >= 0
        by_shared = shared.head(states[reads])[:, 0] >= 0
    assert (by_expert == truth).float().mean() > (by_shared == truth).float().mean() + 0.1


def test_under_a_strong_penalty_an_expert_is_the_shared_head(states, example_set) -> None:
    domains = domains_of(example_set.examples)
    shared = fit_head_at(states, example_set.examples, SPEC, 0.1)
    strict = replace(SPEC, head_fit=HeadFit(penalties=(1e6,), folds=2))
    found = FitExperts(fewest=20, fewest_each=5).fit(states, example_set.examples, domains, strict, shared)
    assert torch.allclose(found.heads["law"].out.weight, shared.out.weight, atol=1e-4)
    alone = FitExperts(fewest=20, fewest_each=5, correct_shared=False)
    apart = alone.fit(states, example_set.examples, domains, strict, shared)
    assert float(apart.heads["law"].out.weight.detach().abs().max()) < 1e-4, "from scratch it has nothing to stay at"


def test_small_domains_get_no_expert_and_hidden_heads_are_refused(states, example_set) -> None:
    domains = domains_of(example_set.examples)
    shared = fit_head_at(states, example_set.examples, SPEC, 0.1)
    with pytest.raises(LabelError, match="no domain has labels enough"):
        FitExperts(fewest=10_000).fit(states, example_set.examples, domains, SPEC, shared)
    with pytest.raises(ConfigError, match="linear heads"):
        FitExperts().fit(states, example_set.examples, domains, SPEC, ScoreHead(16, 4))
    odd = {group: "law" if index else "rare" for index, group in enumerate(sorted(domains))}
    found = FitExperts(fewest=20, fewest_each=5).fit(states, example_set.examples, odd, SPEC, shared)
    assert set(found.heads) == {"law"} and found.small == ("rare",)


def test_offsets_shift_what_a_frozen_head_must_still_say(states, example_set) -> None:
    moved = [
        replace(example, slots=tuple(replace(slot, offset=1.5) for slot in example.slots))
        for example in example_set.examples
    ]
    plain = fit_head_at(states, example_set.examples, SPEC, 0.1)
    found = fit_head_at(states, moved, SPEC, 0.1)
    with torch.no_grad():
        assert torch.allclose(found(states) + 1.5, plain(states), atol=0.02)


def test_routed_experts_read_each_trace_once_beside_the_shared_head(
    folder: Path, states, example_set, learnable, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = domains_of(example_set.examples)
    pairs = [(replace(p, domain=keys[problem_key(p)]), labeled.trace) for p, labeled in learnable[:12]]
    pairs[0] = (replace(pairs[0][0], domain="cooking"), pairs[0][1])
    shared = ProcessRewardModel.load(folder).score_batch(pairs)
    own = fit_head_at(states, example_set.examples, SPEC, 0.1)
    heads = FitExperts(fewest=20, fewest_each=5, correct_shared=False).fit(
        states, example_set.examples, keys, SPEC, own
    )
    router = ByName(domains=("law", "maths"))
    write_experts(folder, Experts(domains=("law", "maths"), router=router), heads.heads)
    model = ExpertsRewardModel.load(folder)
    calls: list[int] = []
    inner = type(model.model.reader).outputs

    def counted(reader, encoded):
        calls.append(len(encoded))
        return inner(reader, encoded)

    monkeypatch.setattr(type(model.model.reader), "outputs", counted)
    both = model.score_both(pairs)
    assert calls == [12], "one pass for all heads"
    for (problem, _), pair, plain in zip(pairs, both, shared, strict=True):
        assert pair.shared.values == pytest.approx(plain.values, abs=1e-5)
        assert pair.expert.scorer.settings["expert"] == (problem.domain if problem.domain != "cooking" else "")
    assert both[0].expert.values == both[0].shared.values, "no expert for cooking"
    assert any(pair.expert.values != pair.shared.values for pair in both[1:])
    table = model.score_all(pairs)
    assert set(table) == {"", "law", "maths"}
    start = sum(len(trace) for _, trace in pairs[:3])
    with torch.no_grad():
        expected = torch.sigmoid(heads.heads["law"](states))[start : start + len(pairs[3][1]), 0]
    assert table["law"][3].values == pytest.approx(expected.tolist(), abs=1e-5)


def test_experts_have_a_calibrator_of_their_own(folder: Path, states, example_set, learnable) -> None:
    keys = domains_of(example_set.examples)
    heads = {"law": ScoreHead(16), "maths": ScoreHead(16)}
    rng = np.random.default_rng(0)
    scores, labels = rng.random(600), rng.random(600) < 0.8
    calibrator = FitPerDomain(fewest=100).fit(scores, labels, [("law", "maths")[k % 2] for k in range(600)])
    experts = Experts(domains=("law", "maths"), router=ByName(domains=("law", "maths")))
    write_experts(folder, experts, heads)
    pair = (replace(learnable[0][0], domain="law"), learnable[0][1].trace)
    raw = ExpertsRewardModel.load(folder)
    assert raw.score_batch([pair])[0].values[0] == 0.5
    write_expert_card(folder, replace(experts, calibrator=calibrator))
    assert read_experts(folder).calibrator == calibrator
    mapped = ExpertsRewardModel.load(folder)
    assert mapped.score_batch([pair])[0].values[0] == pytest.approx(0.8, abs=0.06)
    assert mapped.origin.revision != raw.origin.revision
    assert keys
    with pytest.raises(ModelError, match="different domains"):
        Experts(domains=("law", "law"), router=ByName(domains=()))
    with pytest.raises(ModelError, match="every domain needs its head"):
        write_experts(folder, experts, {"law": ScoreHead(16)})
    (folder / "experts.json").write_text('{"domains": []}')
    with pytest.raises(ModelError, match="does not say"):
        ExpertsRewardModel.load(folder)


def test_a_checkpoint_knows_the_problems_that_taught_it(folder: Path, learnable) -> None:
    known = read_trained_on(folder)
    assert known == {problem_key(problem) for problem, _ in learnable}
    assert refuse_training_problems(folder, [Problem(id="new", text="another one")])
    with pytest.raises(ConfigError, match="1 problems also taught the model"):
        refuse_training_problems(folder, [learnable[0][0], Problem(id="new", text="another one")])
    assert read_trained_on(folder.parent) is None
    assert not refuse_training_problems(folder.parent, [learnable[0][0]]), "a folder that says nothing refuses nothing"
