import hashlib
import hmac
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from framegate.augment import mask_layout, plain_view
from framegate.augment.crops import centre_square
from framegate.media import FrameStore, Layout, clips_from_files, decode_jpeg
from framegate.ssl.backbones.backbone import Backbone, load_backbone
from framegate.ssl.backbones.backbone_export import export_backbone
from framegate.ssl.probes.feature_cache import cached_features, kept_tensors
from framegate.ssl.probes.features import frame_features
from tests.ssl.small_stores import make_store


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


FRAMES = np.array([4, 0, 9])


@pytest.fixture
def backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone("resnet10t", image_size=32)


@pytest.fixture
def fresh_store(store: FrameStore, tmp_path: Path) -> FrameStore:
    """The store without any cached features, its files linked."""
    for path in store.path.iterdir():
        if path.name != "features":
            (tmp_path / path.name).hardlink_to(path)
    return FrameStore(tmp_path)


@contextmanager
def forwards(backbone: Backbone) -> Iterator[list[int]]:
    """The batch sizes of the forwards within."""
    seen: list[int] = []
    handle = backbone.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    yield seen
    handle.remove()


def test_features_are_those_of_plain_views_in_the_order_asked_for(backbone, store):
    features = frame_features(backbone, store, FRAMES, image_size=32, batch_size=2)
    backbone.eval()
    views = [torch.from_numpy(plain_view(store.jpeg(int(frame)), 32)).permute(2, 0, 1) for frame in FRAMES]
    with torch.no_grad():
        expected = torch.cat([backbone(view[None]) for view in views])
    torch.testing.assert_close(features, expected)


def a_band(frames: Sequence[np.ndarray]) -> Layout:
    return Layout(subtitles=((0.1, 0.6, 0.9, 0.9, 1.0),))


def test_features_of_masked_frames_are_those_of_pictures_without_what_the_layout_names(backbone, videos, tmp_path):
    store = make_store(clips_from_files(videos[:1]), tmp_path / "store", layout=a_band)
    with forwards(backbone) as seen:
        masked = cached_features(backbone, store, FRAMES, mask_overlays=True)
        raw = cached_features(backbone, store, FRAMES)
        again = cached_features(backbone, store, FRAMES, mask_overlays=True)
    assert seen == [3, 3]  # each kept by itself
    pictures = [mask_layout(decode_jpeg(store.jpeg(int(frame))), a_band([])) for frame in FRAMES]
    backbone.eval()
    with torch.no_grad():
        squares = [torch.from_numpy(centre_square(picture, 32)).permute(2, 0, 1)[None] for picture in pictures]
        expected = torch.cat([backbone(square) for square in squares])
    torch.testing.assert_close(masked, expected)
    assert torch.equal(again, masked) and not torch.allclose(raw, masked)


def test_features_are_taken_in_evaluation_and_the_mode_restored(backbone, store):
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    backbone.train()
    frame_features(backbone, store, FRAMES, image_size=32)
    assert backbone.training
    assert all(torch.equal(tensor, before[name]) for name, tensor in backbone.state_dict().items())


def test_progress_ends_at_the_number_of_frames(backbone, store):
    done: list[int] = []
    frame_features(backbone, store, FRAMES, image_size=32, batch_size=2, on_progress=done.append)
    assert done == [2, 3]


def test_features_are_computed_once(backbone, fresh_store):
    with forwards(backbone) as seen:
        first = cached_features(backbone, fresh_store, FRAMES)
        again = cached_features(backbone, fresh_store, FRAMES)
    assert seen == [3]
    assert torch.equal(first, again)
    assert torch.equal(first, frame_features(backbone, fresh_store, FRAMES, image_size=32))


def test_other_weights_have_other_features(backbone, fresh_store):
    first = cached_features(backbone, fresh_store, FRAMES)
    with torch.no_grad():
        backbone.model.conv1[0].weight.mul_(2)
    second = cached_features(backbone, fresh_store, FRAMES)
    assert not torch.equal(first, second)
    assert torch.equal(second, frame_features(backbone, fresh_store, FRAMES, image_size=32))


def test_other_running_statistics_sizes_normalisations_and_frames_are_computed_anew(backbone, fresh_store):
    cached_features(backbone, fresh_store, FRAMES)
    changes = [
        lambda: backbone.model.bn1.running_mean.add_(1),
        lambda: setattr(backbone, "image_size", 48),
        lambda: backbone.mean.add_(0.1),
    ]
    with forwards(backbone) as seen:
        for change in changes:
            change()
            cached_features(backbone, fresh_store, FRAMES)
        cached_features(backbone, fresh_store, FRAMES[::-1])
        cached_features(backbone, fresh_store, FRAMES[:2])
    assert seen == [3, 3, 3, 3, 2]


def test_an_interrupted_computation_leaves_no_features(backbone, fresh_store):
    def interrupt(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached_features(backbone, fresh_store, FRAMES, on_progress=interrupt)
    with forwards(backbone) as seen:
        cached_features(backbone, fresh_store, FRAMES)
    assert seen == [3]


def test_a_store_that_cannot_be_written_gives_features_all_the_same(backbone, fresh_store, caplog):
    (fresh_store.path / "features").write_text("a file in the way")  # root, as whom tests may run, may write anywhere
    assert len(cached_features(backbone, fresh_store, FRAMES)) == 3
    assert "features are not kept" in caplog.text


def test_others_may_read_the_features_whom_the_umask_lets(backbone, fresh_store):
    before = os.umask(0o027)
    try:
        cached_features(backbone, fresh_store, FRAMES)
    finally:
        os.umask(before)
    (folder,) = (fresh_store.path / "features").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o750
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o640}


# -- whose features they are ------------------------------------------------------------------------------------------


def only_folder(store: FrameStore) -> Path:
    (folder,) = (store.path / "features").iterdir()
    return folder


def poison(folder: Path, features: torch.Tensor, **others: torch.Tensor) -> None:
    save_file({"features": features, "frames": torch.from_numpy(FRAMES), **others}, folder / "features.safetensors")


@pytest.mark.parametrize("how", ["zeros", "another shape", "another type", "not finite", "cut", "more", "empty"])
def test_features_that_somebody_else_has_changed_are_made_anew(backbone, fresh_store, caplog, how: str):
    true = cached_features(backbone, fresh_store, FRAMES)
    folder = only_folder(fresh_store)
    file = folder / "features.safetensors"
    match how:
        case "zeros":
            poison(folder, torch.zeros_like(true))
        case "another shape":
            poison(folder, torch.zeros(3, 2))
        case "another type":
            poison(folder, true.double())
        case "not finite":
            poison(folder, true * float("nan"))
        case "more":
            poison(folder, true, more=torch.zeros(3))
        case "cut":
            file.write_bytes(file.read_bytes()[:-4])
        case "empty":
            file.write_bytes(b"")
    with forwards(backbone) as seen:
        again, third = (cached_features(backbone, fresh_store, FRAMES) for _ in range(2))
    assert seen == [3]  # made anew once, and kept in the place of the others
    assert torch.equal(again, true)
    assert torch.equal(third, true)
    assert caplog.text.count("these features are made anew: the file has changed since it was written") == 1
    assert only_folder(fresh_store) == folder


def test_features_of_another_user_are_neither_used_nor_deleted(backbone, fresh_store, tmp_path_factory, monkeypatch):
    cached_features(backbone, fresh_store, FRAMES)
    theirs = only_folder(fresh_store)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("mine")))
    poison(theirs, torch.zeros(3, backbone.dim))
    before = (theirs / "features.safetensors").read_bytes()
    with forwards(backbone) as seen:
        mine = cached_features(backbone, fresh_store, FRAMES)
        cached_features(backbone, fresh_store, FRAMES)
    assert seen == [3]
    assert mine.abs().sum() > 0
    assert (theirs / "features.safetensors").read_bytes() == before


@pytest.mark.parametrize("about", [None, "", "[]", "{}", '{"sha256": "zz", "code": 1}', "forged", "moved"])
def test_features_without_the_code_of_the_users_key_are_not_even_read(backbone, fresh_store, caplog, about):
    cached_features(backbone, fresh_store, FRAMES)
    folder = only_folder(fresh_store)
    (folder / "features.safetensors").unlink()
    os.mkfifo(folder / "features.safetensors")  # whoever reads it waits for ever
    said = json.loads((folder / "backbone.json").read_text())
    (folder / "backbone.json").unlink()
    if about == "forged":
        sha256 = hashlib.sha256(b"theirs")
        code = hmac.new(b"their key", folder.name.encode() + sha256.digest(), "sha256").hexdigest()
        about = json.dumps({"sha256": sha256.hexdigest(), "code": code})
    elif about == "moved":  # the user's own code, of other features
        about = json.dumps({**said, "sha256": hashlib.sha256(b"theirs").hexdigest()})
    if about is not None:
        (folder / "backbone.json").write_text(about)
    cached_features(backbone, fresh_store, FRAMES)
    assert "these features are made anew: they bear no code of your key" in caplog.text


@pytest.mark.parametrize("which", ["features", "folder", "file"])
def test_features_are_neither_read_nor_written_through_links(backbone, fresh_store, tmp_path_factory, which):
    true = cached_features(backbone, fresh_store, FRAMES)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    folder = only_folder(fresh_store)
    moved = {"features": folder.parent, "folder": folder, "file": folder / "features.safetensors"}[which]
    moved.rename(elsewhere / "moved")
    moved.symlink_to(elsewhere / "moved")
    held = {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")}
    with forwards(backbone) as seen:
        assert torch.equal(cached_features(backbone, fresh_store, FRAMES), true)
    assert seen == [3]
    assert {path: path.stat().st_mtime_ns for path in elsewhere.rglob("*")} == held


def test_features_of_the_users_own_with_other_shapes_are_made_anew(fresh_store, caplog):
    def kept(*shape: int) -> tuple[int, ...]:
        def make() -> dict[str, torch.Tensor]:
            return {"features": torch.zeros(shape)}

        shapes = {"features": shape}
        return tuple(kept_tensors(fresh_store, "x", hashlib.sha256(), make, shapes=shapes, about={})["features"].shape)

    assert [kept(3, 2), kept(3, 2), kept(3, 4), kept(3, 4)] == [(3, 2), (3, 2), (3, 4), (3, 4)]
    assert caplog.text.count("they have other shapes or types than they should") == 1


def test_features_that_are_not_finite_are_not_kept(backbone, fresh_store):
    with torch.no_grad():
        backbone.model.conv1[0].weight.fill_(float("nan"))
    assert cached_features(backbone, fresh_store, FRAMES).isnan().any()
    assert not (fresh_store.path / "features").exists()


def test_what_lies_beside_features_names_no_path(fresh_store, tmp_path_factory):
    folder = tmp_path_factory.mktemp("private") / "backbone"
    export_backbone(Backbone("resnet10t", image_size=32), folder, card="")
    cached_features(load_backbone(str(folder)), fresh_store, FRAMES)
    about = (only_folder(fresh_store) / "backbone.json").read_text()
    assert "private" not in about
    assert json.loads(about)["name"] == "resnet10t"


def test_without_a_place_for_a_key_nothing_is_kept(backbone, fresh_store, tmp_path, monkeypatch, caplog):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    monkeypatch.setattr("tempfile.tempdir", str(blocked))
    with forwards(backbone) as seen:
        for _ in range(2):
            cached_features(backbone, fresh_store, FRAMES)
    assert seen == [3, 3]
    assert "no place for a key of yours" in caplog.text
    assert not (fresh_store.path / "features").exists()
