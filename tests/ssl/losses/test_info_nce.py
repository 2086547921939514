import math

import pytest
import torch

import framegate.ssl.losses.info_nce as module
from framegate.ssl.losses.info_nce import Rows, info_nce, same_source
from framegate.ssl.modules.key_queue import EMPTY
from tests.ssl.tiny_backbone import unit_rows

TAU = 0.2
SOURCES = torch.tensor([7, 8, 7, 1, 2])
QUEUE_SOURCES = torch.tensor([1, 7, 2, 8, 3, 4, EMPTY, 9, 9, EMPTY, 7])


def rows(count: int, *, seed: int, sources: torch.Tensor | None = None) -> Rows:
    return Rows(unit_rows(count, seed=seed), torch.arange(100, 100 + count) if sources is None else sources)


def slow_info_nce(query: Rows, key: torch.Tensor, *others: Rows, temperature: float) -> float:
    """−log of the positive's share, query by query."""
    losses = []
    for i in range(len(key)):
        positive = math.exp(float(query.vectors[i] @ key[i]) / temperature)
        negatives = [
            math.exp(float(query.vectors[i] @ vector) / temperature)
            for vectors, sources in others
            for vector, source in zip(vectors, sources.tolist(), strict=True)
            if source not in (EMPTY, int(query.sources[i]))
        ]
        losses.append(-math.log(positive / (positive + sum(negatives))))
    return sum(losses) / len(losses)


@pytest.fixture
def small_chunks(monkeypatch):
    """The queue takes several chunks, the last one not full."""
    monkeypatch.setattr(module, "CHUNK", 3)


@pytest.mark.parametrize("temperature", [0.02, 0.2, 1.0])
def test_the_loss_is_the_positives_share_of_all_exponentials(temperature, small_chunks):
    query, batch = rows(5, seed=1, sources=SOURCES), rows(5, seed=2, sources=SOURCES)
    queue = rows(11, seed=3, sources=QUEUE_SOURCES)
    for others in ([batch], [batch, queue]):
        loss = info_nce(query, batch.vectors, *others, temperature=temperature)
        expected = slow_info_nce(query, batch.vectors, *others, temperature=temperature)
        assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_a_row_counts_the_same_in_the_queue_and_in_the_batch(small_chunks):
    """Loss and gradient, the queue's own backward pass included, equal those of one ordinary log-sum-exp."""
    key, batch, queue = unit_rows(5, seed=2), rows(4, seed=3), rows(11, seed=4, sources=QUEUE_SOURCES)
    together = Rows(torch.cat([batch.vectors, queue.vectors]), torch.cat([batch.sources, queue.sources]))
    losses, gradients = [], []
    for sets in ([batch, queue], [together]):
        query = unit_rows(5, seed=1).requires_grad_()
        loss = info_nce(Rows(query, SOURCES), key, *sets, temperature=TAU)
        (gradient,) = torch.autograd.grad(3 * loss, query)
        losses.append(loss.detach())
        gradients.append(gradient)
    torch.testing.assert_close(*losses, rtol=1e-13, atol=0)
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-15)


def test_a_key_of_the_querys_own_source_is_no_negative():
    query, key = rows(1, seed=1, sources=torch.tensor([7])), unit_rows(1, seed=2)
    batch, queue = rows(3, seed=5), rows(11, seed=3, sources=QUEUE_SOURCES)
    others = queue.sources != 7
    without = Rows(queue.vectors[others], queue.sources[others])
    torch.testing.assert_close(
        info_nce(query, key, batch, queue, temperature=TAU),
        info_nce(query, key, batch, without, temperature=TAU),
        rtol=1e-14,
        atol=0,
    )


def test_a_key_of_another_source_is_a_negative():
    excluded = same_source(torch.tensor([7, 8, 9, EMPTY]), torch.tensor([7, 8]))
    assert excluded.tolist() == [[True, False], [False, True], [False, False], [True, True]]


def test_an_empty_queue_changes_neither_loss_nor_gradient(small_chunks):
    key, batch = unit_rows(3, seed=2), rows(3, seed=3)
    empty = Rows(torch.zeros(7, 6, dtype=torch.float64), torch.full((7,), EMPTY))
    results = []
    for sets in ([batch], [batch, empty]):
        query = unit_rows(3, seed=1).requires_grad_()
        loss = info_nce(Rows(query, torch.tensor([10, 11, 12])), key, *sets, temperature=TAU)
        results.append((loss.detach(), torch.autograd.grad(loss, query)[0]))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


def test_a_query_without_any_negative_contributes_zero_and_no_gradient():
    query = unit_rows(2, seed=1).requires_grad_()
    sources = torch.tensor([5, 6])
    own = rows(3, seed=3, sources=torch.tensor([5, 5, 5]))
    queue = rows(2, seed=4, sources=torch.tensor([5, EMPTY]))
    loss = info_nce(Rows(query, sources), unit_rows(2, seed=2), own, queue, temperature=TAU)
    (gradient,) = torch.autograd.grad(loss, query)
    assert not gradient[0].any()
    assert gradient[1].abs().max() > 0.01
    second = Rows(query[1:], sources[1:])
    alone = info_nce(second, unit_rows(2, seed=2)[1:], own, queue, temperature=TAU)
    assert loss.item() == pytest.approx(alone.item() / 2)


def test_rows_of_the_batch_get_a_gradient_where_they_want_one():
    batch = unit_rows(4, seed=3).requires_grad_()
    info_nce(rows(2, seed=1), unit_rows(2, seed=2), Rows(batch, torch.arange(4)), temperature=TAU).backward()
    assert batch.grad.abs().min() > 0


def test_half_precision_around_it_does_not_make_similarities_coarse():
    query, key, negatives, queue = (unit_rows(n, 128, seed=n).float() for n in (4, 5, 64, 65))
    sets = [Rows(negatives, torch.arange(64)), Rows(queue, torch.arange(65))]
    exact = info_nce(Rows(query, torch.arange(100, 104)), key[:4], *sets, temperature=0.07)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(info_nce(Rows(query, torch.arange(100, 104)), key[:4], *sets, temperature=0.07), exact)
