import copy

import pytest
import timm
import torch
from timm.layers import BatchNormAct2d
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from framegate.ssl.modules.batch_norm import GROUP, LEAST, set_batch_norm


def split_norm(channels: int = 4) -> nn.BatchNorm2d:
    return set_batch_norm(nn.Sequential(nn.BatchNorm2d(channels)), "split")[0]


def images(count: int) -> torch.Tensor:
    return torch.randn(count, 4, 3, 3, generator=torch.Generator().manual_seed(0)) * 2 + 1


def test_a_groups_output_depends_on_its_own_rows_only():
    norm, x = split_norm(), images(3 * GROUP)
    with_others = norm(x)
    changed = x.clone()
    changed[GROUP : 2 * GROUP] += torch.randn(GROUP, 4, 3, 3)
    after = norm(changed)
    assert torch.equal(after[:GROUP], with_others[:GROUP])
    assert torch.equal(after[2 * GROUP :], with_others[2 * GROUP :])
    assert not torch.allclose(after[GROUP : 2 * GROUP], with_others[GROUP : 2 * GROUP])


def test_each_group_is_normalised_as_a_batch_of_its_own():
    norm, plain, x = split_norm(), nn.BatchNorm2d(4), images(2 * GROUP + 5)
    expected = torch.cat([plain(group) for group in x.tensor_split(2)])
    assert torch.equal(norm(x), expected)


@pytest.mark.parametrize("format", [torch.contiguous_format, torch.channels_last])
def test_gradients_are_those_of_the_groups_alone(format):
    x = images(2 * GROUP + 5).double().to(memory_format=format)
    weight = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).double()
    gradients = []
    for forward in (split_norm().double(), nn.BatchNorm2d(4).double()):
        rows = x.clone().requires_grad_()
        parts = [rows] if len(gradients) == 0 else rows.tensor_split(2)
        (torch.cat([forward(part) for part in parts]) * weight).sum().backward()
        gradients.append((rows.grad, forward.weight.grad, forward.bias.grad))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_a_norm_without_weights_is_split_like_one_whose_weights_are_one():
    x = images(2 * GROUP + 5).double()
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(1)).double()
    results = []
    for affine in (False, True):
        norm = set_batch_norm(nn.Sequential(nn.BatchNorm2d(4, affine=affine)), "split")[0].double()
        rows = x.clone().requires_grad_()
        out = norm(rows)
        (out * direction).sum().backward()
        results.append((out.detach(), rows.grad, norm.running_mean, norm.running_var))
    for without, with_ones in zip(*results, strict=True):
        torch.testing.assert_close(without, with_ones, rtol=1e-12, atol=1e-12)


def test_half_precision_activations_are_normalised_by_single_precision_statistics():
    x = images(2 * GROUP)
    norm = split_norm()
    expected = norm(x)
    half = x.bfloat16().requires_grad_()
    out = norm(half)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected, rtol=0.02, atol=0.02)
    out.sum().backward()
    assert half.grad.dtype == torch.bfloat16 and norm.weight.grad.dtype == torch.float32


def test_a_small_batch_is_cut_in_two_so_that_its_pairing_stays_hidden():
    x = images(2 * LEAST)
    halves = [nn.BatchNorm2d(4)(half) for half in x.chunk(2)]
    assert torch.equal(split_norm()(x), torch.cat(halves))


def test_a_batch_too_small_to_be_cut_is_one_group():
    x = images(2 * LEAST - 1)
    assert torch.equal(split_norm()(x), nn.BatchNorm2d(4)(x))


def test_all_groups_of_a_batch_move_running_statistics_as_far_as_one_batch_does():
    norm, plain, x = split_norm(), nn.BatchNorm2d(4), images(8 * GROUP)
    norm(x)
    plain(x)
    torch.testing.assert_close(norm.running_mean, plain.running_mean, rtol=0.05, atol=0)
    torch.testing.assert_close(norm.running_var - 1, plain.running_var - 1, rtol=0.05, atol=0)


def test_running_statistics_are_close_to_those_of_one_batch():
    norm, plain = split_norm(), nn.BatchNorm2d(4)
    for seed in range(50):
        x = torch.randn(8 * GROUP, 4, 3, 3, generator=torch.Generator().manual_seed(seed)) * 2 + 1
        norm(x)
        plain(x)
    torch.testing.assert_close(norm.running_mean, plain.running_mean, rtol=0.02, atol=0.02)
    torch.testing.assert_close(norm.running_var, plain.running_var, rtol=0.02, atol=0)
    assert norm.momentum == plain.momentum


def test_evaluation_is_that_of_plain_batch_norm():
    plain = nn.BatchNorm2d(4)
    plain(images(100))
    norm = set_batch_norm(copy.deepcopy(plain), "split")
    x = images(3 * GROUP)
    assert torch.equal(norm.eval()(x), plain.eval()(x))


@pytest.mark.parametrize("name", ["resnet10t", "efficientnet_lite0"])
def test_a_networks_parameters_and_names_stay(name):
    torch.manual_seed(0)
    network = timm.create_model(name, num_classes=0)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    after = set_batch_norm(network, "split").state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_norms_that_hold_their_activation_are_split_too():
    network = set_batch_norm(timm.create_model("efficientnet_lite0", num_classes=0), "split")
    norm = network.bn1
    assert isinstance(norm, timm.layers.BatchNormAct2d)
    x = torch.randn(2 * GROUP, 32, 2, 2, generator=torch.Generator().manual_seed(0))
    with_others = norm(x)
    x[GROUP:] += 3
    assert torch.equal(norm(x)[:GROUP], with_others[:GROUP])
    assert with_others.min() == 0  # its ReLU6 is still there


def test_splitting_twice_splits_once():
    norm = split_norm()
    kind = type(norm)
    assert type(set_batch_norm(norm, "split")) is kind


def test_a_split_network_can_be_copied():
    norm = split_norm()
    twin = copy.deepcopy(norm)
    assert torch.equal(norm(images(2 * GROUP)), twin(images(2 * GROUP)))


def test_channels_last_stays_channels_last():
    x = images(2 * GROUP).to(memory_format=torch.channels_last)
    out = split_norm()(x)
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert not out.is_contiguous()


def test_plain_leaves_norms_as_they_are_and_sync_replaces_them():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    assert type(set_batch_norm(network, "plain")[1]) is nn.BatchNorm2d
    assert type(set_batch_norm(network, "sync")[1]) is nn.SyncBatchNorm


def test_synchronised_norms_keep_the_activation_they_hold():
    torch.manual_seed(0)
    network = timm.create_model("efficientnet_lite0", num_classes=0)
    x = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    expected = copy.deepcopy(network).train()(x)
    synchronised = set_batch_norm(network, "sync").train()
    assert any(isinstance(module, nn.SyncBatchNorm) for module in synchronised.modules())
    torch.testing.assert_close(synchronised(x), expected, rtol=1e-4, atol=1e-5)


def test_a_silu_after_a_split_norm_is_the_plain_one_and_nothing_is_copied_for_its_gradient():
    x = images(2 * GROUP)
    plain = BatchNormAct2d(4, act_layer=nn.SiLU, inplace=True)
    split = set_batch_norm(nn.Sequential(copy.deepcopy(plain)), "split")[0]
    gradients = []
    for norm, parts in ((plain, x.tensor_split(2)), (split, (x,))):
        rows = [part.clone().requires_grad_() for part in parts]
        with Counted() as counted:
            outputs = [norm(part) for part in rows]
        torch.cat(outputs).square().sum().backward()
        gradients.append((torch.cat([part.grad for part in rows]), torch.cat(outputs), counted.clones))
    torch.testing.assert_close(gradients[1][:2], gradients[0][:2])
    assert gradients[0][2] > 0  # so timm's own does copy
    assert gradients[1][2] == 0


class Counted(TorchDispatchMode):
    """Counts the tensors that are cloned."""

    clones = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.clones += func is torch.ops.aten.clone.default
        return func(*args, **(kwargs or {}))
