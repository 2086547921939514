"""Frames of one file as an array: the extraction's decoder for notebooks, without a store."""

from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np

from framegate.media.decode import ExactReader
from framegate.media.errors import MediaError
from framegate.media.keyframes import KeyframeReader
from framegate.media.options import Mode
from framegate.media.picture import FramePainter
from framegate.media.source import open_media, require_decoder

READERS: dict[Mode, type[ExactReader] | type[KeyframeReader]] = {"exact": ExactReader, "keyframe": KeyframeReader}


def read_frames(
    path: str | Path, times: Sequence[float], *, mode: Mode = "exact", threads: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Frames of a video file at some times, at its own size.

    Args:
        times: seconds, ascending.
        mode: ``exact`` for the frame shown at each time; ``keyframe`` for the keyframe nearest to it, each once.
        threads: decoding threads; 0 for one a core.

    Returns:
        The frames' own times (N,) float64, and the frames (N, H, W, 3) RGB uint8. N is smaller than the number of times
        where the video ends before.

    Raises:
        MediaError: if the file cannot be read.
    """
    painter = FramePainter()
    try:
        with open_media(Path(path), threads=threads) as container:
            if not container.streams.video:
                raise MediaError(f"{path}: no video in it")
            require_decoder(container.streams.video[0])
            reader = READERS[mode](container, container.streams.video[0])
            found = [(shown.time, painter.paint(shown.frame)) for _, shown in reader.frames_at(times)]
    except av.FFmpegError as error:
        raise MediaError(f"{path}: {error.strerror}") from None
    stamps = np.array([time for time, _ in found])
    return stamps, np.stack([picture for _, picture in found]) if found else np.empty((0, 0, 0, 3), np.uint8)
