"""Logos: compact groups of edges that stay while the picture behind them changes."""

from __future__ import annotations

import cv2
import numpy as np

from framegate.augment.boxes import Box, PixelBox

Found = tuple[float, float, float, float, float]

_STRONG = 4.0  # levels a pixel: a lasting edge that founds a group
_WEAK = 2.0  # one that extends it


def find_logos(grey: np.ndarray, picture: Box) -> tuple[Found, ...]:
    """Boxes and confidences of the logos.

    Args:
        grey: (T, H, W) uint8.
        picture: what the borders leave, in fractions.
    """
    distinct = distinct_frames(grey, picture)
    if len(distinct) < 3:
        return ()
    lasting, usual = lasting_edges(grey[distinct])
    _clear_border_lines(lasting, picture)
    rows, columns = lasting.shape
    groups = _merged(_groups(lasting), rows, columns)
    found = []
    for left, top, right, bottom in groups:
        if not _is_logo_shaped(left, top, right, bottom, rows, columns):
            continue
        inside = lasting[top:bottom, left:right]
        confidence = float(np.clip(np.percentile(inside, 95) / 20, 0, 1))
        found.append((left / columns, top / rows, right / columns, bottom / rows, confidence))
        lasting[top:bottom, left:right] = usual[top:bottom, left:right] = 0
    if (lasting > _STRONG).sum() > 0.2 * max((usual > _STRONG).sum(), 0.01 * usual.size):  # the camera stands still
        return ()
    return tuple(found)


def distinct_frames(grey: np.ndarray, picture: Box, *, most: int = 12) -> list[int]:
    """Frames that differ over the picture: of a still, however long it is shown, one."""
    rows, columns = grey.shape[1:]
    part = grey[:, round(picture[1] * rows) : round(picture[3] * rows), round(picture[0] * columns) : round(picture[2] * columns)]
    kept: list[int] = []
    kept_small: list[np.ndarray] = []
    for number, frame in enumerate(part):
        small = cv2.resize(frame, (32, 18), interpolation=cv2.INTER_AREA).astype(np.float32)
        if small.std() < 1.0:
            continue
        small = (small - small.mean()) / small.std()  # fades change brightness, and nothing else
        if all((np.abs(small - other) > 0.3).mean() > 0.15 for other in kept_small):
            kept.append(number)
            kept_small.append(small)
    return [kept[i] for i in np.unique(np.linspace(0, len(kept) - 1, min(most, len(kept))).astype(int))] if kept else []


def lasting_edges(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two maps (H, W) float32 of edges, in levels a pixel.

    First the step that at least four frames in five have in one direction, second the step of the usual frame.
    """
    x = np.stack([cv2.Scharr(frame, cv2.CV_16S, 1, 0) for frame in grey]).astype(np.float32) / 32
    y = np.stack([cv2.Scharr(frame, cv2.CV_16S, 0, 1) for frame in grey]).astype(np.float32) / 32
    mx, my = np.median(x, axis=0), np.median(y, axis=0)
    along = (x * mx + y * my) / (np.hypot(mx, my) + 1e-3)
    k = int(0.2 * len(grey))
    return np.partition(along, k, axis=0)[k], np.sqrt(np.mean(x * x + y * y, axis=0))


def _clear_border_lines(lasting: np.ndarray, picture: Box) -> None:
    """Take the ends of the borders, which last too, out of the map, in place."""
    rows, columns = lasting.shape
    for edge in (picture[0], picture[2]):
        if 0 < edge < 1:
            lasting[:, max(round(edge * columns) - 3, 0) : round(edge * columns) + 3] = 0
    for edge in (picture[1], picture[3]):
        if 0 < edge < 1:
            lasting[max(round(edge * rows) - 3, 0) : round(edge * rows) + 3] = 0


def _groups(lasting: np.ndarray) -> list[PixelBox]:
    """Boxes of connected edges: those that a strong one founds, as far as weak ones extend them."""
    reach = max(lasting.shape[1] // 80, 3) | 1
    weak = (lasting > _WEAK).astype(np.uint8)
    joined = cv2.dilate(weak, np.ones((reach, reach), np.uint8))
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    groups = []
    for label, (left, top, w, h, _) in enumerate(boxes[1:], start=1):
        inside = np.s_[top : top + h, left : left + w]
        member = labels[inside] == label
        if (member & (lasting[inside] > _STRONG)).sum() < 8:
            continue
        ys, xs = np.nonzero(member & (weak[inside] > 0))
        groups.append((int(left + xs.min()), int(top + ys.min()), int(left + xs.max() + 1), int(top + ys.max() + 1)))
    return groups


def _merged(groups: list[PixelBox], rows: int, columns: int) -> list[PixelBox]:
    """Groups that are nearer to each other than half their size are parts of one logo."""
    groups = list(groups)
    while True:
        for i, a in enumerate(groups):
            for j in range(i + 1, len(groups)):
                b = groups[j]
                size = max(a[2] - a[0], a[3] - a[1], b[2] - b[0], b[3] - b[1])
                gap = max(b[0] - a[2], a[0] - b[2], b[1] - a[3], a[1] - b[3])
                both = (min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3]))
                if gap < 0.5 * size and _is_logo_shaped(*both, rows, columns):
                    groups[i] = both
                    del groups[j]
                    break
            else:
                continue
            break
        else:
            return groups


def _is_logo_shaped(left: int, top: int, right: int, bottom: int, rows: int, columns: int) -> bool:
    """2 to 25% of the frame each way, and near a corner."""
    near = min(left, columns - right) / columns < 0.15 and min(top, rows - bottom) / rows < 0.2
    return near and 0.015 < (right - left) / columns < 0.25 and 0.015 < (bottom - top) / rows < 0.3
