from pathlib import Path

import av
import numpy as np
import pytest
import torch

from framegate.media import Clip, ExtractOptions, FrameStore, extract


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Threads cost tiny tensors more than they gain."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> FrameStore:
    """Three videos of two shots, 2.4 s each, a frame every 0.2 s; two clips are cut from the first file."""
    folder = tmp_path_factory.mktemp("videos")
    files = [_video(folder / f"{name}.mp4", seed=seed) for seed, name in enumerate("abc")]
    clips = [
        Clip(id="a-begin", video=files[0], programme="p", split="train", end=1.2),
        Clip(id="a-end", video=files[0], programme="p", split="train", start=1.2),
        Clip(id="b", video=files[1], programme="q", split="train"),
        Clip(id="c", video=files[2], programme="r", split="val"),
    ]
    options = ExtractOptions(mode="exact", every=0.2, size=48, audio_seconds=0)
    out = tmp_path_factory.mktemp("store") / "store"
    extract(clips, out, options=options, workers=1)
    return FrameStore(out)


def _video(path: Path, *, seed: int) -> Path:
    """A coarse pattern that another one replaces after 1.4 s; moving stripes tell the frames apart."""
    rng = np.random.default_rng(seed)
    shots = rng.integers(0, 256, (2, 6, 8, 3)).repeat(8, axis=1).repeat(8, axis=2).astype(np.uint8)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for index in range(24):
            picture = shots[int(index >= 14)].copy()
            picture[:, index * 2 : index * 2 + 4] = 255
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return path
