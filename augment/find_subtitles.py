"""Subtitle bands: rows where dense upright strokes come and go, with calm above and below."""

from __future__ import annotations

import cv2
import numpy as np

from framegate.augment.boxes import Box, PixelBox

Found = tuple[float, float, float, float, float]

_STEP = 45  # levels across two pixels: an edge of a letter


def find_subtitles(frames: np.ndarray, picture: Box) -> tuple[Found, ...]:
    """At most one band below and one above.

    Args:
        frames: (T, H, W, 3) uint8.
        picture: what the borders leave, in fractions.
    """
    count, rows, columns = frames.shape[:3]
    lines = [_lines_of_text(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)) for frame in frames]
    found = []
    for low, high in ((0.65, 1.0), (0.0, 0.3)):
        zone = [[box for box in boxes if low <= (box[1] + box[3]) / 2 / rows <= high] for boxes in lines]
        band = _band(zone, rows)
        if band is not None:
            (left, top, right, bottom), frames_with = band
            found.append(
                (
                    left / columns,
                    top / rows,
                    right / columns,
                    bottom / rows,
                    min(frames_with / max(0.3 * count, 1), 1.0),
                )
            )
    return tuple(found)


def _lines_of_text(frame: np.ndarray) -> list[PixelBox]:
    """Boxes of what looks like a centred line of text: many strong upright edges, close together, and calm around."""
    rows, columns = frame.shape
    upright = cv2.compare(cv2.absdiff(frame[:, 2:], frame[:, :-2]), _STEP, cv2.CMP_GT)
    edges = cv2.resize(upright, (columns // 2, rows // 2), interpolation=cv2.INTER_AREA)  # shares of 255
    height = max(rows // 60, 2)
    dense = cv2.compare(cv2.blur(edges, (3 * height, height)), round(0.22 * 255), cv2.CMP_GT)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(dense)
    rows, columns = dense.shape
    found = []
    for left, top, w, h, area in boxes[1:].tolist():
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
            found.append((2 * left, 2 * top, 2 * (left + w), 2 * (top + h)))
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
