"""Read frames of one video file, or of pictures, as arrays, without a store."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from framegate.media.errors import MediaError
from framegate.media.options import Limits, Mode


def read_frames(
    path: str | Path,
    times: Sequence[float],
    *,
    mode: Mode = "exact",
    threads: int = 0,
    timeout: float = Limits().timeout,
    max_pixels: int = Limits().max_pixels,
) -> list[tuple[float, np.ndarray]]:
    """Read the frames of a video file at given times, in the size of the video.

    A picture, an animated picture or a folder of pictures does as well: ``mode`` and ``threads`` change nothing then.

    Args:
        path: the file, or the folder.
        times: seconds, ascending.
        mode: ``exact`` for the frame shown at each time; ``keyframe`` for the keyframe nearest to it, each once;
            ``auto`` for a keyframe where one lies within half a step (the least between two times), else the exact one.
        threads: decoding threads; 0 for one a core.
        timeout: seconds after which reading stops.
        max_pixels: width × height above which frames are refused.

    Returns:
        The second and the picture, (H, W, 3) RGB uint8, of each frame; fewer than ``times`` if the video ends before.
        Pictures of a folder have the size of each.

    Raises:
        MediaError: the file cannot be read within the limits.
    """
    # Who only reads stores does without FFmpeg, which takes longer to load than the largest store to open.
    import av

    from framegate.media.decoding.packets import Deadline
    from framegate.media.decoding.picture_folder import holds_pictures, open_pictures
    from framegate.media.decoding.readers import open_reader
    from framegate.media.decoding.source import open_media
    from framegate.media.decoding.tracks import choose_video
    from framegate.media.pictures.picture import FramePainter

    deadline = Deadline(timeout)
    if holds_pictures(Path(path)):
        try:
            pictures = open_pictures(Path(path), size=None, max_pixels=max_pixels, deadline=deadline)
            found = [(shown.time, shown.frame) for _, shown in pictures.frames_at(times)]
        except MediaError as error:
            raise MediaError(f"{path}: {error}") from None
        if pictures.damage and not found:
            raise MediaError(f"{path}: {pictures.damage[0]}")
        return found
    try:
        with open_media(Path(path), max_pixels=max_pixels, threads=threads) as container:
            choice = choose_video(container, Path(path), deadline=deadline, max_pixels=max_pixels)
            if choice is None:
                raise MediaError(f"{path}: no video in it")
            painter = FramePainter.of_stream(choice.stream)
            step = min((after - before for before, after in pairwise(times)), default=0.0)
            reader = open_reader(mode, container, choice.stream, step=step, deadline=deadline)
            frames = [(shown.time, painter.paint(shown.frame)) for _, shown in reader.frames_at(times)]
            if reader.damage and not frames:
                raise MediaError(f"{path}: {reader.damage[0]}")
            return frames
    except av.FFmpegError as error:
        raise MediaError(f"{path}: {error.strerror}") from None
