import pytest
import timm
import torch
from torch import nn

from framegate.ssl.modules.key_encoder import KeyEncoder
from tests.ssl.tiny_backbone import TinyBackbone, pictures


def test_it_starts_as_a_copy_that_shares_nothing():
    query = TinyBackbone(nn.BatchNorm2d)
    key = KeyEncoder(query)
    for mine, its in zip(key.encoder.state_dict().values(), query.state_dict().values(), strict=True):
        assert torch.equal(mine, its)
        assert mine.data_ptr() != its.data_ptr()
    assert not any(parameter.requires_grad for parameter in key.parameters())
    assert all(parameter.requires_grad for parameter in query.parameters())


def test_a_key_has_no_gradient():
    key = KeyEncoder(TinyBackbone())
    assert not key(pictures(2)).requires_grad


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.999, 1.0])
def test_it_follows_as_the_closed_form_of_a_moving_average(momentum):
    query = TinyBackbone()
    key = KeyEncoder(query)
    expected = [parameter.detach().double() for parameter in key.encoder.parameters()]
    for step in range(5):
        with torch.no_grad():
            for parameter in query.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(step)))
        key.follow(query, momentum)
        expected = [
            momentum * old + (1 - momentum) * new.detach().double()
            for old, new in zip(expected, query.parameters(), strict=True)
        ]
    for parameter, value in zip(key.encoder.parameters(), expected, strict=True):
        assert parameter.dtype == torch.float32
        torch.testing.assert_close(parameter.double(), value, rtol=1e-5, atol=1e-6)


def test_it_moves_at_a_momentum_that_bfloat16_would_round_to_one():
    query = TinyBackbone()
    key = KeyEncoder(query)
    with torch.no_grad():
        query.convolution.weight.add_(1.0)
    before = key.encoder.convolution.weight.clone()
    key.follow(query, 0.9995)
    torch.testing.assert_close(
        key.encoder.convolution.weight - before, torch.full_like(before, 0.0005), rtol=0.01, atol=0
    )


def test_batch_norm_buffers_are_its_own_and_never_averaged():
    query = TinyBackbone(nn.BatchNorm2d)
    key = KeyEncoder(query).train()
    query.train()
    key(pictures(8, seed=1))
    query(pictures(8, seed=2))
    own = {name: buffer.clone() for name, buffer in key.encoder.named_buffers()}
    key.follow(query, 0.5)
    for name, buffer in key.encoder.named_buffers():
        assert torch.equal(buffer, own[name])
    assert not torch.equal(key.encoder.norm.running_mean, query.norm.running_mean)


def test_in_training_only_its_batch_norms_train():
    key = KeyEncoder(nn.Sequential(TinyBackbone(nn.BatchNorm2d), nn.Dropout(0.5)))
    key.train()
    assert [name for name, module in key.encoder.named_modules() if module.training] == ["0.norm"]
    key.eval()
    assert not any(module.training for module in key.modules())


def test_dropout_and_stochastic_depth_are_off_in_a_key():
    torch.manual_seed(0)
    network = timm.create_model("resnet10t", num_classes=0, drop_rate=0.5, drop_path_rate=0.5)
    key = KeyEncoder(network).train()
    images = torch.rand(4, 3, 32, 32)
    assert torch.equal(key(images), key(images))
    network.train()
    assert not torch.equal(network(images), network(images))
