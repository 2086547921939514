"""Weights of other libraries: what they compute there, they compute here."""

import logging
from pathlib import Path

import lightly.models
import pytest
import timm
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone, BackboneError
from framegate.ssl.backbones.weights import load_weights


def supervised(name: str) -> nn.Module:
    """torchvision's network with weights that all differ, as after training."""
    torch.manual_seed(0)
    network = torchvision.models.get_model(name).eval()
    for tensor in network.state_dict().values():
        if tensor.is_floating_point() and tensor.ndim <= 3:  # norms, biases, layer scales, tokens
            tensor.uniform_(0.3, 0.7)
    return network


def without_classifier(network: nn.Module) -> nn.Module:
    for name in ("fc", "classifier", "heads"):
        last = getattr(network, name, None)
        if isinstance(last, nn.Sequential):
            last[-1] = nn.Identity()
        elif last is not None:
            setattr(network, name, nn.Identity())
    return network


@pytest.mark.parametrize(
    ("theirs", "ours", "size", "left_out"),
    [
        ("resnet18", "resnet18", 64, ["fc.weight", "fc.bias"]),
        ("efficientnet_b0", "efficientnet_b0", 64, ["classifier.1.weight", "classifier.1.bias"]),
        ("convnext_tiny", "convnext_tiny", 64, ["classifier.2.weight", "classifier.2.bias"]),
        pytest.param(
            *("vit_b_16", "vit_base_patch16_224", 224, ["heads.head.weight", "heads.head.bias"]), marks=pytest.mark.slow
        ),
    ],
)
@torch.no_grad()
def test_torchvisions_supervised_weights_compute_the_same_features(
    theirs: str, ours: str, size: int, left_out: list[str], tmp_path: Path, caplog
):
    network = supervised(theirs)
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    with caplog.at_level(logging.WARNING):
        backbone = Backbone(ours, weights=str(tmp_path / "weights.safetensors"), image_size=size).eval()
    images = torch.rand(2, 3, size, size)
    expected = without_classifier(network)(backbone.normalise(images))
    # Not to the last bit: torchvision's attention sums in another order.
    assert (backbone(images) - expected).abs().max() < 2e-4 * expected.abs().max()
    assert "left out" in caplog.text
    assert left_out[0].rpartition(".")[0] in caplog.text
    assert sorted(load_weights(backbone.model, tmp_path / "weights.safetensors")) == sorted(left_out)


class LightlyExample(nn.Module):
    """The modules of lightly's MoCo example, as it builds them."""

    def __init__(self, resnet: nn.Module):
        super().__init__()
        self.backbone = nn.Sequential(*list(resnet.children())[:-1])
        self.projection_head = lightly.models.modules.MoCoProjectionHead(512, 512, 128)
        self.backbone_momentum = nn.Sequential(*list(torchvision.models.resnet18().children())[:-1])
        self.projection_head_momentum = lightly.models.modules.MoCoProjectionHead(512, 512, 128)


@torch.no_grad()
def test_lightlys_example_loads_its_query_encoder(tmp_path: Path):
    network = supervised("resnet18")
    torch.save(LightlyExample(network).state_dict(), tmp_path / "moco.pth")
    backbone = Backbone("resnet18", weights=str(tmp_path / "moco.pth"), image_size=64).eval()
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(backbone(images), without_classifier(network)(backbone.normalise(images)))
    left_out = load_weights(backbone.model, tmp_path / "moco.pth")
    parts = {key.split(".")[0] for key in left_out}
    assert parts == {"projection_head", "backbone_momentum", "projection_head_momentum"}


def test_lightlys_small_picture_resnet_is_another_network_and_the_error_says_where(tmp_path: Path):
    torch.save(lightly.models.ResNetGenerator("resnet-18").state_dict(), tmp_path / "cifar.pth")
    with pytest.raises(BackboneError, match=r"conv1\.weight is \(64, 3, 3, 3\), not \(64, 3, 7, 7\)"):
        Backbone("resnet18", weights=str(tmp_path / "cifar.pth"))


@pytest.mark.parametrize("extra", ["layer5.0.weight", "neck.weight"])
def test_a_part_that_the_model_lacks_is_an_error_that_names_it(tmp_path: Path, extra: str):
    tensors = timm.create_model("resnet10t", num_classes=0).state_dict()
    for prefix in ("", "backbone."):
        save_file(
            {prefix + key: t for key, t in (tensors | {extra: torch.ones(3)}).items()}, tmp_path / "w.safetensors"
        )
        with pytest.raises(BackboneError, match=rf"{extra} has no place in it"):
            Backbone("resnet10t", weights=str(tmp_path / "w.safetensors"))


def test_a_missing_tensor_is_an_error_that_names_it(tmp_path: Path):
    tensors = timm.create_model("resnet10t", num_classes=0).state_dict()
    del tensors["layer2.0.conv1.weight"]
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(BackboneError, match=r"w\.safetensors: .*layer2\.0\.conv1\.weight is missing$"):
        Backbone("resnet10t", weights=str(tmp_path / "w.safetensors"))


def test_a_transformers_positions_are_resampled_to_another_image_size(tmp_path: Path):
    torch.manual_seed(0)
    small = Backbone("test_vit", image_size=64)
    save_file(small.model.state_dict(), tmp_path / "w.safetensors")
    large = Backbone("test_vit", weights=str(tmp_path / "w.safetensors"), image_size=96)
    assert large.model.pos_embed.shape[1] > small.model.pos_embed.shape[1]
    prefix = small.model.num_prefix_tokens
    beside: Tensor = large.model.pos_embed[:, :prefix]
    assert torch.equal(beside, small.model.pos_embed[:, :prefix])
    same = Backbone("test_vit", weights=str(tmp_path / "w.safetensors"), image_size=64)
    assert torch.equal(same.model.pos_embed, small.model.pos_embed)
