import math

import pytest
import torch

from framegate.ssl.info_nce import Negatives, info_nce, same_source
from framegate.ssl.queue import EMPTY
from tests.ssl.tiny_backbone import unit_rows

TAU = 0.2


def slow_info_nce(query, key, negatives, excluded, temperature):
    """−log of the positive's share, query by query."""
    losses = []
    for i in range(len(query)):
        positive = math.exp(float(query[i] @ key[i]) / temperature)
        others = [
            math.exp(float(query[i] @ negatives[j]) / temperature) for j in range(len(negatives)) if not excluded[i, j]
        ]
        losses.append(-math.log(positive / (positive + sum(others))))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
def test_the_loss_is_the_positives_share_of_all_exponentials(temperature):
    query, key, negatives = unit_rows(5, seed=1), unit_rows(5, seed=2), unit_rows(11, seed=3)
    excluded = torch.rand(5, 11, generator=torch.Generator().manual_seed(4)) < 0.3
    expected = slow_info_nce(query, key, negatives, excluded, temperature)
    assert info_nce(query, key, Negatives(negatives, excluded), temperature=temperature).item() == pytest.approx(
        expected, rel=1e-12
    )


def test_a_key_of_the_querys_own_source_is_no_negative():
    query, key, queue = unit_rows(2, seed=1), unit_rows(2, seed=2), unit_rows(6, seed=3)
    sources, queue_sources = torch.tensor([7, 8]), torch.tensor([1, 7, 2, 8, 3, 4])
    kept_by_first = queue[queue_sources != 7]

    def loss(negatives, negative_sources):
        excluded = same_source(sources[:1], negative_sources)
        return info_nce(query[:1], key[:1], Negatives(negatives, excluded), temperature=TAU)

    assert torch.equal(loss(queue, queue_sources), loss(kept_by_first, queue_sources[queue_sources != 7]))


def test_a_key_of_another_source_is_a_negative():
    excluded = same_source(torch.tensor([7, 8]), torch.tensor([7, 8, 9, EMPTY]))
    assert excluded.tolist() == [[True, False, False, True], [False, True, False, True]]


def test_empty_slots_change_neither_loss_nor_gradient():
    key, queue = unit_rows(3, seed=2), unit_rows(4, seed=3)
    sources = torch.tensor([10, 11, 12])
    gradients, losses = [], []
    for empty in (0, 5):
        query = unit_rows(3, seed=1).requires_grad_()
        negatives = torch.cat([queue, torch.zeros(empty, 6, dtype=torch.float64)])
        negative_sources = torch.cat([torch.arange(4), torch.full((empty,), EMPTY)])
        loss = info_nce(query, key, Negatives(negatives, same_source(sources, negative_sources)), temperature=TAU)
        losses.append(loss.detach())
        gradients.append(torch.autograd.grad(loss, query)[0])
    torch.testing.assert_close(losses[0], losses[1], rtol=1e-14, atol=0)
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-12, atol=1e-15)


def test_a_query_without_any_negative_contributes_zero_and_no_gradient():
    query = unit_rows(2, seed=1).requires_grad_()
    excluded = torch.tensor([[True, True, True], [False, False, True]])
    loss = info_nce(query, unit_rows(2, seed=2), Negatives(unit_rows(3, seed=3), excluded), temperature=TAU)
    (gradient,) = torch.autograd.grad(loss, query)
    assert not gradient[0].any()
    assert gradient[1].abs().max() > 0.01
    alone = info_nce(
        query[1:], unit_rows(2, seed=2)[1:], Negatives(unit_rows(3, seed=3), excluded[1:]), temperature=TAU
    )
    assert loss.item() == pytest.approx(alone.item() / 2)


def test_negatives_in_two_sets_count_as_one():
    query, key, negatives = unit_rows(4, seed=1), unit_rows(4, seed=2), unit_rows(9, seed=3)
    excluded = torch.rand(4, 9, generator=torch.Generator().manual_seed(4)) < 0.3
    together = info_nce(query, key, Negatives(negatives, excluded), temperature=TAU)
    sets = [Negatives(negatives[part], excluded[:, part]) for part in (slice(0, 2), slice(2, 9))]
    torch.testing.assert_close(info_nce(query, key, *sets, temperature=TAU), together, rtol=1e-14, atol=0)


def test_half_precision_around_it_does_not_make_similarities_coarse():
    query, key, negatives = (unit_rows(n, 128, seed=n).float() for n in (4, 5, 64))
    kept = Negatives(negatives, torch.zeros(4, 64, dtype=torch.bool))
    exact = info_nce(query, key[:4], kept, temperature=0.07)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(info_nce(query, key[:4], kept, temperature=0.07), exact)
