"""Drawing primitives: anti-aliased, at sub-pixel positions, so that slow motion is smooth on a small picture."""

import colorsys
from collections.abc import Callable, Sequence

import cv2
import numpy as np

__all__ = [
    "HEIGHT",
    "WIDTH",
    "Colour",
    "Image",
    "Painter",
    "box",
    "disc",
    "ellipse",
    "gradient",
    "hsv",
    "polygon",
    "shade",
    "smooth_noise",
    "stroke",
    "vivid",
    "wave",
]

WIDTH, HEIGHT = 256, 144  # pixels

Colour = tuple[int, int, int]  # RGB, 0–255
Image = np.ndarray  # (HEIGHT, WIDTH, 3) uint8 RGB
Painter = Callable[[float], Image]
"""A scene, ready to be painted at any time in seconds."""

_SHIFT = 4  # cv2 takes coordinates in 1/16 pixel
_SCALE = 1 << _SHIFT


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """A colour from a hue on the circle (any float, one turn = 1) and saturation and value in 0–1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, min(max(saturation, 0.0), 1.0), min(max(value, 0.0), 1.0))
    return round(255 * red), round(255 * green), round(255 * blue)


def shade(colour: Colour, factor: float) -> Colour:
    """``colour`` made darker (``factor`` < 1) or brighter."""
    red, green, blue = (min(255, round(factor * channel)) for channel in colour)
    return red, green, blue


def vivid(rng: np.random.Generator) -> Colour:
    """A strong colour of any hue."""
    return hsv(rng.random(), rng.uniform(0.45, 1.0), rng.uniform(0.65, 1.0))


def gradient(top: Colour, bottom: Colour) -> Image:
    """A new picture that goes from ``top`` to ``bottom``."""
    column = np.linspace(top, bottom, HEIGHT).astype(np.uint8)
    return np.repeat(column[:, None], WIDTH, axis=1)


def smooth_noise(rng: np.random.Generator, cells: tuple[int, int]) -> np.ndarray:
    """A (HEIGHT, WIDTH) float32 field in 0–1 that varies over ``cells`` = (rows, columns) blots."""
    field: np.ndarray = cv2.resize(rng.random(cells, dtype=np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    return field.clip(0.0, 1.0)


def wave(t: float, *, period: float, phase: float) -> float:
    """A sine in -1–1 at ``t`` seconds; ``period`` in seconds, ``phase`` in turns."""
    return float(np.sin(2 * np.pi * (t / period + phase)))


def disc(image: Image, x: float, y: float, radius: float, colour: Colour, *, width: float = 0) -> None:
    """A disc, or a ring of ``width`` pixels."""
    thickness = max(1, round(width)) if width else -1
    centre = (round(x * _SCALE), round(y * _SCALE))
    cv2.circle(image, centre, max(1, round(radius * _SCALE)), colour, thickness, cv2.LINE_AA, _SHIFT)


def ellipse(
    image: Image, x: float, y: float, radii: tuple[float, float], colour: Colour, *, angle: float = 0.0
) -> None:
    """A filled ellipse; ``angle`` in degrees."""
    axes = (max(1, round(radii[0] * _SCALE)), max(1, round(radii[1] * _SCALE)))
    centre = (round(x * _SCALE), round(y * _SCALE))
    cv2.ellipse(image, centre, axes, angle, 0, 360, colour, -1, cv2.LINE_AA, _SHIFT)


def polygon(image: Image, points: np.ndarray | Sequence[tuple[float, float]], colour: Colour) -> None:
    """A filled polygon through ``points`` (N, 2) in pixels, x first."""
    cv2.fillPoly(image, [_fixed(points)], colour, cv2.LINE_AA, _SHIFT)


def stroke(
    image: Image,
    points: np.ndarray | Sequence[tuple[float, float]],
    colour: Colour,
    *,
    width: float = 1,
    closed: bool = False,
) -> None:
    """A line through ``points`` (N, 2) in pixels, x first."""
    cv2.polylines(image, [_fixed(points)], closed, colour, max(1, round(width)), cv2.LINE_AA, _SHIFT)


def box(image: Image, x0: float, y0: float, x1: float, y1: float, colour: Colour) -> None:
    """A filled upright rectangle."""
    polygon(image, [(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)


def _fixed(points: np.ndarray | Sequence[tuple[float, float]]) -> np.ndarray:
    return np.round(np.asarray(points, dtype=np.float64) * _SCALE).astype(np.int32)
