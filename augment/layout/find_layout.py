"""Find real overlays in the frames of a video: borders, logos, subtitle bands."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from framegate.augment.boxes import WHOLE
from framegate.augment.layout.distinct import distinct_frames, thumbnails
from framegate.augment.layout.find_borders import find_borders
from framegate.augment.layout.find_logos import find_logos
from framegate.augment.layout.find_subtitles import find_subtitles
from framegate.media.clip_layout import Layout
from framegate.media.evenly_spaced import evenly_spaced

_WIDTH = 320  # pixels; frames are looked at no larger than this
_LEAST_SIDE = 16  # below it nothing can be told apart
_FRAMES = 16


def find_layout(frames: Sequence[np.ndarray]) -> Layout:
    """Find the borders, logos and subtitle bands of one video.

    Args:
        frames: (H, W, 3) RGB uint8 each, all of one size, from all parts of the video; logos need eight or more.

    Returns:
        The layout, in fractions of the frame; empty for no frames and for tiny ones.
    """
    if not frames:
        return Layout()
    small = [_shrunk(frames[i]) for i in evenly_spaced(len(frames), _FRAMES)]
    if min(small[0].shape[:2]) < _LEAST_SIDE:
        return Layout()
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in small]
    thumbs = thumbnails(grey)
    borders = find_borders(small, [grey[i] for i in distinct_frames(thumbs, WHOLE)])
    logos = find_logos(small, distinct_frames(thumbs, borders), borders)
    return Layout(borders=borders, logos=logos, subtitles=find_subtitles(grey, borders))


def _shrunk(frame: np.ndarray) -> np.ndarray:
    """Shrink a frame to at most `_WIDTH` columns: by whole factors first, which is cheap, then to the exact size."""
    height, width = frame.shape[:2]
    if width <= _WIDTH:
        return frame
    size = (_WIDTH, max(round(height * _WIDTH / width), 1))
    times = min(width // _WIDTH, height // size[1])
    if times > 1:
        frame = cv2.resize(frame, (width // times, height // times), interpolation=cv2.INTER_AREA)
    small: np.ndarray = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
    return small
