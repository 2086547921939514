"""Find the frames of a video that differ, to tell moving pictures from stills."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from framegate.augment.boxes import Box
from framegate.media.evenly_spaced import evenly_spaced

_ROWS, _COLUMNS = 18, 32


def thumbnails(frames: Sequence[np.ndarray]) -> np.ndarray:
    """Shrink frames, (H, W) uint8 each, to thumbnails that show only large things, (T, 18, 32) float32."""
    rows, columns = frames[0].shape
    if rows >= _ROWS and columns >= _COLUMNS:  # whole pixels into each: several times as fast
        frames = [frame[: rows // _ROWS * _ROWS, : columns // _COLUMNS * _COLUMNS] for frame in frames]
    small = [cv2.resize(frame, (_COLUMNS, _ROWS), interpolation=cv2.INTER_AREA) for frame in frames]
    return np.stack(small).astype(np.float32)


def distinct_frames(thumbs: np.ndarray, picture: Box) -> list[int]:
    """Return the numbers of frames that differ inside the borders; a still, however long, counts once.

    Args:
        thumbs: from `thumbnails`.
        picture: the box inside the borders, in fractions.
    """
    rows = slice(int(np.ceil(picture[1] * _ROWS)), int(picture[3] * _ROWS))
    columns = slice(int(np.ceil(picture[0] * _COLUMNS)), int(picture[2] * _COLUMNS))
    inside = thumbs[:, rows, columns].reshape(len(thumbs), -1)
    deviation = np.maximum(inside.std(axis=1, keepdims=True), 1.0)
    inside = (inside - inside.mean(axis=1, keepdims=True)) / deviation  # fades change brightness, and nothing else
    kept: list[int] = []
    for number, frame in enumerate(inside):
        least = max(0.3, 2 / float(deviation[number, 0]))
        if not kept or (np.abs(inside[kept] - frame) > least).mean(axis=1).min() > 0.05:
            kept.append(number)
    return kept


def choose_evenly(frames: Sequence[np.ndarray], max_frames: int) -> list[np.ndarray]:
    """Return at most ``max_frames`` of the frames, at even distances."""
    return [frames[i] for i in evenly_spaced(len(frames), max_frames)]
