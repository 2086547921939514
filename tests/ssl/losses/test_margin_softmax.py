"""Margin softmax: equal to its definition written out, and to itself over a sample that holds all classes."""

import math

import pytest
import torch
from torch import Tensor

from framegate.ssl.losses.margin_softmax import Margin, margin_softmax, sample_classes
from tests.ssl.tiny_backbone import unit_rows


def by_definition(cosines: Tensor, targets: Tensor, *, margin: float, kind: Margin, temperature: float) -> Tensor:
    """Row by row, as the papers' formulas read, with an arc cosine."""
    losses = []
    for row, own in zip(cosines.tolist(), targets.tolist(), strict=True):
        harder = row[own] - margin if kind == "cosface" else math.cos(math.acos(row[own]) + margin)
        others = sum(math.exp(value / temperature) for number, value in enumerate(row) if number != own)
        losses.append(-math.log(math.exp(harder / temperature) / (math.exp(harder / temperature) + others)))
    return torch.tensor(losses, dtype=torch.float64)


@pytest.mark.parametrize("kind", ["cosface", "arcface"])
def test_it_is_the_papers_formula(kind: Margin) -> None:
    cosines = 0.8 * (unit_rows(10) @ unit_rows(7, seed=1).T)  # own angles stay below π − m
    targets = torch.arange(10) % 7
    options = {"margin": 0.3, "kind": kind, "temperature": 0.1}
    torch.testing.assert_close(margin_softmax(cosines, targets, **options), by_definition(cosines, targets, **options))


def test_without_a_margin_both_kinds_are_the_softmax() -> None:
    cosines, targets = unit_rows(10) @ unit_rows(7, seed=1).T, torch.arange(10) % 7
    softmax = torch.nn.functional.cross_entropy(cosines / 0.1, targets, reduction="none")
    for kind in ("cosface", "arcface"):
        found = margin_softmax(cosines, targets, margin=0.0, kind=kind, temperature=0.1)
        torch.testing.assert_close(found, softmax)


@pytest.mark.parametrize("kind", ["cosface", "arcface"])
def test_a_row_nearer_its_centre_never_loses_more(kind: Margin) -> None:
    """Even at opposite poles, where cos(θ + m) would rise again, and with a finite gradient at both poles."""
    own = torch.linspace(-1, 1, 401, dtype=torch.float64, requires_grad=True)
    cosines = torch.stack([own, torch.zeros_like(own)], dim=1)
    targets = torch.zeros(len(own), dtype=torch.long)
    losses = margin_softmax(cosines, targets, margin=0.5, kind=kind, temperature=0.5)
    assert bool((losses.diff() < 0).all())
    (gradient,) = torch.autograd.grad(losses.sum(), own)
    assert bool(gradient.isfinite().all())


def test_a_sample_holds_every_target_and_is_filled_up_evenly() -> None:
    targets = torch.tensor([3, 99, 3, -1, 40])
    drawn = torch.zeros(100)
    for seed in range(400):
        classes = sample_classes(targets, classes=100, size=20, generator=torch.Generator().manual_seed(seed))
        assert classes.tolist() == sorted(set(classes.tolist()))
        assert len(classes) == 20
        assert {3, 40, 99} <= set(classes.tolist())
        drawn[classes] += 1
    others = torch.ones(100, dtype=torch.bool)
    others[[3, 40, 99]] = False
    # 17 of 97 places a draw: 70 times in 400, give or take 7.6.
    assert drawn[others].mean().item() == pytest.approx(400 * 17 / 97)
    assert 70 - 5 * 7.6 < drawn[others].min() < drawn[others].max() < 70 + 5 * 7.6


def test_a_sample_has_room_for_all_targets_and_no_more_than_all_classes() -> None:
    generator = torch.Generator().manual_seed(0)
    targets = torch.arange(30)
    assert set(targets.tolist()) <= set(sample_classes(targets, classes=50, size=4, generator=generator).tolist())
    assert sample_classes(targets, classes=31, size=400, generator=generator).tolist() == list(range(31))
