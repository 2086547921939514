"""Shots: runs of sampled frames between cuts; and how alike two frames look."""

import cv2
import numpy as np


class ShotCounter:
    """Numbers frames by shot: a new shot begins where neither colours nor structure carry over.

    Sampled frames may lie seconds apart, so motion alone must not count as a cut: colours are compared by a joint
    histogram, blind to position, and structure by small pictures, blind to slow change of light.

    Args:
        threshold: distance in 0..1 above which two neighbouring samples belong to different shots.
    """

    def __init__(self, *, threshold: float = 0.5) -> None:
        self.shot = 0
        self._threshold = threshold
        self._before: np.ndarray | None = None

    def next(self, rgb: np.ndarray) -> int:
        """Return the shot number of the next frame, ``rgb`` (H, W, 3) uint8."""
        small = cv2.resize(rgb, (64, 64), interpolation=cv2.INTER_AREA)
        histogram = cv2.calcHist([small], [0, 1, 2], None, [8, 8, 8], [0, 256] * 3).ravel() / (64 * 64)
        if self._before is not None and 1 - np.minimum(histogram, self._before).sum() > self._threshold:
            self.shot += 1
        self._before = histogram
        return self.shot


class Deduper:
    """Detects frames that look like the last frame that was kept.

    Args:
        distance: mean absolute difference of two thumbnails of 16 × 16 pixels, 0 to 1, below which both show the same
            picture; 0: all pictures differ. 0.02 tolerates compression and noise, but no large movement.
    """

    def __init__(self, distance: float) -> None:
        self._distance = distance
        self._last: np.ndarray | None = None

    def repeats(self, rgb: np.ndarray) -> bool:
        """Tell whether ``rgb`` (H, W, 3) uint8 looks like the last frame kept; else it becomes the last frame kept."""
        if not self._distance:
            return False
        thumbnail = cv2.resize(rgb, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        if self._last is not None and np.abs(thumbnail - self._last).mean() < self._distance:
            return True
        self._last = thumbnail
        return False
