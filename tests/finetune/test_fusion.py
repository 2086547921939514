import pytest
import torch

from framegate.finetune.fusion import FusionConfig, ReliabilityFusion, StreamStates, make_fusion, present_softmax
from framegate.finetune.hierarchy import Hierarchy
from framegate.finetune.quality import QUALITIES, quality
from framegate.finetune.taxonomy import Node, Taxonomy

HIERARCHY = Hierarchy(Taxonomy((Node("a"), Node("b"), Node("a1", "a"), Node("a2", "a"))))
NAMES = ["reliability", "gmu", "concat", "mean", "attention"]


def make_states(batch=5, width=8):
    torch.manual_seed(0)
    present = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 0, 0], [0, 1, 1]], dtype=torch.bool)[:batch]
    return StreamStates(
        hidden=torch.randn(batch, 3, width) * present.unsqueeze(-1),
        present=present,
        quality=torch.randn(batch, 3, QUALITIES),
        log_probs=HIERARCHY.log_probs(torch.randn(batch, 3, 4)),
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
    other = StreamStates(
        hidden=states.hidden,
        present=states.present,
        quality=torch.where(absent, 7.0, states.quality),
        log_probs=torch.where(absent, -7.0, states.log_probs),
    )
    torch.testing.assert_close(fusion(other).vector, fusion(states).vector)


def test_the_softmax_over_the_present():
    score = torch.tensor([[1.0, 5.0, 2.0]])
    present = torch.tensor([[True, False, True]])
    expected = torch.tensor([1.0, 2.0]).softmax(dim=0)
    torch.testing.assert_close(present_softmax(score, present), torch.tensor([[expected[0], 0.0, expected[1]]]))


def test_agreement_is_the_overlap_of_two_predictions_by_level():
    states = make_states()
    fusion = ReliabilityFusion(8, 3, HIERARCHY)
    agreement = fusion.agreement(states).view(5, 3, 2, 3)  # clip, stream, level, other
    p = states.log_probs[0].exp()
    for level in (1, 2):
        nodes = HIERARCHY.nodes_at(level)
        expected = ((p[0, nodes] * p[2, nodes]).sqrt().sum() + 1e-3).log()
        torch.testing.assert_close(agreement[0, 0, level - 1, 2], expected)
        torch.testing.assert_close(agreement[0, 2, level - 1, 0], expected)
    assert agreement[0, 1, :, 1].eq(0).all()  # with itself
    assert agreement[1, 0, :, 1].eq(0).all()  # with the absent


def test_agreement_and_confidence_teach_the_streams_nothing():
    states = make_states()
    log_probs = states.log_probs.clone().requires_grad_()
    fusion = ReliabilityFusion(8, 3, HIERARCHY)
    fused = fusion(
        StreamStates(hidden=states.hidden, present=states.present, quality=states.quality, log_probs=log_probs)
    )
    fused.vector.sum().backward()
    assert log_probs.grad is None


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
