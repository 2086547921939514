"""Weights and backbone folders of strangers: a plain error within a moment, and no memory beyond their own size."""

import json
import pickle
import resource
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from framegate.ssl.backbones.backbone import Backbone, BackboneError, load_backbone
from framegate.ssl.backbones.backbone_export import export_backbone
from framegate.ssl.backbones.meter import SizeError, build_on_meta
from framegate.ssl.backbones.weights_file import read_state_dict

NAME = "test_resnet"


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.fixture(autouse=True)
def within_bounds():
    """Each of these costs a moment, and no memory to speak of."""
    before, started = megabytes(), time.monotonic()
    yield
    assert megabytes() - before < 400
    assert time.monotonic() - started < 20


def rewrite(source: Path, target: Path, change: Callable[[str, bytes], bytes], compression: int = zipfile.ZIP_STORED):
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))


def test_a_compressed_archive_is_not_unpacked(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1000)}, tmp_path / "plain.pth")
    megabytes_in_it = 420
    with (
        zipfile.ZipFile(tmp_path / "plain.pth") as plain,
        zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as bomb,
    ):
        for name in plain.namelist():
            content = plain.read(name)
            if name.endswith("data.pkl"):
                content = content.replace(b"M\xe8\x03", b"J" + struct.pack("<i", megabytes_in_it << 18))
            with bomb.open(name, "w") as member:
                for _ in range(megabytes_in_it if name.endswith("/data/0") else 1):
                    member.write(bytes(1 << 20) if name.endswith("/data/0") else content)
    assert (tmp_path / "bomb.pth").stat().st_size < 3 << 20
    with pytest.raises(BackboneError, match=r"bomb\.pth: .*its archive is compressed"):
        Backbone(NAME, weights=str(tmp_path / "bomb.pth"))


def test_an_archive_that_tells_of_more_than_it_holds_is_refused(tmp_path):
    torch.save({"conv1.weight": torch.arange(8.0)}, tmp_path / "plain.pth")

    def claim(name: str, content: bytes) -> bytes:
        return content.replace(b"K\x08", b"J" + struct.pack("<i", 1 << 30)) if name.endswith("data.pkl") else content

    rewrite(tmp_path / "plain.pth", tmp_path / "w.pth", claim)
    with pytest.raises(ValueError, match=r"not a file of plain tensors|the file holds less of it"):
        read_state_dict(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(1).expand(10**9),
        torch.zeros(4).as_strided((10**6, 10**6), (0, 0)),
        torch.sparse_coo_tensor(torch.zeros(2, 1, dtype=torch.int64), torch.ones(1), (10**9, 10**9)),
        torch.empty(10**6, 10**6, device="meta"),
    ],
    ids=["expanded", "strided", "sparse", "meta"],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_tensor_larger_than_what_is_stored_of_it_is_refused(tensor, zipped, tmp_path):
    torch.save({"conv1.weight": tensor}, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(BackboneError, match=r"w\.pth: (conv1\.weight is \(.*the file holds less|not a file of plain)"):
        Backbone(NAME, weights=str(tmp_path / "w.pth"))


@pytest.mark.parametrize("zipped", [True, False])
def test_tuples_of_the_same_tuple_are_not_hashed_for_years(zipped, tmp_path):
    """``t = (t, t)`` sixty times over, as a key."""
    key = b"K\x01K\x02\x86q\x64" + b"h\x64\x86q\x64" * 60
    bomb = b"\x80\x02}" + key + b"K\x01s."
    if zipped:
        torch.save({"a": torch.zeros(2)}, tmp_path / "plain.pth")
        rewrite(
            tmp_path / "plain.pth", tmp_path / "w.pth", lambda name, old: bomb if name.endswith("data.pkl") else old
        )
    else:
        head = [pickle.dumps(part, protocol=2) for part in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})]
        (tmp_path / "w.pth").write_bytes(b"".join([*head, bomb, pickle.dumps([], protocol=2)]))
    with pytest.raises(BackboneError, match="tuple of more than 10,000 parts"):
        Backbone(NAME, weights=str(tmp_path / "w.pth"))


def test_a_pickle_of_endless_steps_is_refused(tmp_path):
    torch.save({"state_dict": {"a": torch.zeros(2)}, "extra": [None] * 600_000}, tmp_path / "w.pth")
    with pytest.raises(BackboneError, match="a pickle of more than 500,000 steps"):
        Backbone(NAME, weights=str(tmp_path / "w.pth"))


def test_very_many_tensors_or_very_long_names_are_refused(tmp_path):
    nothing = torch.zeros(0)
    for names, message in (
        ([str(number) for number in range(20_001)], "20,001 tensors, and at most 20,000 are read"),
        (["x" * 513], "a tensor's name of 513 characters"),
    ):
        save_file(dict.fromkeys(names, nothing), tmp_path / "w.safetensors")
        with pytest.raises(BackboneError, match=message):
            Backbone(NAME, weights=str(tmp_path / "w.safetensors"))


def test_a_header_longer_than_tensors_need_is_not_read(tmp_path):
    with (tmp_path / "w.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 90 << 20) + b'{"a":"')
        file.truncate((90 << 20) + 8)
    with pytest.raises(BackboneError, match=r"a header of 94,371,840 bytes, and at most 16,777,216 are read"):
        Backbone(NAME, weights=str(tmp_path / "w.safetensors"))


@pytest.mark.parametrize("kind", ["prefixes", "heads", "beside"])
def test_names_made_to_be_tried_one_by_one_cost_a_moment(kind, tmp_path):
    own = Backbone(NAME).model.state_dict()
    last = [name for name in own if not name.endswith("num_batches_tracked")][-1]
    names = {
        "prefixes": [f"{number}.{last}" for number in range(18_000)],
        "heads": [f"{'proj' * 120}-{number}.weight" for number in range(8_000)],
        "beside": [f"{'a' * 480}{number}.weight" for number in range(8_000)],
    }[kind]
    nothing = torch.zeros(0)
    save_file({**own, **dict.fromkeys(names, nothing)}, tmp_path / "w.safetensors")
    try:
        Backbone(NAME, weights=str(tmp_path / "w.safetensors"))
    except BackboneError as error:
        assert len(str(error)) < 300 + len(str(tmp_path))


@pytest.fixture
def folder(tmp_path) -> Path:
    export_backbone(Backbone(NAME, image_size=32), tmp_path / "backbone", card="")
    return tmp_path / "backbone"


def edit(folder: Path, part: str | None, **changes: object) -> None:
    content = json.loads((folder / "config.json").read_text())
    (content if part is None else content.setdefault(part, {})).update(changes)
    (folder / "config.json").write_text(json.dumps(content))


@pytest.mark.parametrize("part", [None, "pretrained_cfg", "model_args"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "https://example.org/w.pth"),
        ("hf_hub_id", "someone/else"),
        ("hf_hub_filename", "w.bin"),
        ("file", "/etc/passwd"),
        ("source", "hf-hub"),
        ("state_dict", {"a": 1}),
        ("checkpoint_path", "w.pth"),
        ("cache_dir", "elsewhere"),
        ("pretrained", True),
        ("pretrained_cfg_overlay", {"url": "x"}),
    ],
)
def test_a_backbone_folder_that_points_elsewhere_is_refused(part, key, value, folder, no_network):
    edit(folder, part, **{key: value})
    with pytest.raises(BackboneError, match=rf"config\.json: timm builds no model from it .*{key} names"):
        load_backbone(str(folder))
    assert not no_network


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        (None, {"architecture": "hf-hub:timm/resnet18.a1_in1k"}, "is no timm model"),
        (None, {"architecture": "x" * 100_000}, "is no timm model"),
        ("model_args", {"features_only": True}, "model_args 'features_only'"),
        ("model_args", {"depth": 10**9}, "depth is 1000000000"),
        ("model_args", {"layers": [256] * 20}, "a network of more than"),
        ("model_args", {"layers": [3] * 100_000}, "layers is a list of 100000"),
        ("model_args", {"img_size": 30_000}, "img_size is 30000"),
        ("model_args", {"act_layer": {"a": 1}}, "act_layer is"),
        ("model_args", {"stem_width": 8192}, "a network of"),
        ("pretrained_cfg", {"input_size": [3, 30_000, 30_000]}, "input_size is 30000"),
        ("pretrained_cfg", {"mean": [1e400]}, "Infinity is no JSON number"),
        ("pretrained_cfg", {"mean": "x"}, "mean is x"),
        ("pretrained_cfg", {"num_classes": 10**12}, "num_classes is"),
    ],
)
def test_a_backbone_folders_config_keeps_within_bounds(part, changes, message, folder):
    edit(folder, part, **changes)
    with pytest.raises(BackboneError, match=message) as caught:
        load_backbone(str(folder))
    assert len(str(caught.value)) < 400 + len(str(folder))


def test_an_architecture_larger_than_the_folders_weights_takes_no_memory(folder):
    edit(folder, None, architecture="vit_giant_patch14_224")
    with pytest.raises(BackboneError, match=r"a network of more than"):
        load_backbone(str(folder))


def test_a_deep_or_huge_config_is_a_plain_error(folder):
    for content in ("[" * 100_000, " " * (1 << 20) + "{}"):
        (folder / "config.json").write_text(content)
        with pytest.raises(BackboneError, match=r"config\.json: .*(nested deeper than 32|larger than 1048576)"):
            load_backbone(str(folder))


def test_pictures_beyond_what_any_model_takes_are_refused():
    with pytest.raises(BackboneError, match="pictures of 30000 pixels a side, and 1 to 2048 are taken"):
        Backbone(NAME, image_size=30_000)


def test_a_network_without_end_is_not_built_to_its_end():
    def build() -> torch.nn.Module:
        network = torch.nn.Sequential()
        while True:
            network.append(torch.nn.ReLU())

    with pytest.raises(SizeError, match="more than 10,000 modules"):
        build_on_meta(build, weights=None)


def test_shared_weights_count_once(tmp_path):
    stored = torch.zeros(1000)
    tensors = {f"{number}.{name}": stored for number in range(10) for name in Backbone(NAME).model.state_dict()}
    torch.save(tensors, tmp_path / "w.pth")
    with pytest.raises(BackboneError, match="a network of"):
        Backbone("vit_base_patch16_224", weights=str(tmp_path / "w.pth"))
