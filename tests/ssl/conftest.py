"""Real videos and their store, made once for all tests of pretraining."""

from pathlib import Path

import pytest
import torch

from framegate.media import Clip, FrameStore
from tests.ssl.small_stores import make_store, write_video


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Threads cost tiny tensors more than they gain."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def videos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three files of two shots, 2.4 s each."""
    folder = tmp_path_factory.mktemp("videos")
    return [write_video(folder / f"{name}.mp4", seed=seed) for seed, name in enumerate("abc")]


@pytest.fixture(scope="session")
def store(videos: list[Path], tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """A frame every 0.2 s of the three videos; two clips are cut from the first file."""
    clips = [
        Clip(id="a-begin", video=videos[0], programme="p", split="train", end=1.2),
        Clip(id="a-end", video=videos[0], programme="p", split="train", start=1.2),
        Clip(id="b", video=videos[1], programme="q", split="train"),
        Clip(id="c", video=videos[2], programme="r", split="val"),
    ]
    return make_store(clips, tmp_path_factory.mktemp("store") / "store")
