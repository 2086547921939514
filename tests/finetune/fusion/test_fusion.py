import itertools
from dataclasses import replace

import pytest
import torch

from framegate.finetune.fusion.fusion import FusionConfig, ReliabilityFusion, StreamStates, make_fusion, present_softmax
from framegate.finetune.streams.quality import QUALITIES, quality
from framegate.finetune.taxonomy.hierarchy import Hierarchy
from framegate.finetune.taxonomy.taxonomy import Node, Taxonomy

HIERARCHY = Hierarchy(Taxonomy((Node("a"), Node("b"), Node("a1", "a"), Node("a2", "a"))))
NAMES = ["reliability", "gmu", "concat", "mean", "attention"]


def make_states(batch=5, width=8, dtype=torch.float32):
    torch.manual_seed(0)
    present = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0], [0, 1, 1]], dtype=torch.bool)[:batch]
    return StreamStates(
        hidden=torch.randn(batch, 3, width, dtype=dtype) * present.unsqueeze(-1),
        present=present,
        quality=torch.randn(batch, 3, QUALITIES, dtype=dtype),
        log_probs=HIERARCHY.log_probs(torch.randn(batch, 3, 4, dtype=dtype)),
        prior=HIERARCHY.log_probs(torch.randn(4, dtype=dtype)),
    )


@pytest.mark.parametrize("name", NAMES)
def test_reliabilities_sum_to_one_over_the_present_alone(name):
    states = make_states()
    fused = make_fusion(FusionConfig(name=name, width=8), 3, HIERARCHY).eval()(states)
    assert fused.reliability[~states.present].eq(0).all()
    torch.testing.assert_close(fused.reliability.sum(dim=1), states.present.any(dim=1).float())
    assert fused.vector[3].eq(0).all()
    assert torch.isfinite(fused.vector).all()


@pytest.mark.parametrize("name", NAMES)
def test_what_an_absent_stream_holds_changes_nothing(name):
    states = make_states()
    fusion = make_fusion(FusionConfig(name=name, width=8), 3, HIERARCHY).eval()
    absent = ~states.present.unsqueeze(-1)
    other = replace(
        states,
        quality=torch.where(absent, 7.0, states.quality),
        log_probs=torch.where(absent, -7.0, states.log_probs),
    )
    torch.testing.assert_close(fusion(other).vector, fusion(states).vector)


def test_the_softmax_over_the_present():
    score = torch.tensor([[1.0, 5.0, 2.0]])
    present = torch.tensor([[True, False, True]])
    expected = torch.tensor([1.0, 2.0]).softmax(dim=0)
    torch.testing.assert_close(present_softmax(score, present), torch.tensor([[expected[0], 0.0, expected[1]]]))


def slow_posterior(odds, gain, prior):
    """p(leaf) and p(o_m) of one clip, from the definition: a sum over all cases of which modalities are its own."""
    cases = list(itertools.product([0, 1], repeat=len(odds)))
    joint = torch.stack(
        [
            prior * torch.stack([torch.exp(odds[m] + gain[m]) ** own for m, own in enumerate(case)]).prod(0)
            for case in cases
        ]
    )  # (cases, leaves)
    joint = joint / joint.sum()
    owned = torch.stack([joint[[case[m] == 1 for case in cases]].sum() for m in range(len(odds))])
    return joint.sum(dim=0), owned


def test_trust_and_evidence_are_the_sum_over_all_cases_of_who_is_right():
    states = make_states(dtype=torch.float64)
    fusion = make_fusion(FusionConfig(width=8), 3, HIERARCHY).double().eval()  # in training, dropout draws anew
    for mlp in fusion.odds:
        torch.nn.init.normal_(mlp[-1].weight)
    with torch.no_grad():
        fusion.log_sharpness.copy_(torch.tensor([0.3, -0.2, 0.1]))
        fused = fusion(states)
        odds = fusion.log_odds(states)
    leaves = HIERARCHY.leaves
    gain = (states.log_probs - states.prior)[..., leaves] * fusion.log_sharpness.exp().view(3, 1)
    for clip in (0, 1, 2, 4):  # there is nothing to trust in 3
        here = states.present[clip]
        posterior, owned = slow_posterior(odds[clip][here], gain[clip][here], states.prior[leaves].exp())
        torch.testing.assert_close(fused.verdict[clip].exp(), posterior.detach(), rtol=0, atol=1e-10)
        torch.testing.assert_close(fused.trust[clip][here], owned.detach(), rtol=0, atol=1e-10)


def test_the_vector_is_the_units_by_the_root_of_their_trust_which_learns_nothing_from_it():
    states = make_states(dtype=torch.float64)
    fusion = make_fusion(FusionConfig(width=8), 3, HIERARCHY).double()
    fused = fusion(states)
    units = fusion.units
    for clip, hidden in enumerate(states.hidden):
        gate = torch.sigmoid(units.gates.weight @ hidden.flatten() + units.gates.bias).view(3, 8)
        expected = sum(
            fused.trust[clip, m] ** 0.5 * gate[m] * torch.tanh(layer.weight @ hidden[m] + layer.bias)
            for m, layer in enumerate(units.transforms)
        )
        torch.testing.assert_close(fused.vector[clip], expected, rtol=0, atol=1e-10)
    fused.vector.sum().backward()
    assert fusion.log_sharpness.grad is None
    assert all(parameter.grad is None for parameter in fusion.odds.parameters())


def test_the_one_that_disagrees_is_trusted_least():
    states = make_states(batch=1)
    log_probs = HIERARCHY.log_probs(torch.tensor([[6.0, 0, 6, 0], [6, 0, 6, 0], [6, 0, 0, 6]])).unsqueeze(0)
    fused = ReliabilityFusion(8, 3, HIERARCHY)(replace(states, log_probs=log_probs))
    assert fused.trust[0, 2] < 0.2 < 0.9 < fused.trust[0, 0]
    assert fused.verdict[0].argmax() == HIERARCHY.leaves.tolist().index(2)


def test_the_look_of_a_stream_teaches_it_nothing():
    states = make_states()
    hidden = states.hidden.clone().requires_grad_()
    fusion = ReliabilityFusion(8, 3, HIERARCHY)
    for mlp in fusion.odds:
        torch.nn.init.normal_(mlp[-1].weight)
    fusion.log_odds(replace(states, hidden=hidden)).sum().backward()
    assert hidden.grad is None


def test_trust_learns_from_half_of_a_streams_vector_and_answers_by_all_of_it():
    fusion = ReliabilityFusion(8, 3, HIERARCHY)
    hidden = torch.randn(4000, 3, 8)
    assert (fusion.train().look(hidden) != 0).float().mean() == pytest.approx(0.5, abs=0.02)
    assert bool((fusion.eval().look(hidden) != 0).all())


def test_quality_tells_noise_stillness_and_number():
    usual, mask = (
        torch.randn(1, 50, 64, generator=torch.Generator().manual_seed(0)),
        torch.ones(1, 50, dtype=torch.bool),
    )
    still = usual[:, :1].expand(-1, 50, -1)
    count, strangeness, variation = quality(usual, mask)[0]
    assert count == torch.tensor(51.0).log()
    assert abs(strangeness) < 0.1
    assert quality(3 * usual, mask)[0, 1] > strangeness + 2
    assert quality(still, mask)[0, 2] < variation - 5
    assert quality(usual, ~mask).eq(0).all()
