import math

import pytest
import torch

from framegate.ssl.probes.knn import knn_predict


def slow_knn(memory, labels, queries, *, k, temperature):
    """Every similarity by itself, sorted in Python."""
    predictions = []
    for query in queries.tolist():
        similarities = []
        for row, label in zip(memory.tolist(), labels.tolist(), strict=True):
            product = sum(a * b for a, b in zip(query, row, strict=True))
            similarities.append((product / math.hypot(*query) / math.hypot(*row), label))
        votes: dict[int, float] = {}
        for similarity, label in sorted(similarities, reverse=True)[:k]:
            votes[label] = votes.get(label, 0.0) + math.exp(similarity / temperature)
        predictions.append(max(votes, key=lambda label: votes[label]))
    return torch.tensor(predictions)


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_votes_are_those_of_a_plain_count(k, temperature):
    random = torch.Generator().manual_seed(0)
    memory = torch.randn(60, 4, generator=random, dtype=torch.float64) * 3
    queries = torch.randn(40, 4, generator=random, dtype=torch.float64)
    labels = torch.randint(0, 5, (60,), generator=random)
    expected = slow_knn(memory, labels, queries, k=k, temperature=temperature)
    assert torch.equal(knn_predict(memory, labels, queries, k=k, temperature=temperature), expected)


def test_chunks_change_nothing():
    random = torch.Generator().manual_seed(1)
    memory, queries = torch.randn(30, 4, generator=random), torch.randn(17, 4, generator=random)
    labels = torch.randint(0, 3, (30,), generator=random)
    assert torch.equal(knn_predict(memory, labels, queries, chunk=5), knn_predict(memory, labels, queries))


def test_of_a_memory_smaller_than_k_all_vote():
    memory = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]])
    labels = torch.tensor([4, 2, 2])
    assert knn_predict(memory, labels, torch.tensor([[0.0, 2.0], [5.0, 0.0]]), k=20).tolist() == [2, 4]


def test_a_tiny_temperature_follows_the_nearest_and_does_not_overflow():
    memory = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.9, 0.2]])
    labels = torch.tensor([0, 1, 1])
    assert knn_predict(memory, labels, torch.tensor([[1.0, 0.0]]), k=3, temperature=1e-4).tolist() == [0]
