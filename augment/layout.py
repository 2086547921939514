"""Finding real overlays: what stays in place while the picture moves."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from framegate.media.layout import Layout

_WIDTH = 320  # pixels; frames are looked at no larger than this


def find_layout(frames: Sequence[np.ndarray]) -> Layout:
    """Borders, logos and subtitle bands of one video.

    Args:
        frames: (H, W, 3) RGB uint8 each, all of one size, spread over the video; eight or more find most.

    Returns:
        The layout, in fractions of the frame; empty for no frames.
    """
    if not frames:
        return Layout()
    grey = np.stack([_small_grey(frame) for frame in frames])
    borders = _borders(grey)
    return Layout(borders=borders, logos=_logos(grey, borders))


def _small_grey(frame: np.ndarray) -> np.ndarray:
    height = max(round(frame.shape[0] * _WIDTH / frame.shape[1]), 1)
    return cv2.cvtColor(cv2.resize(frame, (_WIDTH, height), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)


def _borders(grey: np.ndarray) -> tuple[float, float, float, float]:
    height, width = grey.shape[1:]
    brightest = grey.max(axis=0).astype(int)
    darkest = grey.min(axis=0).astype(int)
    spread = brightest - darkest

    def leading_flat(lines: np.ndarray) -> int:
        flat = np.percentile(lines, 95, axis=1) < 24
        return int(np.argmin(flat)) if not flat.all() else 0

    top, bottom = leading_flat(spread), leading_flat(spread[::-1])
    left, right = leading_flat(spread.T), leading_flat(spread.T[::-1])
    return (left / width, top / height, 1 - right / width, 1 - bottom / height)


def _logos(
    grey: np.ndarray, borders: tuple[float, float, float, float]
) -> tuple[tuple[float, float, float, float, float], ...]:
    if len(grey) < 4:
        return ()
    height, width = grey.shape[1:]
    x = np.stack([cv2.Sobel(frame, cv2.CV_32F, 1, 0) for frame in grey])
    y = np.stack([cv2.Sobel(frame, cv2.CV_32F, 0, 1) for frame in grey])
    lasting = np.hypot(np.median(x, axis=0), np.median(y, axis=0))
    strong = (lasting > 40).astype(np.uint8)
    if strong.mean() > 0.1:  # a static picture: everything lasts
        return ()
    joined = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, _, boxes, _ = cv2.connectedComponentsWithStats(joined)
    found = []
    for left, top, w, h, count in boxes[1:]:
        middle_x, middle_y = (left + w / 2) / width, (top + h / 2) / height
        in_corner = min(middle_x, 1 - middle_x) < 0.3 and min(middle_y, 1 - middle_y) < 0.3
        if in_corner and 0.02 < w / width < 0.25 and 0.02 < h / height < 0.25 and count > 30:
            confidence = float(min(lasting[top : top + h, left : left + w].max() / 200, 1.0))
            found.append((left / width, top / height, (left + w) / width, (top + h) / height, confidence))
    return tuple(found)
