"""Subtitle bands: rows where dense upright strokes come and go, with calm above and below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from framegate.augment.boxes import Box, PixelBox
from framegate.media.clip_layout import FoundBox

_STEP = 45  # levels across two pixels: an edge of a letter;
_FEW = 0.08  # share of a frame's pixels, at most, that are edges of letters: more are texture, and letters stand out
_STRONGEST_STEP = 110  # though not by more than this
_LEAST_CONFIDENCE = 0.5
_WITNESSES = 2  # frames that must show a line
_SAME = 0.75  # share of the frames in which an edge must be seen again to be the same all the time
_OFTEN = 0.3  # share of frames with text that leaves no doubt
_DENSE = 0.22  # share of edges around a pixel of a line of text


def find_subtitles(frames: Sequence[np.ndarray], picture: Box) -> tuple[FoundBox, ...]:
    """Find at most one subtitle band below and one above.

    Args:
        frames: (H, W) uint8 each.
        picture: the box inside the borders, in fractions.

    Returns:
        Boxes in fractions of the frame, with a confidence in 0–1.
    """
    if len(frames) < _WITNESSES:
        return ()
    rows, columns = frames[0].shape
    upright = [_upright_edges(frame) for frame in frames]
    blocks = [_blocks(edges) for edges in upright]
    found = []
    for low, high in ((0.65, 1.0), (0.0, 0.3)):
        zone = [[block for block in of_frame if low <= block.middle / rows <= high] for of_frame in blocks]
        band = _band(zone, rows)
        if band is not None and band[1] >= _LEAST_CONFIDENCE and not _stays(upright, band[0]):
            (left, top, right, bottom), confidence = band
            found.append((left / columns, top / rows, right / columns, bottom / rows, confidence))
    return tuple(found)


class _Block(NamedTuple):
    """A dense block of upright edges, in pixels; ``calm``: with far fewer above and below, as a line of text has."""

    left: int
    top: int
    right: int
    bottom: int
    calm: bool

    @property
    def middle(self) -> float:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> int:
        return self.bottom - self.top


def _upright_edges(frame: np.ndarray) -> np.ndarray:
    """255 where a frame (H, W) is much lighter on one side than on the other, (H, W - 2) uint8."""
    step = cv2.absdiff(frame[:, 2:], frame[:, :-2])
    up_to = np.bincount(step[::3, ::3].ravel(), minlength=256).cumsum()
    usual = int(np.searchsorted(up_to, (1 - _FEW) * up_to[-1]))
    limit = min(max(usual, _STEP), _STRONGEST_STEP)
    edges: np.ndarray = cv2.compare(step, limit, cv2.CMP_GT)  # type: ignore[call-overload]  # a number is taken, too
    return edges


def _stays(upright: list[np.ndarray], box: PixelBox) -> bool:
    """Tell whether the edges in a band never change: then it is a part of the picture or a lasting text."""
    inside = [edges[box[1] : box[3], box[0] : box[2]] for edges in upright]
    share = np.mean(inside, axis=0) / 255  # of the frames in which a pixel is an edge
    return bool((share * share).sum() > _SAME * share.sum())


def _blocks(upright: np.ndarray) -> list[_Block]:
    """Find blocks of a frame's edges that are shaped and centred like one or two lines of text.

    Large frames are searched at half size.
    """
    half = 2 if upright.shape[0] > 160 else 1
    edges = cv2.resize(upright, (upright.shape[1] // half, upright.shape[0] // half), interpolation=cv2.INTER_AREA)
    rows, columns = edges.shape  # each the share of its pixels that are edges, times 255
    reach = max(rows // 30, 4 // half)
    blurred = cv2.blur(edges, (3 * reach, reach))
    dense = cv2.compare(blurred, round(_DENSE * 255), cv2.CMP_GT)  # type: ignore[call-overload]  # a number is taken, too
    outlines, _ = cv2.findContours(dense, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    blocks = []
    for x, y, w, h in map(cv2.boundingRect, outlines):
        centred = abs(x + w / 2 - columns / 2) < 0.08 * columns
        at_edge = y <= 0 or y + h >= rows or x <= 0 or x + w >= columns
        if not (centred and w > 0.08 * columns and 0.03 * rows < h < 0.22 * rows and w > 1.5 * h):
            continue
        area = cv2.countNonZero(dense[y : y + h, x : x + w])
        left, top, right, bottom = _trimmed(edges, x, y, x + w, y + h)
        inside = edges[top:bottom, left:right].mean()
        beside = max((bottom - top) // 2, 1)
        above, below = (
            edges[max(top - beside - 1, 0) : top - 1, left:right],
            edges[bottom + 1 : bottom + 1 + beside, left:right],
        )
        calm = max(above.mean() if above.size else 0.0, below.mean() if below.size else 0.0) < 0.5 * inside
        calm = calm and area > 0.5 * w * h and not at_edge
        blocks.append(_Block(half * left, half * top, half * right, half * bottom, calm))
    return blocks


def _trimmed(edges: np.ndarray, left: int, top: int, right: int, bottom: int) -> PixelBox:
    """Cut off the margins of a block that come from the averaging over neighbourhoods."""
    inside = edges[top:bottom, left:right]
    by_row = inside.mean(axis=1)
    ys = np.nonzero(by_row >= 0.15 * by_row.max())[0]
    xs = np.nonzero(inside[ys[0] : ys[-1] + 1].mean(axis=0) >= 0.1 * by_row.max())[0]
    return int(left + xs[0]), int(top + ys[0]), int(left + xs[-1] + 1), int(top + ys[-1] + 1)


def _band(blocks: list[list[_Block]], rows: int) -> tuple[PixelBox, float] | None:
    """Return the box around the lines with the most frequent lower edge and the lines above them, and a confidence.

    Confidence is high where many frames have such a line, and few have lines elsewhere, as texture would.
    """
    lines = [[block for block in of_frame if block.calm] for of_frame in blocks]
    bottoms = {block.bottom for of_frame in lines for block in of_frame}
    if not bottoms:
        return None
    slack = max(rows // 60, 2)
    seen, best = max((sum(any(abs(b.bottom - at) <= slack for b in f) for f in lines), at) for at in bottoms)
    members = [block for of_frame in lines for block in of_frame if abs(block.bottom - best) <= slack]
    height = float(np.median([block.height for block in members]))
    if seen < _WITNESSES or np.median([block.right - block.left for block in members]) < 2.5 * height:
        return None
    elsewhere = sum(not best - 3.2 * height < b.bottom <= best + slack for of_frame in lines for b in of_frame)
    confidence = min(seen / (_OFTEN * len(lines)), 1.0) * seen / (seen + elsewhere)
    for of_frame in blocks:  # a second line may stand so near that neither is calm
        last = [block for block in of_frame if abs(block.bottom - best) <= slack and block.height < 2.8 * height]
        if last:
            members += last
            members += [b for b in of_frame if best - 3.2 * height < b.bottom < best and b.height < 1.8 * height]
    left, top, right, bottom = np.array([block[:4] for block in members]).T
    return (int(left.min()), int(top.min()), int(right.max()), int(bottom.max())), confidence
