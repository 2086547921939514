"""Diagnostics are what their papers define: identities, and closed forms."""

import math

import pytest
import torch
from scipy.special import hyp0f1
from torch import Tensor

from framegate.ssl.diagnostics import (
    BINS,
    Similarities,
    alignment,
    collapse,
    effective_rank,
    embedding_diagnostics,
    queue_age,
    sample_similarities,
    similarity_histogram,
    standard_deviation,
    uniformity,
)
from tests.ssl.tiny_backbone import unit_rows


def basis(count: int, dim: int) -> Tensor:
    return torch.eye(dim)[:count]


def test_alignment_is_zero_for_equal_views_two_for_orthogonal_and_four_for_opposite_ones() -> None:
    rows = unit_rows(20)
    assert alignment(rows, rows).item() == 0
    assert alignment(basis(3, 6), basis(6, 6)[3:]).item() == pytest.approx(2)
    assert alignment(rows, -rows).item() == pytest.approx(4, abs=1e-5)


def test_alignment_is_two_less_twice_the_mean_similarity() -> None:
    first, second = unit_rows(20), unit_rows(20, seed=1)
    assert alignment(first, second).item() == pytest.approx(2 - 2 * (first * second).sum(dim=1).mean().item(), abs=1e-5)


def test_uniformity_of_one_point_is_zero() -> None:
    assert uniformity(unit_rows(1).expand(30, -1)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("dim", [3, 16, 128])
def test_uniformity_of_a_full_sphere_is_its_closed_form(dim: int) -> None:
    """The mean of exp(−2 |x − y|²) = exp(−4) · exp(4 x·y) over the sphere is exp(−4) · 0F1(dim / 2; 4)."""
    expected = math.log(hyp0f1(dim / 2, 4)) - 4
    assert uniformity(unit_rows(1000, dim)).item() == pytest.approx(expected, abs=0.05)
    if dim == 128:
        assert expected == pytest.approx(-4 + 8 / dim, abs=0.01)


def test_spread_is_one_on_a_full_sphere_and_zero_at_a_point() -> None:
    assert standard_deviation(unit_rows(2000, 64)).item() == pytest.approx(1, abs=0.01)
    assert standard_deviation(unit_rows(1).expand(30, -1)).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_rank_of_orthogonal_rows_is_their_number(count: int) -> None:
    assert effective_rank(basis(count, 9)).item() == pytest.approx(count, abs=1e-3)
    assert effective_rank(basis(count, 9).repeat(5, 1)).item() == pytest.approx(count, abs=1e-3)


def test_what_shares_a_querys_source_is_no_negative_of_it() -> None:
    queries, keys = basis(2, 4), basis(4, 4)
    found = sample_similarities(queries, queries, torch.tensor([7, 8]), keys, torch.tensor([7, 8, 9, 9]))
    assert found.positive.tolist() == [1, 1]
    assert found.negative.tolist() == [0] * 6  # 2 × 4, less each query's own
    # The batch's own queries serve where no keys are kept.
    inside = sample_similarities(queries, queries, torch.tensor([7, 8]), keys[:0], torch.empty(0, dtype=torch.long))
    assert inside.negative.tolist() == [0, 0]


def test_of_many_keys_a_sample_is_enough() -> None:
    sources = torch.arange(256)
    found = sample_similarities(unit_rows(256), unit_rows(256), sources, unit_rows(4096, seed=1), torch.arange(4096))
    assert 100_000 < len(found.negative) <= 2**17
    assert found.negative.mean().item() == pytest.approx(0, abs=0.02)


def test_a_histogram_counts_everything_once_its_ends_included() -> None:
    counts = similarity_histogram(torch.tensor([-1.0000001, -1.0, 0.01, 1.0, 1.0000002]))
    assert len(counts) == BINS
    assert (counts[0], counts[BINS // 2], counts[-1], sum(counts)) == (2, 1, 2, 5)


def test_diagnostics_of_random_rows_are_those_of_a_full_sphere() -> None:
    rows, others = unit_rows(500, 32), unit_rows(500, 32, seed=1)
    sources = torch.arange(500)
    figures = embedding_diagnostics(rows, others, sample_similarities(rows, others, sources, others, sources))
    assert figures["alignment"] == pytest.approx(2, abs=0.05)
    assert figures["embedding_rank"] > 31
    assert figures["negative_p50"] == pytest.approx(0, abs=0.02)
    # A similarity of random unit vectors has a standard deviation of 1 / √dim.
    assert figures["negative_p95"] == pytest.approx(1.645 / math.sqrt(32), abs=0.02)
    assert all(isinstance(value, float) and math.isfinite(value) for value in figures.values())


def test_of_a_batch_without_embeddings_nothing_is_said() -> None:
    none = torch.empty(0, 6)
    assert embedding_diagnostics(none, none, Similarities(torch.empty(0), torch.empty(0))) == {}
    alone = sample_similarities(none, none, torch.empty(0).long(), none, torch.empty(0).long())
    assert len(alone.positive) == len(alone.negative) == 0


def test_the_oldest_key_is_as_old_as_the_steps_that_filled_the_queue() -> None:
    assert queue_age(0, 128) == 0
    assert queue_age(4096, 128) == 32


def rows_with(*, std: list[float], rank: list[float]) -> list[dict]:
    return [
        {"step": 10 * (n + 1), "embedding_std": s, "embedding_rank": r}
        for n, (s, r) in enumerate(zip(std, rank, strict=True))
    ]


def test_a_collapse_is_called_out_in_words_once_three_rows_agree() -> None:
    assert collapse([]) is None
    assert collapse(rows_with(std=[0.9, 0.05, 0.05], rank=[30, 30, 30])) is None
    point = collapse(rows_with(std=[0.9, 0.05, 0.05, 0.04], rank=[30, 30, 30, 30]))
    assert point is not None
    assert "collapsed to a point at step 40" in point
    assert "0.040" in point
    line = collapse(rows_with(std=[0.9] * 4, rank=[30, 1.2, 1.2, 1.2]))
    assert line is not None
    assert "collapsed to a line" in line


def test_what_recovers_or_only_begins_low_has_not_collapsed() -> None:
    assert collapse(rows_with(std=[0.01, 0.02, 0.03], rank=[1, 1, 1])) is None
    assert collapse(rows_with(std=[0.9, 0.05, 0.05, 0.05, 0.3], rank=[30] * 5)) is None
    assert collapse([{"step": n, "loss": 1.0} for n in range(9)]) is None
