import os
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file

from framegate.media.owned import MARKER
from framegate.ssl.backbones.backbone import Backbone, load_backbone
from framegate.ssl.backbones.backbone_export import ExportError, export_backbone, export_onnx, export_torchvision
from framegate.ssl.modules.batch_norm import set_batch_norm
from tests.ssl.tiny_backbone import pictures

CARD = "# A backbone\n"


def trained(name: str, *, image_size: int, memory_format: torch.memory_format = torch.contiguous_format) -> Backbone:
    """A backbone after one update, so that its running statistics are no longer those of a new one."""
    torch.manual_seed(0)
    backbone = set_batch_norm(Backbone(name, image_size=image_size), "split").to(memory_format=memory_format)
    backbone(pictures(4, side=image_size)).square().mean().backward()
    for parameter in backbone.parameters():
        parameter.data -= 0.01 * parameter.grad
    return backbone.eval()


@pytest.mark.parametrize("name", ["resnet10t", "test_efficientnet", "test_vit", "test_convnext"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_plain_timm_opens_an_exported_folder(tmp_path: Path, name: str, memory_format: torch.memory_format):
    backbone = trained(name, image_size=32, memory_format=memory_format)
    export_backbone(backbone, tmp_path / "backbone", card=CARD)

    model = timm.create_model(f"local-dir:{tmp_path / 'backbone'}", pretrained=True, num_classes=10).eval()
    pixels = timm.data.resolve_model_data_config(model)
    assert pixels["input_size"] == (3, 32, 32)
    mean, std = (torch.tensor(pixels[key])[:, None, None] for key in ("mean", "std"))
    images = pictures(3, side=32)
    maps = model.forward_features((images / 255 - mean) / std)
    torch.testing.assert_close(model.forward_head(maps, pre_logits=True), backbone(images), rtol=1e-4, atol=1e-5)
    assert model((images / 255 - mean) / std).shape == (3, 10)


@pytest.mark.parametrize("name", ["resnet10t", "test_vit"])
def test_an_exported_folder_opens_as_the_backbone_it_was(tmp_path: Path, name: str):
    backbone = trained(name, image_size=32)
    export_backbone(backbone, tmp_path / "backbone", card=CARD)
    images = pictures(2, side=32)
    for _ in range(2):  # the second time exported from the opened folder
        opened = load_backbone(str(tmp_path / "backbone")).eval()
        assert opened.image_size == 32
        assert torch.equal(opened(images), backbone(images))
        export_backbone(opened, tmp_path / "backbone", card=CARD)


@pytest.mark.parametrize("write", [export_backbone, export_torchvision])
def test_others_may_read_what_the_umask_lets_them(tmp_path: Path, write):
    before = os.umask(0o027)
    try:
        write(Backbone("resnet18", image_size=32), tmp_path / "backbone", card=CARD)
    finally:
        os.umask(before)
    assert (tmp_path / "backbone").stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "backbone").iterdir()} == {0o640}


def test_a_folder_holds_the_config_the_weights_the_card_and_the_marker_alone(tmp_path: Path):
    folder = tmp_path / "deep" / "backbone"
    backbone = trained("resnet10t", image_size=32)
    for _ in range(2):
        export_backbone(backbone, folder, card=CARD)
        assert sorted(path.name for path in folder.iterdir()) == [
            MARKER,
            "README.md",
            "config.json",
            "model.safetensors",
        ]
    assert (folder / "README.md").read_text() == CARD
    assert list(folder.parent.iterdir()) == [folder]


def test_a_failed_export_leaves_the_older_folder_and_nothing_else(tmp_path: Path):
    backbone = trained("resnet10t", image_size=32)
    export_backbone(backbone, tmp_path / "backbone", card=CARD)
    with pytest.raises(UnicodeEncodeError):
        export_backbone(backbone, tmp_path / "backbone", card="\ud800 is no character")
    assert list(tmp_path.iterdir()) == [tmp_path / "backbone"]
    load_backbone(str(tmp_path / "backbone"))


def test_exporting_leaves_the_backbone_as_it_was(tmp_path: Path):
    backbone = trained("resnet10t", image_size=32, memory_format=torch.channels_last).train()
    config = dict(backbone.model.pretrained_cfg)
    export_backbone(backbone, tmp_path / "backbone", card=CARD)
    assert backbone.training
    assert dict(backbone.model.pretrained_cfg) == config
    assert backbone.model.conv1[0].weight.is_contiguous(memory_format=torch.channels_last)


def test_torchvisions_resnet_takes_an_exported_one_strictly(tmp_path: Path):
    backbone = trained("resnet18", image_size=64, memory_format=torch.channels_last)
    export_torchvision(backbone, tmp_path / "resnet", card=CARD)
    network = torchvision.models.resnet18().eval()
    network.fc = torch.nn.Identity()
    network.load_state_dict(load_file(tmp_path / "resnet" / "model.safetensors"), strict=True)
    images = pictures(3, side=64)
    torch.testing.assert_close(network(backbone.normalise(images)), backbone(images), rtol=0, atol=1e-4)
    assert sorted(path.name for path in (tmp_path / "resnet").iterdir()) == [MARKER, "README.md", "model.safetensors"]


@pytest.mark.parametrize(("name", "reason"), [("test_vit", "no ResNet 'test_vit'"), ("resnet10t", "no ResNet")])
def test_what_torchvision_lacks_is_refused_with_what_it_has(tmp_path: Path, name: str, reason: str):
    with pytest.raises(ExportError, match=f"{reason}.*resnet50"):
        export_torchvision(Backbone(name, image_size=32), tmp_path / "x", card=CARD)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "test_resnet",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("test_efficientnet", "test_vit", "test_convnext")),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet18", "efficientnet_b0")),
    ],
)
def test_onnx_runtime_computes_the_same_features_for_any_number_of_pictures(tmp_path: Path, name: str):
    backbone = trained(name, image_size=64, memory_format=torch.channels_last)
    export_onnx(backbone, tmp_path / "onnx", card=CARD)
    assert sorted(path.name for path in (tmp_path / "onnx").iterdir()) == [MARKER, "README.md", "model.onnx"]
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "model.onnx", providers=["CPUExecutionProvider"])
    for count in (1, 2, 7):
        images = np.random.default_rng(count).random((count, 3, 64, 64), dtype=np.float32)
        (features,) = session.run(["features"], {"images": images})
        with torch.no_grad():
            expected = backbone(torch.from_numpy(images)).numpy()  # normalisation included on both sides
        assert np.abs(features - expected).max() < 1e-4


def test_features_that_differ_are_an_error_and_no_file(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("framegate.ssl.backbones.backbone_export.TOLERANCE", -1.0)
    with pytest.raises(ExportError, match="features in torchvision's resnet18 differ"):
        export_torchvision(Backbone("resnet18", image_size=32), tmp_path / "x", card=CARD)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_a_missing_extra_is_named(tmp_path: Path, package: str, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(ExportError, match=r"pip install 'framegate\[onnx\]'"):
        export_onnx(Backbone("test_resnet", image_size=32), tmp_path / "x", card=CARD)
