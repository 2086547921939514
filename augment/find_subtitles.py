"""Subtitle bands: rows where dense upright strokes come and go, with calm above and below."""

from __future__ import annotations

import cv2
import numpy as np

from framegate.augment.boxes import Box, PixelBox

Found = tuple[float, float, float, float, float]


def find_subtitles(grey: np.ndarray, picture: Box) -> tuple[Found, ...]:
    """At most one band below and one above.

    Args:
        grey: (T, H, W) uint8.
        picture: what the borders leave, in fractions.
    """
    count, rows, columns = grey.shape
    lines = [_lines_of_text(frame) for frame in grey]
    found = []
    for low, high in ((0.65, 1.0), (0.0, 0.3)):
        zone = [[box for box in boxes if low <= (box[1] + box[3]) / 2 / rows <= high] for boxes in lines]
        band = _band(zone, rows)
        if band is not None:
            (left, top, right, bottom), frames = band
            found.append(
                (left / columns, top / rows, right / columns, bottom / rows, min(frames / max(0.3 * count, 1), 1.0))
            )
    return tuple(found)


def _lines_of_text(frame: np.ndarray) -> list[PixelBox]:
    """Boxes of what looks like a centred line of text: many strong upright edges, close together, and calm around."""
    rows, columns = frame.shape
    edges = (np.abs(cv2.Sobel(frame, cv2.CV_16S, 1, 0, ksize=1)) > 45).astype(np.float32)
    height = max(rows // 30, 4)
    dense = cv2.blur(edges, (3 * height, height)) > 0.22
    _, _, boxes, _ = cv2.connectedComponentsWithStats(dense.astype(np.uint8))
    found = []
    for left, top, w, h, area in boxes[1:]:
        tall, wide = h / rows, w / columns
        centred = abs(left + w / 2 - columns / 2) < 0.08 * columns
        at_edge = top <= 0 or top + h >= rows or left <= 0 or left + w >= columns
        if at_edge or not (0.03 < tall < 0.22 and wide > 0.08 and w > 1.5 * h and centred and area > 0.5 * w * h):
            continue
        inside = edges[top : top + h, left : left + w].mean()
        above, below = (
            edges[max(top - h // 2, 0) : top, left : left + w],
            edges[top + h : top + h + h // 2, left : left + w],
        )
        if max(above.mean() if above.size else 0.0, below.mean() if below.size else 0.0) < 0.5 * inside:
            found.append((int(left), int(top), int(left + w), int(top + h)))
    return found


def _band(lines: list[list[PixelBox]], rows: int) -> tuple[PixelBox, int] | None:
    """The box around the lines whose lower edge most frames agree on, and those above them; and how many frames do."""
    bottoms = [box[3] for boxes in lines for box in boxes]
    if not bottoms:
        return None
    slack = max(rows // 60, 2)
    frames, best = max(
        (sum(any(abs(box[3] - bottom) <= slack for box in boxes) for boxes in lines), bottom) for bottom in set(bottoms)
    )
    if frames < max(2, 0.1 * len(lines)):
        return None
    members = [box for boxes in lines for box in boxes if abs(box[3] - best) <= slack]
    height = float(np.median([box[3] - box[1] for box in members]))
    if np.median([box[2] - box[0] for box in members]) < 2.5 * height:
        return None
    for boxes in lines:
        if any(abs(box[3] - best) <= slack for box in boxes):
            members += [box for box in boxes if best - 2.8 * height < box[1] and box[3] <= best + slack]
    left, top, right, bottom = np.array(members).T
    return (int(left.min()), int(top.min()), int(right.max()), int(bottom.max())), frames
