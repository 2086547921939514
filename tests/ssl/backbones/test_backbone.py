from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone, BackboneError, load_backbone
from framegate.ssl.backbones.backbone_export import export_backbone
from framegate.ssl.backbones.weights import read_state_dict
from tests.ssl.tiny_backbone import pictures

NAME = "resnet10t"


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone(NAME, image_size=32).eval()


def another() -> Backbone:
    torch.manual_seed(1)
    return Backbone(NAME, image_size=32)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_bytes_and_fractions_are_the_same_picture(backbone):
    images = pictures(2, side=32)
    torch.testing.assert_close(backbone(images), backbone(images.float() / 255))
    assert backbone(images).shape == (2, backbone.dim)


def test_pixels_are_normalised_as_the_models_own_weights_expect(backbone):
    images = torch.rand(1, 3, 4, 4)
    mean, std = (torch.tensor(backbone.model.pretrained_cfg[key])[:, None, None] for key in ("mean", "std"))
    torch.testing.assert_close(backbone.normalise(images), (images - mean) / std)


@pytest.mark.parametrize(("name", "size"), [(NAME, 64), ("test_efficientnet", 64), ("test_vit", 32)])
def test_features_and_maps_have_the_models_width(name, size):
    network = Backbone(name, image_size=size).eval()
    images = pictures(2, side=size)
    maps = network.feature_map(images)
    assert network(images).shape == (2, network.dim)
    assert maps.shape[0] == 2
    assert maps.shape[2:] == (2, 2)


@pytest.mark.parametrize("name", [NAME, "test_efficientnet", "test_vit", "test_convnext", "mobilenetv3_small_050"])
@torch.no_grad()
def test_one_forward_gives_what_features_and_map_give_alone(name):
    network = Backbone(name, image_size=64).eval()
    images = pictures(2, side=64)
    features, found = network.forward_with_map(images, least=3)
    assert features.shape == (2, network.dim)
    torch.testing.assert_close(features, network(images))
    torch.testing.assert_close(found, network.feature_map(images, least=3))
    assert min(found.shape[2:]) >= 3


def test_a_stage_can_be_asked_for_and_one_that_is_not_there_is_an_error():
    network = Backbone(NAME, image_size=64).eval()
    images = pictures(2, side=64)
    assert [network.feature_map(images, stage=stage).shape[2] for stage in (0, 1, -1)] == [32, 16, 2]
    with pytest.raises(BackboneError, match="no stage"):
        network.feature_map(images, stage=9)
    with pytest.raises(BackboneError, match="no stage has a map of 40 × 40 cells at 64 pixels"):
        network.feature_map(images, least=40)


def test_sound_pictures_have_one_channel():
    network = Backbone(NAME, in_chans=1).eval()
    assert network(torch.rand(2, 1, 32, 32)).shape == (2, network.dim)


def test_an_unknown_name_is_met_with_the_nearest_one():
    with pytest.raises(BackboneError, match=r"no backbone 'resnet_18'.*nearest: 'resnet18'"):
        load_backbone("resnet_18")


def test_an_unknown_tag_is_an_error_of_the_name():
    with pytest.raises(BackboneError, match=r"resnet18\.nonsense"):
        load_backbone("resnet18.nonsense")


@pytest.mark.parametrize(
    "prefix", ["", "module.", "encoder_q.", "module.encoder_q.", "backbone.", "query_encoder.0.model."]
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_load_under_any_prefix(backbone, tmp_path: Path, prefix: str, suffix: str):
    file = tmp_path / f"weights{suffix}"
    write(file, {prefix + key: tensor for key, tensor in backbone.model.state_dict().items()})
    assert same_weights(Backbone(NAME, weights=str(file)).model, backbone.model)


def test_weights_load_with_a_classifier_and_a_projection_head_beside_them(backbone, tmp_path: Path):
    file = tmp_path / "weights.pth"
    own = {"module." + key: tensor for key, tensor in backbone.model.state_dict().items()}
    others = {"module.fc.weight": torch.ones(10, 512), "module.fc.bias": torch.ones(10), "queue": torch.ones(3)}
    torch.save({"epoch": 3, "state_dict": own | others}, file)
    assert same_weights(Backbone(NAME, weights=str(file)).model, backbone.model)


def test_old_weights_without_batch_counts_load_under_a_prefix(backbone, tmp_path: Path):
    file = tmp_path / "weights.safetensors"
    tensors = {"module." + key: tensor for key, tensor in backbone.model.state_dict().items()}
    write(file, {key: tensor for key, tensor in tensors.items() if not key.endswith("num_batches_tracked")})
    loaded, wanted = Backbone(NAME, weights=str(file)).model.state_dict(), backbone.model.state_dict()
    assert all(torch.equal(loaded[key], wanted[key]) for key in wanted if not key.endswith("num_batches_tracked"))


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("module.encoder_q.", "module.encoder_k."),
        ("query_encoder.0.model.", "key_encoder.encoder.0.model."),
        ("backbone.", "backbone_momentum."),
    ],
)
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_of_a_query_and_a_key_encoder_the_query_encoder_is_loaded(backbone, tmp_path: Path, query, key, suffix):
    file = tmp_path / f"weights{suffix}"
    queries = {query + name: tensor for name, tensor in backbone.model.state_dict().items()}
    keys = {key + name: tensor for name, tensor in another().model.state_dict().items()}
    write(file, keys | queries)
    assert same_weights(Backbone(NAME, weights=str(file)).model, backbone.model)


def test_weights_of_another_model_are_named(backbone, tmp_path: Path):
    file = tmp_path / "weights.safetensors"
    write(file, backbone.model.state_dict())
    with pytest.raises(BackboneError, match=r"weights\.safetensors: .*EfficientNet.*bn1\.weight is .*and \d+ more"):
        Backbone("test_efficientnet", weights=str(file))


def test_a_tensor_of_another_shape_is_named_with_both_shapes(backbone, tmp_path: Path):
    file = tmp_path / "weights.pth"
    write(file, backbone.model.state_dict() | {"conv1.0.weight": torch.zeros(7, 3, 3, 3)})
    with pytest.raises(BackboneError, match=r"conv1\.0\.weight is \(7, 3, 3, 3\), not \(24, 3, 3, 3\)"):
        Backbone(NAME, weights=str(file))


def test_a_deeper_networks_weights_are_refused(tmp_path: Path):
    file = tmp_path / "weights.pth"
    write(file, timm.create_model("resnet34", num_classes=10).state_dict())
    with pytest.raises(BackboneError, match=r"layer1\.2\.conv1\.weight"):
        Backbone("resnet18", weights=str(file))


class Intruder:
    """Unpickling it would write a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.write_text, (self.trace, "was here")


def test_code_in_a_file_of_weights_does_not_run(backbone, tmp_path: Path):
    file, trace = tmp_path / "weights.pth", tmp_path / "trace"
    torch.save({"state_dict": backbone.model.state_dict(), "extra": Intruder(trace)}, file)
    with pytest.raises(BackboneError, match="not a file of plain tensors"):
        Backbone(NAME, weights=str(file))
    assert not trace.exists()


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
def test_a_damaged_file_is_a_clear_error(tmp_path: Path, name: str):
    file = tmp_path / name
    file.write_bytes(b"neither tensors nor anything else" * 10)
    with pytest.raises(BackboneError, match=name):
        Backbone(NAME, weights=str(file))


def test_a_missing_file_is_a_clear_error(tmp_path: Path):
    with pytest.raises(BackboneError, match="gone"):
        Backbone(NAME, weights=str(tmp_path / "gone.pth"))


def test_a_file_without_tensors_is_an_error(tmp_path: Path):
    torch.save({"epoch": 3}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"no tensors in it.*it has: epoch"):
        read_state_dict(tmp_path / "weights.pth")
    torch.save([torch.zeros(1)], tmp_path / "weights.pth")
    with pytest.raises(ValueError, match="a list, not a dictionary"):
        read_state_dict(tmp_path / "weights.pth")


def test_a_file_of_weights_needs_its_architectures_name(backbone, tmp_path: Path):
    file = tmp_path / "weights.pth"
    write(file, backbone.model.state_dict())
    with pytest.raises(BackboneError, match="--arch"):
        load_backbone(str(file))
    assert same_weights(load_backbone(str(file), arch=NAME).model, backbone.model)


def test_a_folder_that_is_no_backbone_is_a_clear_error(tmp_path: Path):
    with pytest.raises(BackboneError, match=r"no config\.json"):
        load_backbone(str(tmp_path))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"architecture": "no_such_net"}', '{"architecture": 3}'])
def test_a_folder_whose_config_is_no_models_is_refused_by_its_name(content: str, tmp_path: Path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(BackboneError, match=r"config\.json: timm builds no model from it"):
        load_backbone(str(tmp_path))


def write(file: Path, tensors: dict[str, Tensor]) -> None:
    if file.suffix == ".safetensors":
        save_file(dict(tensors), file)
    else:
        torch.save(tensors, file)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's cache on this machine, which is all that can be reached."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return tmp_path


def test_a_model_of_the_hub_comes_with_its_weights(hub, backbone):
    model = hub / "models--framegate--frames"
    snapshot = model / "snapshots" / "0123456789"
    export_backbone(backbone, snapshot, card="")
    (model / "refs").mkdir()
    (model / "refs" / "main").write_text(snapshot.name)
    opened = load_backbone("hf-hub:framegate/frames")
    assert opened.image_size == backbone.image_size
    assert same_weights(opened.model, backbone.model)
    assert not same_weights(Backbone("hf-hub:framegate/frames", image_size=32).model, backbone.model)


def test_a_model_that_the_hub_does_not_give_is_refused_plainly(hub):
    for name in ("hf-hub:framegate/nothing", "hf-hub:a/b/c"):
        with pytest.raises(BackboneError, match=f"{name} could not be had from the hub: .*connection"):
            load_backbone(name)
