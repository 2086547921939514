"""Batch norm statistics taken anew."""

import copy

import pytest
import torch
from torch import nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.recalibrate import recalibrate_batch_norm
from framegate.ssl.modules.batch_norm import set_batch_norm


def rows(count: int) -> torch.Tensor:
    return 3 + 2 * torch.randn(count, 5, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sizes", [[12], [4, 4, 4], [1, 9, 2]])
def test_statistics_are_those_of_all_rows_however_they_are_cut(sizes: list[int]):
    norm = nn.BatchNorm2d(5)
    images = rows(12)
    recalibrate_batch_norm(nn.Sequential(nn.Identity(), norm), images.split(sizes))
    flat = images.movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(norm.running_mean, flat.mean(dim=0), rtol=1e-6, atol=0)
    torch.testing.assert_close(norm.running_var, flat.var(dim=0), rtol=1e-6, atol=0)


def test_with_one_batch_every_layer_gets_what_training_on_it_at_momentum_1_would_leave():
    torch.manual_seed(0)
    backbone = Backbone("resnet10t", image_size=32)
    other = copy.deepcopy(backbone).train()
    for module in other.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    images = torch.rand(16, 3, 32, 32)
    with torch.no_grad():
        other(images)
    recalibrate_batch_norm(backbone, [images])
    for (name, found), expected in zip(backbone.named_buffers(), other.buffers(), strict=True):
        if "running" in name:
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_but_the_statistics_changes(training: bool):
    torch.manual_seed(0)
    backbone = set_batch_norm(Backbone("resnet10t", image_size=32), "split").train(training)
    before = {key: tensor.clone() for key, tensor in backbone.state_dict().items()}
    recalibrate_batch_norm(backbone, [torch.rand(32, 3, 32, 32)])
    changed = {key for key, tensor in backbone.state_dict().items() if not torch.equal(tensor, before[key])}
    assert {key.rpartition(".")[2] for key in changed} == {"running_mean", "running_var", "num_batches_tracked"}
    assert all(module.training == training for module in backbone.modules())


def test_without_batches_nothing_is_known_and_without_norms_nothing_is_needed():
    with pytest.raises(ValueError, match="no batches"):
        recalibrate_batch_norm(nn.BatchNorm1d(3), [])
    recalibrate_batch_norm(nn.Linear(3, 3), [])
