"""Small videos, and frame stores made of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np

from framegate.media import Clip, ExtractOptions, FrameStore, Layout, extract


def make_store(
    clips: list[Clip], out: Path, *, layout: Callable[[Sequence[np.ndarray]], Layout] | None = None
) -> FrameStore:
    """A frame every 0.2 s of each clip, 48 pixels high."""
    options = ExtractOptions(mode="exact", every=0.2, size=48, audio_seconds=0)
    extract(clips, out, layout=layout, options=options, workers=1)
    return FrameStore(out)


def write_video(path: Path, *, seed: int) -> Path:
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
