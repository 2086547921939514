"""Colour jitter as one matrix: brightness, contrast, saturation, hue and grey are affine in RGB, so is their product.

torchvision applies the same operations one by one and rounds and clips after each; here a picture is read and written
once, and clipped once. Hue turns the chroma plane of YIQ instead of HSV's hexagon.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

Strength = Literal["moco_v2", "moco_v3", "simclr"]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]], np.float32)
_FROM_YIQ = np.linalg.inv(_TO_YIQ).astype(np.float32)
_IDENTITY = np.eye(3, dtype=np.float32)
_GREY = np.tile(LUMA, (3, 1))


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The crop and colour changes of one view.

    Attributes:
        min_scale: smallest share of the frame that a crop covers.
        jitter, grey, blur, solarize: probability of each change.
        brightness, contrast, saturation: a factor is drawn from 1 ± this.
        hue: a rotation is drawn from ± this, in turns of the colour circle.
    """

    min_scale: float
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    grey: float = 0.2
    blur: float = 0.5
    solarize: float = 0.0


# The two views of each method, from the papers' own code: MoCo v2 (Chen et al. 2020), MoCo v3 (Chen et al. 2021, §4.1,
# asymmetric), SimCLR (Chen et al. 2020, appendix A with s = 1).
RECIPES: dict[Strength, tuple[Recipe, Recipe]] = {
    "moco_v2": (Recipe(min_scale=0.2), Recipe(min_scale=0.2)),
    "moco_v3": (
        Recipe(min_scale=0.08, saturation=0.2, blur=1.0),
        Recipe(min_scale=0.08, saturation=0.2, blur=0.1, solarize=0.2),
    ),
    "simclr": (
        Recipe(min_scale=0.08, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2),
        Recipe(min_scale=0.08, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2),
    ),
}


def recolour(image: np.ndarray, recipe: Recipe, rng: random.Random, *, mean: np.ndarray | None = None) -> np.ndarray:
    """Return ``image`` (H, W, 3) uint8 after random colour changes by ``recipe``; without any, ``image`` itself.

    Args:
        image: the picture.
        recipe: the changes.
        rng: draws them.
        mean: (3,) the mean colour, 0–255, that a change of contrast keeps; None: that of ``image``. With the same one,
            and ``rng`` in the same state, several pictures change alike.
    """
    jitter, grey = rng.random() < recipe.jitter, rng.random() < recipe.grey
    if jitter or grey:
        if jitter and mean is None:
            mean = mean_colour(image)
        matrix = _affine(_IDENTITY) if mean is None or not jitter else jitter_matrix(recipe, rng, mean=mean)
        image = cv2.transform(image, _GREY @ matrix if grey else matrix)
    if rng.random() < recipe.solarize:
        image = cv2.LUT(image, _SOLARIZED)
    if rng.random() < recipe.blur:
        image = blur(image, sigma=rng.uniform(0.1, 2.0) * image.shape[0] / 224)
    return image


def jitter_matrix(recipe: Recipe, rng: random.Random, *, mean: np.ndarray) -> np.ndarray:
    """Return the 3×4 matrix of a random colour jitter.

    Args:
        recipe: the ranges of the four changes, which are made in random order.
        rng: draws factors and order.
        mean: (3,) mean colour of the picture, 0–255.
    """
    matrix = _affine(_IDENTITY)
    for step in rng.sample(("brightness", "contrast", "saturation", "hue"), 4):
        width = getattr(recipe, step)
        linear, offset = _IDENTITY, 0.0
        factor = rng.uniform(max(1 - width, 0.0), 1 + width)
        if step == "brightness":
            linear = factor * _IDENTITY
        elif step == "contrast":  # away from, or towards, the mean grey that the picture has by now
            grey = float(LUMA @ (matrix[:, :3] @ mean + matrix[:, 3]))
            linear, offset = factor * _IDENTITY, (1 - factor) * grey
        elif step == "saturation":
            linear = factor * _IDENTITY + (1 - factor) * _GREY
        else:
            linear = hue_rotation(rng.uniform(-width, width))
        matrix = linear @ matrix
        matrix[:, 3] += offset
    return matrix


def mean_colour(image: np.ndarray) -> np.ndarray:
    """Return the mean colour (3,) float32 of ``image`` (H, W, 3) uint8."""
    return np.array(cv2.mean(image)[:3], np.float32)


def hue_rotation(turns: float) -> np.ndarray:
    """Return the 3×3 RGB matrix that rotates hues by ``turns`` of a full circle and keeps luma.

    >>> np.allclose(hue_rotation(0.25) @ (90, 90, 90), 90, atol=0.1)
    True
    """
    cos, sin = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]], np.float32)
    return _FROM_YIQ @ turn @ _TO_YIQ


def blur(image: np.ndarray, *, sigma: float) -> np.ndarray:
    """Blur ``image`` with a Gaussian, cut off at 2.5 ``sigma`` (in pixels); below 0.3 return it as it is."""
    side = 2 * math.ceil(2.5 * sigma) + 1
    return cv2.GaussianBlur(image, (side, side), sigma) if sigma >= 0.3 else image


def _affine(linear: np.ndarray) -> np.ndarray:
    return np.concatenate([linear, np.zeros((3, 1), np.float32)], axis=1)


_SOLARIZED = np.where(np.arange(256) < 128, np.arange(256), 255 - np.arange(256)).astype(np.uint8)
