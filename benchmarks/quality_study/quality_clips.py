"""Clips for `ssl_quality.py`: a picture that a camera pans and zooms over, and a station's look on top.

The looks are drawn by OpenCV alone. Nothing here comes from `framegate.augment`: a method that paints overlays while
training must not be tested on overlays of its own making.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np

FRAMES = 4  # of a clip

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class StationLook:
    """What a station lays over its pictures; lengths are fractions of the frame's side."""

    logo: str
    logo_colours: tuple[Colour, Colour]
    corner: tuple[bool, bool]  # right, bottom
    logo_side: float
    margin: float
    text_colour: Colour
    text_box: Colour | None
    text_height: float
    text_on_top: bool
    bars: float
    bar_colour: Colour
    upright_bars: bool

    @classmethod
    def draw(cls, seed: int, station: int) -> StationLook:
        """The look of a station, a function of both numbers."""
        rng = random.Random(f"station-look:{seed}:{station}")
        return cls(
            logo=rng.choice(("disc", "square", "triangle", "ring", "cross", "bars")),
            logo_colours=(_vivid(rng), _vivid(rng)),
            corner=(bool((station + seed) % 2), rng.random() < 0.25),
            logo_side=rng.uniform(0.12, 0.2),
            margin=rng.uniform(0.02, 0.06),
            text_colour=rng.choice(((255, 255, 255), (60, 230, 255), (120, 255, 120), (255, 255, 120))),
            text_box=rng.choice((None, (0, 0, 0), (90, 30, 10), (30, 30, 90))),
            text_height=rng.uniform(0.06, 0.1),
            text_on_top=rng.random() < 0.2,
            bars=rng.choice((0.0, rng.uniform(0.05, 0.13))),
            bar_colour=rng.choice(((0, 0, 0), (0, 0, 0), _vivid(rng))),
            upright_bars=rng.random() < 0.3,
        )

    def paint(self, frame: np.ndarray, text: str) -> None:
        """Bars, logo and a line of text onto ``frame`` (S, S, 3) uint8, in place."""
        side = len(frame)
        bar = round(self.bars * side)
        if bar:
            lines = frame.transpose(1, 0, 2) if self.upright_bars else frame
            lines[:bar], lines[-bar:] = self.bar_colour, self.bar_colour
        self._paint_logo(frame)
        self._write(frame, text, bar=0 if self.upright_bars else bar)

    def _paint_logo(self, frame: np.ndarray) -> None:
        side = len(frame)
        size, margin = max(6, round(self.logo_side * side)), round(self.margin * side)
        x = side - margin - size if self.corner[0] else margin
        y = side - margin - size if self.corner[1] else margin
        plate, first, second = frame[y : y + size, x : x + size], *self.logo_colours
        middle, half = (size // 2, size // 2), size // 2
        if self.logo == "disc":
            cv2.circle(plate, middle, half, first, -1, cv2.LINE_AA)
            cv2.circle(plate, middle, half // 2, second, -1, cv2.LINE_AA)
        elif self.logo == "ring":
            cv2.circle(plate, middle, half - 1, first, max(2, size // 5), cv2.LINE_AA)
        elif self.logo == "triangle":
            cv2.fillPoly(plate, [np.array([(0, size - 1), (half, 0), (size - 1, size - 1)])], first, cv2.LINE_AA)
        elif self.logo == "cross":
            cv2.rectangle(plate, (0, size // 3), (size, 2 * size // 3), first, -1)
            cv2.rectangle(plate, (size // 3, 0), (2 * size // 3, size), second, -1)
        elif self.logo == "bars":
            for bar in range(3):
                cv2.rectangle(
                    plate, (0, bar * size // 3), (size, bar * size // 3 + size // 5), (first, second)[bar % 2], -1
                )
        else:
            plate[:] = first
            cv2.rectangle(plate, (size // 4, size // 4), (3 * size // 4, 3 * size // 4), second, -1)

    def _write(self, frame: np.ndarray, text: str, *, bar: int) -> None:
        side = len(frame)
        scale = self.text_height * side / 22  # the font's capitals are 22 pixels high
        (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        if width > 0.94 * side:
            scale *= 0.94 * side / width
            (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
        x = (side - width) // 2
        y = bar // 2 + height + round(0.05 * side) if self.text_on_top else side - round(0.05 * side) - bar // 2
        if self.text_box is not None:
            cv2.rectangle(frame, (x - 2, y - height - 2), (x + width + 2, y + 2), self.text_box, -1)
        else:
            cv2.putText(frame, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 3, cv2.LINE_AA)
        cv2.putText(frame, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, self.text_colour, 1, cv2.LINE_AA)


def render_clip(pixels: np.ndarray, look: StationLook | None, *, side: int, seed: str) -> list[np.ndarray]:
    """The frames of a clip, (S, S, 3) BGR uint8; the same ``seed`` gives the same camera, whatever the look.

    Args:
        pixels: (h, w, 4) BGRA uint8.
        look: laid over every frame; None: nothing is.
        side: of the square frames, in pixels.
        seed: of background, camera, light and words.
    """
    rng = random.Random(seed)
    ground = _background(np.random.default_rng(rng.getrandbits(32)), side)
    size = rng.uniform(0.5, 0.85)
    zoom = rng.uniform(0.85, 1.2)
    start = (rng.uniform(0.35, 0.65), rng.uniform(0.35, 0.65))
    pan = (rng.uniform(-0.15, 0.15), rng.uniform(-0.15, 0.15))
    light = (rng.uniform(0.75, 1.15), rng.uniform(0.75, 1.15))
    words = " ".join("".join(rng.choices("abcdeghiklmnoprstu", k=rng.randint(2, 7))) for _ in range(rng.randint(2, 3)))
    frames = []
    for index in range(FRAMES):
        t = index / (FRAMES - 1)
        scale = size * zoom**t * side / max(pixels.shape[:2])
        x, y = (start[0] + pan[0] * t) * side, (start[1] + pan[1] * t) * side
        place = np.array(
            [[scale, 0, x - scale * pixels.shape[1] / 2], [0, scale, y - scale * pixels.shape[0] / 2]], np.float32
        )
        picture = cv2.warpAffine(pixels, place, (side, side), flags=cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR)
        alpha = picture[..., 3:].astype(np.float32) / 255
        frame = ground * (1 - alpha) + picture[..., :3] * alpha
        frame = np.clip(frame * (light[0] + (light[1] - light[0]) * t), 0, 255).astype(np.uint8)
        if look is not None:
            look.paint(frame, words)
        frames.append(frame)
    return frames


def write_clip(path: Path, frames: list[np.ndarray], *, seed: str) -> None:
    """Write frames as an H.264 video of one a second, compressed more or less strongly."""
    crf = random.Random(f"crf:{seed}").randint(18, 32)
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=1, options={"crf": str(crf), "preset": "veryfast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        out.mux(stream.encode())


def _background(rng: np.random.Generator, side: int) -> np.ndarray:
    """Soft clouds of two colours, (S, S, 3) float32."""
    cells = rng.integers(2, 7)
    cloud = cv2.resize(rng.random((cells, cells)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    first, second = rng.integers(30, 226, (2, 3)).astype(np.float32)
    return (
        first
        + (second - first) * np.clip(cloud, 0, 1)[..., None]
        + rng.normal(0, 4, (side, side, 1)).astype(np.float32)
    )


def _vivid(rng: random.Random) -> Colour:
    colour = [rng.randrange(256), rng.choice((0, 40)), rng.choice((215, 255))]
    rng.shuffle(colour)
    return colour[0], colour[1], colour[2]
