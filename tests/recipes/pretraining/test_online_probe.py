"""A probe while training makes do with what a store has."""

from pathlib import Path

import pytest
import torch

from framegate.media import Clip, FrameStore
from framegate.recipes.pretraining.online_probe import OnlineProbe, some_frames
from framegate.recipes.pretraining.pretrain_pictures import neighbour_strips
from framegate.ssl.backbones.backbone import Backbone
from tests.ssl.small_stores import make_store, write_video


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    torch.manual_seed(0)
    return Backbone("test_resnet", image_size=32)


def unlabelled(folder: Path, *names: str, split: str = "train") -> FrameStore:
    videos = [write_video(folder / f"{name}.mp4", seed=seed) for seed, name in enumerate(names)]
    clips = [Clip(id=path.stem, video=path, programme=path.stem, split=split) for path in videos]
    return make_store(clips, folder / "store")


def test_without_labels_there_are_neighbours_and_no_accuracy(tmp_path: Path, backbone: Backbone) -> None:
    store = unlabelled(tmp_path, "a", "b")
    probe = OnlineProbe(store)
    was, state = backbone.training, torch.get_rng_state()
    seen = probe.compute_features(backbone)
    assert probe.figures(seen).keys() == {"feature_std", "feature_rank"}
    assert len(seen.features) == len(store)
    assert neighbour_strips(store, seen, strips=3, neighbours=4) is not None
    assert backbone.training == was
    assert torch.equal(torch.get_rng_state(), state)  # what is logged changes nothing about what is learnt


def test_a_store_of_one_source_has_no_neighbours_to_show(tmp_path: Path, backbone: Backbone) -> None:
    store = unlabelled(tmp_path, "a", split="test")
    assert len(OnlineProbe(store).frames) == len(store)
    assert neighbour_strips(store, some_frames(backbone, store)) is None


def test_of_many_frames_an_even_choice_is_probed(tmp_path: Path) -> None:
    store = unlabelled(tmp_path, "a", "b")
    frames = OnlineProbe(store, max_frames={"train": 5, "val": 5}).frames
    assert len(frames) == 5
    assert {0, len(store) - 1} < set(frames.tolist())
