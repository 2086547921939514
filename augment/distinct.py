"""Telling a moving picture from a still: the frames of a video that differ."""

from __future__ import annotations

import cv2
import numpy as np

from framegate.augment.boxes import Box


def distinct_frames(frames: np.ndarray, picture: Box, *, most: int = 24) -> list[int]:
    """Frames that differ over the picture: of a still, however long it is shown, one."""
    rows, columns = frames.shape[1:3]
    inside = np.s_[
        round(picture[1] * rows) : round(picture[3] * rows), round(picture[0] * columns) : round(picture[2] * columns)
    ]
    kept: list[int] = []
    seen: list[np.ndarray] = []
    for number, frame in enumerate(frames):
        small = cv2.resize(frame[inside], (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        spread = max(float(small.std()), 1.0)
        small = (small - small.mean()) / spread  # fades change brightness, and nothing else
        changed = [(cv2.absdiff(small, other) > max(0.3, 2 / spread)).mean() for other in seen]
        if min(changed, default=1.0) > 0.05:
            kept.append(number)
            seen.append(small)
    return [kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, min(most, len(kept))).astype(int))]
