"""Classifier folders of strangers: a wrong or wicked config is a plain error and costs no memory and no connection."""

import json
import resource
import shutil
import time
from pathlib import Path

import pytest
import torch

from framegate.finetune.classifier import GatedFusionClassifier
from framegate.finetune.folders.classifier_folder import FolderError
from framegate.finetune.streams.audio import split_windows
from tests.finetune.small_classifier import make_model


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "classifier"
    make_model().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(made, tmp_path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "classifier"))


def edit(folder: Path, place: str, value: object) -> None:
    """Change one value in ``config.json``, at ``a.b.c``."""
    file = folder / "config.json"
    content = json.loads(file.read_text())
    *path, last = place.split(".")
    inner = content
    for name in path:
        inner = inner[name]
    inner[last] = value
    file.write_text(json.dumps(content))


@pytest.mark.parametrize(
    "name", ["hf-hub:timm/resnet18.a1_in1k", "local-dir:/tmp", "../resnet18", "resnet18.none", "x"]
)
@pytest.mark.parametrize("place", ["backbone.architecture", "config.streams.audio.backbone"])
def test_an_encoder_that_stands_elsewhere_is_refused_without_a_connection(name, place, folder, no_network):
    edit(folder, place, name)
    with pytest.raises(FolderError, match=rf"classifier.*(backbone|audio).*timm has no model '{name}'"):
        GatedFusionClassifier.from_pretrained(folder)
    assert not no_network


def test_the_name_of_a_hub_that_the_weights_once_came_from_is_not_looked_up(folder, no_network):
    edit(folder, "config.streams.frames.backbone", "hf-hub:someone/frames")
    edit(folder, "config.streams.audio.pretrained", True)
    GatedFusionClassifier.from_pretrained(folder)
    assert not no_network


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("backbone.image_size", 30_000),
        ("backbone.image_size", 0),
        ("config.streams.audio.rate", 999_983),
        ("config.streams.audio.rate", 15_991),  # a prime below the limit
        ("config.streams.audio.rate", 1),
        ("config.streams.audio.window_seconds", 1e9),
        ("config.streams.audio.window_seconds", 1e-9),
        ("config.streams.audio.mels", 10**9),
        ("config.streams.text.max_tokens", 10**9),
        ("config.streams.text.layers", 10**9),
        ("config.streams.text.width", 10**9),
        ("config.streams.text.heads", 0),
        ("config.streams.frames.aggregation.clusters", 10**9),
        ("config.streams.frames.aggregation.expansion", 10**9),
    ],
)
def test_a_number_out_of_bounds_is_refused_by_its_name(place, value, folder):
    edit(folder, place, value)
    with pytest.raises(FolderError, match=rf"config\.json: not a classifier's \({place.rpartition('.')[0]}") as caught:
        GatedFusionClassifier.from_pretrained(folder)
    assert len(str(caught.value)) < 300 + len(str(folder))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("config.fusion.width", 4096),
        ("config.fusion.width", 8 * 10**8),
        ("config.head.experts", 10**9),
        ("config.head.experts", 64),
        ("config.streams.text.width", 4096),
        ("config.streams.audio.aggregation.clusters", 4096),
        ("config.streams.audio.backbone", "resnet152"),
        ("backbone.architecture", "vit_giant_patch14_224"),
        ("config.head.rank", 4096),
    ],
)
def test_a_classifier_larger_than_its_weights_takes_no_memory(place, value, folder):
    before, started = megabytes(), time.monotonic()
    edit(folder, place, value)
    with pytest.raises(FolderError, match=r"(config\.json|model\.safetensors): (another|a network)"):
        GatedFusionClassifier.from_pretrained(folder)
    assert megabytes() - before < 200
    assert time.monotonic() - started < 20


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[" * 100_000, "nested deeper than 32 levels"),
        ('{"config": ' + "[" * 40 + "]" * 40 + "}", "nested deeper than 32 levels"),
        (" " * (1 << 20) + "{}", "larger than 1048576 bytes"),
        ('{"config": NaN}', "NaN is no JSON number"),
        ("[]", "not a classifier's"),
        ('{"config": ' + "9" * 5_000 + "}", "not a classifier's"),
    ],
)
def test_a_config_that_is_huge_deep_or_no_config_is_a_plain_error(content, message, folder):
    (folder / "config.json").write_text(content)
    with pytest.raises(FolderError, match=rf"config\.json: .*{message}"):
        GatedFusionClassifier.from_pretrained(folder)


def test_a_stream_whose_encoder_is_not_described_is_a_plain_error(folder):
    edit(folder, "backbone", None)
    with pytest.raises(FolderError, match="a frames stream needs a backbone"):
        GatedFusionClassifier.from_pretrained(folder)


def test_numbers_that_do_not_go_together_are_a_plain_error(folder):
    edit(folder, "backbone.architecture", "test_vit")
    edit(folder, "backbone.image_size", 33)
    with pytest.raises(FolderError, match=r"(config\.json|model\.safetensors): "):
        GatedFusionClassifier.from_pretrained(folder)
    edit(folder, "config.streams.frames.aggregation.groups", 7)
    with pytest.raises(FolderError, match=r"config\.json: .*cannot be cut into 7 groups"):
        GatedFusionClassifier.from_pretrained(folder)


def test_an_opened_model_holds_the_folders_numbers_and_no_others(folder):
    """Its tensors have no random start, since all are replaced; so each must be."""
    one, other = (GatedFusionClassifier.from_pretrained(folder) for _ in range(2))
    for named in ("named_parameters", "named_buffers"):
        for (name, tensor), (_, same) in zip(getattr(one, named)(), getattr(other, named)(), strict=True):
            assert torch.equal(tensor, same), name
            assert not tensor.is_floating_point() or torch.isfinite(tensor).all(), name


@pytest.mark.parametrize("rank", [None, 4])
@pytest.mark.parametrize("head", ["experts", "linear", "multilabel"])
def test_every_head_opens_as_it_was(head, rank, tmp_path):
    model = make_model(streams=(2,), head=head, rank=rank)
    model.save_pretrained(tmp_path)
    again = GatedFusionClassifier.from_pretrained(tmp_path)
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in model.state_dict().items())


def test_sound_whose_rate_is_a_prime_is_refused_where_resampling_would_take_gigabytes():
    before = megabytes()
    with pytest.raises(ValueError, match="sound of 999983 Hz is not resampled to 16000 Hz"):
        split_windows(torch.zeros(1_000), 999_983, to_rate=16_000, seconds=1.0)
    assert megabytes() - before < 200
    for usual in (8_000, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 48_000, 88_200, 96_000, 192_000):
        assert split_windows(torch.zeros(usual), usual, to_rate=16_000, seconds=1.0).shape == (1, 16_000)
