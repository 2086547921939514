"""The pictures of a clip without its station's overlays: scenes, seen by a moving camera in varying light."""

from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np

from framegate.recipes.corpus.canvas import HEIGHT, WIDTH, Image, Painter
from framegate.recipes.corpus.scenes_drawn import charts, creatures, map_symbols
from framegate.recipes.corpus.scenes_indoors import pans, stage, studio
from framegate.recipes.corpus.scenes_outdoors import mountains, pitch, track, underwater

__all__ = ["FRAME_RATE", "SCENES", "clip_pictures"]

FRAME_RATE = 10  # frames a second

SCENES: Mapping[str, Callable[[np.random.Generator, float], Painter]] = {
    "charts": charts,
    "creatures": creatures,
    "map": map_symbols,
    "mountains": mountains,
    "pans": pans,
    "pitch": pitch,
    "stage": stage,
    "studio": studio,
    "track": track,
    "underwater": underwater,
}


def clip_pictures(kind: str, *, seconds: float, hue: float, rng: np.random.Generator) -> Iterator[Image]:
    """The frames of a clip of picture kind ``kind``: one shot, or two of 1.5 s or more each.

    Args:
        kind: a key of :data:`SCENES`.
        seconds: the clip's duration.
        hue: what the programme's pictures are tinted with; each shot strays from it.
        rng: everything else.
    """
    frames = round(seconds * FRAME_RATE)
    shortest = round(1.5 * FRAME_RATE)
    cut = int(rng.integers(shortest, frames - shortest)) if rng.random() < 0.5 and frames > 2 * shortest else frames
    for shot_frames in (cut, frames - cut):
        if shot_frames:
            yield from _shot(SCENES[kind](rng, hue + rng.normal(0, 0.08)), shot_frames, rng)


def _shot(paint: Painter, frames: int, rng: np.random.Generator) -> Iterator[Image]:
    camera, light = _camera(frames / FRAME_RATE, rng), _light(rng)
    start = rng.uniform(0, 7)
    for number in range(frames):
        t = number / FRAME_RATE
        picture = cv2.warpAffine(
            paint(start + t), camera(t), (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        yield light(picture)


def _camera(seconds: float, rng: np.random.Generator) -> Callable[[float], np.ndarray]:
    """The affine map (2, 3) of the picture at each time: a slow pan, zoom and roll from one random pose to another."""
    zoom = rng.uniform(1.0, 1.45) * np.array([1.0, rng.uniform(0.9, 1.12)])
    roll = rng.uniform(-6, 6) + np.array([0.0, rng.uniform(-2, 2)])
    room = (zoom.max() - 1.0) * 0.5 + 0.03
    shift = rng.uniform(-room, room, (2, 2)) * (WIDTH, HEIGHT)
    mirrored = rng.random() < 0.5

    def pose(t: float) -> np.ndarray:
        along = t / seconds
        blend = np.array([1 - along, along])
        matrix: np.ndarray = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), float(roll @ blend), float(zoom @ blend))
        matrix[:, 2] += blend @ shift
        if mirrored:
            matrix[0] = [0, 0, WIDTH - 1] - matrix[0]
        return matrix

    return pose


def _light(rng: np.random.Generator) -> Callable[[Image], Image]:
    """Exposure, gamma and colour cast as one look-up table, a soft lens on some shots, and grain."""
    level = np.linspace(0, 1, 256)[:, None]
    cast = rng.uniform(0.65, 1.2) * rng.uniform(0.85, 1.15, 3)
    table = np.clip(255 * cast * level ** rng.uniform(0.75, 1.35) + rng.uniform(-8, 16), 0, 255).astype(np.uint8)[None]
    blur = rng.uniform(0.5, 1.3) if rng.random() < 0.3 else 0.0
    grain = rng.normal(0, rng.uniform(0.5, 5), (2 * HEIGHT, 2 * WIDTH, 1)).astype(np.int8)

    def expose(picture: Image) -> Image:
        if blur:
            picture = cv2.GaussianBlur(picture, (0, 0), blur)
        y, x = rng.integers(HEIGHT), rng.integers(WIDTH)
        noisy: np.ndarray = cv2.LUT(picture, table).astype(np.int16) + grain[y : y + HEIGHT, x : x + WIDTH]
        return noisy.clip(0, 255).astype(np.uint8)

    return expose
