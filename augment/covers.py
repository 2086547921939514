"""Ways to cover a region so that nothing of it is left: one colour, noise, or a donor's pixels."""

from __future__ import annotations

import random

import numpy as np

from framegate.augment.boxes import PixelBox


def cover(image: np.ndarray, pixels: PixelBox, rng: random.Random) -> None:
    """Overwrite ``pixels`` of ``image`` (H, W, 3) uint8, in place, with a random colour, black, the mean, or noise."""
    where = np.s_[pixels[1] : pixels[3], pixels[0] : pixels[2]]
    kind = rng.choice(("mean", "colour", "black", "noise"))
    if kind == "noise":
        shape = (pixels[3] - pixels[1], pixels[2] - pixels[0], 3)
        image[where] = np.frombuffer(rng.randbytes(shape[0] * shape[1] * 3), np.uint8).reshape(shape)
    elif kind == "mean":
        middle = image[
            image.shape[0] // 4 : -image.shape[0] // 4 or None, image.shape[1] // 4 : -image.shape[1] // 4 or None
        ]
        image[where] = middle.reshape(-1, 3).mean(axis=0)
    else:
        image[where] = (0, 0, 0) if kind == "black" else (rng.randrange(256), rng.randrange(256), rng.randrange(256))


def replace(image: np.ndarray, pixels: PixelBox, donor: np.ndarray) -> None:
    """Overwrite ``pixels`` of ``image``, in place, with the same place of ``donor``, a picture of the same size."""
    where = np.s_[pixels[1] : pixels[3], pixels[0] : pixels[2]]
    image[where] = donor[where]
