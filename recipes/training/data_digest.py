"""A cheap digest of a store's rows."""

import hashlib
from pathlib import Path

import numpy as np

from framegate.media import FrameStore
from framegate.media.evenly_spaced import evenly_spaced


def data_digest(store: Path) -> str:
    """Return 16 hex digits that change when the store's rows do: ``videos.arrow``, or one of 64 sampled frames."""
    digest = hashlib.sha256((store / "videos.arrow").read_bytes())
    frames = FrameStore(store)
    for index in evenly_spaced(len(frames), 64):
        digest.update(np.float64(frames.times[index]).tobytes() + bytes(frames.jpeg(int(index))))
    return digest.hexdigest()[:16]
