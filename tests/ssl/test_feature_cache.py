import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch

from framegate.augment import mask_layout, plain_view
from framegate.augment.crops import centre_square
from framegate.media import FrameStore, Layout, clips_from_files, decode_jpeg
from framegate.ssl.backbone import Backbone
from framegate.ssl.feature_cache import cached_features
from framegate.ssl.features import frame_features
from tests.ssl.small_stores import make_store

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
            (tmp_path / path.name).symlink_to(path)
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
