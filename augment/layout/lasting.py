"""Find edges that stay in all frames of a video while the picture behind them changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from framegate.augment.boxes import PixelBox

_STANDARD_ERRORS = 3.5
_GAIN = 2.5  # a step of 128 / 2.5 levels across two pixels, or more, counts as that: no few frames are to weigh all
_REACH = 3  # pixels that a structure is moved by, to see whether it stays put
_ONE = np.ones(1, np.float32)
_SMOOTH = np.array([3, 10, 3], np.float32) / 16  # along an edge, as Scharr's operator does
_WHOLE, _BEFORE, _AFTER = slice(None), slice(None, -2), slice(2, None)
_STEPS = (((_WHOLE, _BEFORE), (_WHOLE, _AFTER)), ((_BEFORE, _WHOLE), (_AFTER, _WHOLE)))  # across, and down
_INNER = ((_WHOLE, slice(1, -1)), (slice(1, -1), _WHOLE))  # where a pixel has neighbours: beside it, above and below it
_STRIP = 36  # rows at a time: what is worked on then fits the cache, and asks the system for no memory
_HALO = 2  # rows above and below a strip that its edges depend on


@dataclass(frozen=True, slots=True)
class LastingEdges:
    """Maps of edges over some frames, in levels a pixel, of the strongest of the three colours.

    Attributes:
        frames: (H, W, 3) uint8 each.
        lasting: (H, W) float32, a lower bound of the mean gradient's length, so many standard errors below that an edge
            which comes and goes, or turns, has none.
        usual: (H, W) float32, the gradient's root mean square.
    """

    frames: Sequence[np.ndarray]
    lasting: np.ndarray
    usual: np.ndarray

    def stays(self, box: PixelBox) -> tuple[float, float]:
        """Return how similar two halves of the frames are in a box: in place, and at best when moved by 2 or 3 pixels.

        Both are correlations of mean gradients in all colours, since many logos are as bright as their background. An
        overlay is most similar in place; what moves with the picture, however slowly, is more similar when moved.
        """
        rows, columns = self.lasting.shape
        left, top = max(box[0], _REACH), max(box[1], _REACH)
        right, bottom = min(box[2], columns - _REACH), min(box[3], rows - _REACH)
        around = [frame[top - _REACH : bottom + _REACH, left - _REACH : right + _REACH] for frame in self.frames]
        middle = -(-len(around) // 2)
        first, _ = _summed(around[:middle])
        first = first[:, _REACH:-_REACH, _REACH:-_REACH]
        second, _ = _summed(around[middle:])
        in_place, moved = 0.0, 0.0
        for down in range(2 * _REACH + 1):
            for across in range(2 * _REACH + 1):
                shift = max(abs(down - _REACH), abs(across - _REACH))
                if shift == 1:
                    continue
                other = second[:, down : down + first.shape[1], across : across + first.shape[2]]
                if shift == 0:
                    in_place = _correlation(first, other)
                else:
                    moved = max(moved, _correlation(first, other))
        return in_place, moved


def lasting_edges(frames: Sequence[np.ndarray]) -> LastingEdges:
    """Compute the lasting edges of frames, (H, W, 3) uint8 each."""
    rows, columns = frames[0].shape[:2]
    lasting, usual = np.empty((rows, columns), np.float32), np.empty((rows, columns), np.float32)
    for first in range(0, rows, _STRIP):
        last = min(first + _STRIP, rows)
        low = max(first - _HALO, 0)
        strip = [frame[low : last + _HALO] for frame in frames]
        inside = slice(first - low, last - low)
        lasting[first:last], usual[first:last] = (edges[inside] for edges in _edges(strip))
    return LastingEdges(frames, lasting, usual)


def _edges(frames: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """``lasting`` and ``usual`` of some rows of all frames."""
    count = len(frames)
    (across, down), squares = _summed(frames)
    across, down = cv2.sepFilter2D(across, -1, _ONE, _SMOOTH), cv2.sepFilter2D(down, -1, _SMOOTH, _ONE)
    length = cv2.magnitude(across, down) / (2 * _GAIN * count)
    power = cv2.blur(squares, (3, 3)) / (count * (2 * _GAIN) ** 2)
    variance = cv2.max(power - length * length, 0)  # type: ignore[call-overload]  # a number is taken, too
    error = cv2.sqrt(variance / (2 * count))
    return _strongest(length - _STANDARD_ERRORS * error), cv2.sqrt(_strongest(power))


def _summed(frames: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Sum the frames' gradients, across and down (2, H, W, 3), and their squared lengths (H, W, 3)."""
    shape = frames[0].shape
    sums, squares = np.zeros((2, *shape), np.float32), np.zeros((2, *shape), np.float32)
    for frame in frames:
        for axis, (first, second) in enumerate(_STEPS):
            step = cv2.addWeighted(frame[second], _GAIN, frame[first], -_GAIN, 128)  # 128 stands for none
            cv2.accumulate(step, sums[axis][_INNER[axis]])
            cv2.accumulateSquare(step, squares[axis][_INNER[axis]])
    none = 128 * len(frames)
    for axis, inner in enumerate(_INNER):
        squares[axis][inner] += 128 * none - 256 * sums[axis][inner]
        sums[axis][inner] -= none
    return sums, squares[0] + squares[1]


def _strongest(of_colours: np.ndarray) -> np.ndarray:
    """Return the largest of the three colours' values at each place."""
    red, green, blue = cv2.split(of_colours)
    strongest: np.ndarray = cv2.max(cv2.max(red, green), blue)
    return strongest


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9))
