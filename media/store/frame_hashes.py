"""Perceptual hashes of pictures that outlive crops and logos, and a close comparison of two pictures.

A hash is that of pHash: which of the 64 lowest frequencies of a discrete cosine transform are above their median. Here
it is taken of parts of the picture, too: of its left and its right side, one of which a logo in a corner leaves as it
was, and of what usual crops leave of it. The transform of a part is a product of matrices with the whole picture, so
all 30 hashes of a frame cost about as much as the one of a library that hashes picture by picture.
"""

import cv2
import numpy as np

SIDE = 64
"""Pixels a side of the small grey pictures that are hashed and compared."""

_FREQUENCIES = 8
_CROPPED = 0.05  # of the width and the height
_REGIONS = ((0.0, 1.0), (0.0, 0.6), (0.4, 1.0))  # left and right edges; the last two mirror each other
_CROPS = (  # left, top, right, bottom
    (0.0, 0.0, 1.0, 1.0),
    (_CROPPED / 2, _CROPPED / 2, 1 - _CROPPED / 2, 1 - _CROPPED / 2),
    (_CROPPED, _CROPPED, 1 - _CROPPED, 1 - _CROPPED),
    (0.0, 0.0, 1 - _CROPPED, 1 - _CROPPED),
    (_CROPPED, 0.0, 1.0, 1 - _CROPPED),
    (0.0, _CROPPED, 1 - _CROPPED, 1.0),
    (_CROPPED, _CROPPED, 1.0, 1.0),
)
_MIRRORED = (0, 1, 2)  # crops that are looked for in mirrored pictures, too
_BATCH = 1024
_FLAT = 6.0  # grey levels that the lowest frequencies of a picture with detail amount to


def small_grey(picture: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, 3) RGB uint8 as (SIDE, SIDE) uint8 grey levels."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small: np.ndarray = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small


def hash_pictures(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Hash small grey pictures.

    Args:
        grey: (N, SIDE, SIDE) uint8.

    Returns:
        hashes: (N, R, V) uint64 of R regions of the picture, each whole (column 0) and as crops and mirrors leave it:
            what `align_clips` takes.
        detailed: (N,) bool; False for pictures with too little in them (black, white) for a hash to say anything.
    """
    batches = [_hash_batch(grey[first : first + _BATCH]) for first in range(0, len(grey), _BATCH)]
    if not batches:
        return np.empty((0, len(_REGIONS), len(_CROPS) + len(_MIRRORED)), np.uint64), np.empty(0, bool)
    hashes, detailed = zip(*batches, strict=True)
    return np.concatenate(hashes), np.concatenate(detailed)


def _hash_batch(grey: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pictures = grey.astype(np.float32)
    across = np.matmul(pictures[:, None], _ACROSS)  # (N, RV, SIDE, 8)
    waves = np.matmul(_DOWN, across).reshape(len(grey), len(_REGIONS), len(_CROPS), _FREQUENCIES, _FREQUENCIES)
    strength = np.sqrt((waves[:, 0, 0] ** 2).sum(axis=(1, 2)) - waves[:, 0, 0, 0, 0] ** 2)
    turned = waves[:, (0, 2, 1)][:, :, _MIRRORED] * (-1.0) ** np.arange(_FREQUENCIES)
    waves = np.concatenate([waves, turned], axis=2)
    waves = waves.reshape(*waves.shape[:3], _FREQUENCIES**2)
    signs = waves > np.median(waves, axis=-1, keepdims=True)
    return np.packbits(signs, axis=-1).view(">u8")[..., 0].astype(np.uint64), strength > _FLAT


def _cosines(low: float, high: float) -> np.ndarray:
    """Return (8, SIDE): each pixel's weight in the means of cosines over ``low`` to ``high``, shares of the side."""
    edges = np.clip(np.arange(SIDE + 1) / SIDE, low, high)
    along = (edges - low) / (high - low)
    wave = np.pi * np.arange(1, _FREQUENCIES)[:, None]
    return np.diff(np.concatenate([along[None], np.sqrt(2) * np.sin(wave * along) / wave]), axis=1).astype(np.float32)


def _parts() -> tuple[np.ndarray, np.ndarray]:
    """Return the matrices (RV, SIDE, 8) and (RV, 8, SIDE) that take the transform of each part of a picture."""
    across, down = [], []
    for first, last in _REGIONS:
        for left, top, right, bottom in _CROPS:
            width = right - left
            across.append(_cosines(left + first * width, left + last * width).T)
            down.append(_cosines(top, bottom))
    return np.stack(across), np.stack(down)


_ACROSS, _DOWN = _parts()

_SCALES = (1.0, 1.03, 1.06, 1.09, 1.12)  # of the picture that the other may be a crop of
_BLOCK = SIDE // 4
_ALIKE = 0.7  # correlation of two blocks that show the same
_GRAIN = 4.0  # grey levels; blocks that vary less show nothing


SAME = 0.72
"""The `same_share` from which on two pictures are the same one."""


def same_share(one: np.ndarray, other: np.ndarray) -> float:
    """Return the share, 0..1, of the blocks of two small grey pictures that show the same, one cropped from the other.

    About 1 of one picture encoded twice, at least 0.75 with a logo or a crop of 5% a side, below 0.65 of two pictures
    that are merely alike.
    """
    share = _share_within(one, other)
    return share if share >= SAME else max(share, _share_within(other, one))


def _share_within(whole: np.ndarray, part: np.ndarray) -> float:
    best, found = -2.0, whole
    for scale in _SCALES:
        side = round(scale * SIDE)
        larger = cv2.resize(whole, (side, side), interpolation=cv2.INTER_LINEAR) if side > SIDE else whole
        match = cv2.matchTemplate(larger, part, cv2.TM_CCOEFF_NORMED)
        _, likeness, _, (x, y) = cv2.minMaxLoc(match)
        if likeness > best:
            best, found = likeness, larger[y : y + SIDE, x : x + SIDE]
    left, right = _blocks(found), _blocks(part)
    spread, other_spread = left.std(axis=1), right.std(axis=1)
    telling = np.maximum(spread, other_spread) > _GRAIN
    if not telling.any():
        return 0.0
    correlation = (left * right).mean(axis=1) / np.maximum(spread * other_spread, 1.0)
    return float((correlation[telling] > _ALIKE).mean())


def _blocks(picture: np.ndarray) -> np.ndarray:
    """Return the blocks of a picture (16, 256), the mean of each taken off."""
    count = SIDE // _BLOCK
    blocks = picture.reshape(count, _BLOCK, count, _BLOCK).transpose(0, 2, 1, 3).reshape(count**2, -1)
    centred: np.ndarray = blocks - blocks.mean(axis=1, keepdims=True, dtype=np.float32)
    return centred
