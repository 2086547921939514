"""Edges that last: what a video's frames have in common while the picture behind changes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from framegate.augment.boxes import PixelBox

_STANDARD_ERRORS = 3.5
_GAIN = 2.5  # a step of 128 / 2.5 levels across two pixels, or more, counts as that: no few frames are to weigh all
_REACH = 3  # pixels that a structure is moved by, to see whether it stays put
_ONE, _SMOOTH = (
    np.ones(1, np.float32),
    np.array([3, 10, 3], np.float32) / 16,
)  # along an edge, as Scharr's operator does
_WHOLE, _BEFORE, _AFTER = slice(None), slice(None, -2), slice(2, None)
_INNER = ((_WHOLE, slice(1, -1)), (slice(1, -1), _WHOLE))  # where a pixel has neighbours: beside it, above and below it


@dataclass(frozen=True, slots=True)
class LastingEdges:
    """Maps of edges over some frames, in levels a pixel, of the strongest of the three colours.

    Attributes:
        lasting: (H, W) float32, a lower bound of the mean gradient's length, so many standard errors below that an edge
            which comes and goes, or turns, has none.
        usual: (H, W) float32, the gradient's root mean square.
        halves: (2, 2, H, W, 3) float32, the summed gradients of the first half of the frames and of the second: across
            and down, each colour's: many a logo is as light as what it lies on.
    """

    lasting: np.ndarray
    usual: np.ndarray
    halves: np.ndarray

    def stays(self, box: PixelBox) -> tuple[float, float]:
        """How alike the two halves are over a box: in place, and at best where one is moved by two pixels or three.

        Two correlations, 0 to 1. What lies over a picture is most alike in place; what moves with the picture, however
        slowly, elsewhere.
        """
        rows, columns = self.lasting.shape
        left, top = max(box[0], _REACH), max(box[1], _REACH)
        right, bottom = min(box[2], columns - _REACH), min(box[3], rows - _REACH)
        first = self.halves[0][:, top:bottom, left:right]
        in_place, moved = 0.0, 0.0
        for down in range(-_REACH, _REACH + 1):
            for across in range(-_REACH, _REACH + 1):
                second = self.halves[1][:, top + down : bottom + down, left + across : right + across]
                if down == across == 0:
                    in_place = _correlation(first, second)
                elif max(abs(down), abs(across)) >= 2:
                    moved = max(moved, _correlation(first, second))
        return in_place, moved


def lasting_edges(frames: np.ndarray) -> LastingEdges:
    """The edges of frames (T, H, W, 3) uint8."""
    count = len(frames)
    halves = np.zeros((2, 2, *frames.shape[1:]), np.float32)
    squares = np.zeros((2, *frames.shape[1:]), np.float32)
    across, down = ((_WHOLE, _BEFORE), (_WHOLE, _AFTER)), ((_BEFORE, _WHOLE), (_AFTER, _WHOLE))
    for number, frame in enumerate(frames):
        sums = halves[2 * number // count]
        for axis, (first, second) in enumerate((across, down)):
            step = cv2.addWeighted(frame[second], _GAIN, frame[first], -_GAIN, 128)  # 128 stands for none
            cv2.accumulate(step, sums[axis][_INNER[axis]])
            cv2.accumulateSquare(step, squares[axis][_INNER[axis]])
    first_half = -(-count // 2)
    for axis, inner in enumerate(_INNER):
        squares[axis][inner] += 128 * 128 * count - 256 * halves[:, axis].sum(axis=0)[inner]
        halves[0][axis][inner] -= 128 * first_half
        halves[1][axis][inner] -= 128 * (count - first_half)
    mean = halves.sum(axis=0) / count
    length = cv2.magnitude(cv2.sepFilter2D(mean[0], -1, _ONE, _SMOOTH), cv2.sepFilter2D(mean[1], -1, _SMOOTH, _ONE)) / (
        2 * _GAIN
    )
    power = cv2.blur(squares[0] + squares[1], (3, 3)) / (count * (2 * _GAIN) ** 2)
    error = cv2.sqrt(cv2.max(power - length * length, 0) / (2 * count))
    lasting, usual = _strongest(length - _STANDARD_ERRORS * error), cv2.sqrt(_strongest(power))
    return LastingEdges(lasting, usual, halves)


def _strongest(of_colours: np.ndarray) -> np.ndarray:
    """The largest of three colours' values at each place."""
    red, green, blue = cv2.split(of_colours)
    return cv2.max(cv2.max(red, green), blue)


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float((a * b).sum() / (np.sqrt((a * a).sum() * (b * b).sum()) + 1e-9))
