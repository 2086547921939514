"""Borders: bars of one colour, or of a blurred copy of the picture, that end at the same line in all frames.

Bars come in equal pairs, above and below or left and right: what lies on one side alone is the picture's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from framegate.augment.boxes import WHOLE, Box

_WIDEST = 0.3  # of the height or width, per side
_TOLERANCE = 14  # levels: how far compression carries a bar's pixels from its colour
_PROMINENCE = 1.4  # of a blurred bar's end over the lines around it; pictures without borders stay below 1.2


def find_borders(frames: np.ndarray) -> Box:
    """The picture inside the borders, in fractions: (0, 0, 1, 1) where there are none.

    Args:
        frames: (T, H, W, 3) uint8.
    """
    flat = _inside(frames, _flat_bars)
    return flat if flat != WHOLE else _inside(frames, _blurred_bars)


def _inside(frames: np.ndarray, bars: Callable[[np.ndarray], int]) -> Box:
    """What bars on all four sides leave; ``bars`` gives the rows of those above and below."""
    height, width = frames.shape[1:3]
    sideways = frames.transpose(0, 2, 1, 3)
    x = bars(sideways)
    y = bars(frames[:, :, x : width - x])
    if x == 0 < y:  # the bars above and below may have hidden those beside
        x = bars(sideways[:, :, y : height - y])
    return (x / width, y / height, 1 - x / width, 1 - y / height)


def _flat_bars(frames: np.ndarray) -> int:
    """Rows of the bars of one colour above and below; 0 for none."""
    count, rows = frames.shape[:2]
    reach = int(rows * _WIDEST)
    first, last = frames[:, : reach + 4].astype(np.int16), frames[:, : -reach - 5 : -1].astype(np.int16)
    outermost = np.concatenate([first[:, :2], last[:, :2]], axis=1).reshape(count, -1, 3)
    colour = np.median(outermost, axis=1)[:, None, None]  # each frame's own, since bars may fade
    alike = sum((np.abs(side - colour).max(axis=3) <= _TOLERANCE).mean(axis=2) for side in (first, last)) / 2  # (T, rows)
    best, bar = 0.4, 0
    for end in range(2, reach + 1):
        before, after = alike[:, max(end - 3, 0) : end].mean(axis=1), alike[:, end + 1 : end + 4].mean(axis=1)
        witnesses = after < 0.6  # the others show a picture that is dark, or plain, beside the bar
        if witnesses.sum() >= max(0.25 * count, 1) and alike[:, :end].mean() >= 0.7:
            drop = float((before - after)[witnesses].mean())
            if drop > best:
                best, bar = drop, end
    return _sharpest_step(first, last, bar) if bar else 0


def _sharpest_step(first: np.ndarray, last: np.ndarray, near: int) -> int:
    """The line within two rows of ``near`` where the rows before and behind differ most."""
    low = max(near - 2, 1)
    steps = [np.abs(np.diff(side[:, low - 1 : near + 3], axis=1)).mean(axis=(0, 2, 3)) for side in (first, last)]
    return low + int(np.argmax(steps[0] + steps[1]))


def _blurred_bars(frames: np.ndarray) -> int:
    """Rows of bars with a blurred copy of the picture: in most frames the same straight line ends both."""
    grey = frames[..., 1].astype(np.int16)
    lit = grey[grey.std(axis=(1, 2)) > 4]
    if len(lit) == 0:
        return 0
    rows = grey.shape[1]
    step = np.abs(np.diff(lit, axis=1)).mean(axis=2)  # (T, rows - 1), over each line between two rows
    both = np.minimum(step, step[:, ::-1])
    best, bar = _PROMINENCE, 0
    for end in range(max(round(rows * 0.015), 2), int(rows * _WIDEST)):
        around = np.concatenate([step[:, max(end - 6, 0) : end - 2], step[:, end + 1 : end + 5], step[:, rows - end - 6 : rows - end - 2], step[:, rows - end + 1 : rows - end + 5]], axis=1)
        prominence = float(np.percentile(both[:, end - 1] / (np.median(around, axis=1) + 1), 60))
        if prominence > best:
            best, bar = prominence, end
    return bar
