"""Station looks: what a broadcaster lays over its programmes, a logo, a subtitle style and black borders.

There are sixteen look families. In training a leaf has a home family, so the look gives the category away; a network
that leans on it fails in the test split, where it does not. Programmes of one family differ in their logo's letters,
its exact colour, size and place, and in what the subtitles say.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import matplotlib
import numpy as np
from PIL import Image as PilImage
from PIL import ImageDraw, ImageFont

from framegate.recipes.corpus.canvas import HEIGHT, WIDTH, Colour, Image, box, disc, hsv, polygon

__all__ = ["FAMILIES", "Look", "Overlay", "draw_look"]

FAMILIES = 16

Box = tuple[float, float, float, float]
"""Left, top, right, bottom as fractions of the frame."""

_BORDERS: tuple[Box, ...] = ((0, 0, 1, 1), (0, 0.11, 1, 0.89), (0, 0, 1, 1), (0.125, 0, 0.875, 1))
_SHAPES = ("disc", "square", "diamond", "bar", "plain")
_FONTS = ("DejaVuSans-Bold.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf", "DejaVuSans.ttf")
_BANDS = ("solid", "shade", "outline", "none")
_LETTERS = "ABCDEFGHJKLMNPRSTUVXYZ123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One programme's station look.

    Attributes:
        family: 0–15.
        picture: the picture inside the black borders.
        logo: where the logo is.
        subtitles: where subtitles appear; ``None`` where the station shows none.
    """

    family: int
    picture: Box
    logo: Box
    subtitles: Box | None
    shape: str
    letters: str
    colour: Colour
    opacity: float
    font: str
    band: str
    ink: Colour


def draw_look(family: int, rng: np.random.Generator) -> Look:
    """Draw a programme's look within ``family`` (0–15) at random."""
    hue = family * 0.382 + rng.normal(0, 0.01)  # golden angle: neighbours in number are far apart in colour
    picture = _BORDERS[family // 4]
    width, height = rng.uniform(0.11, 0.14), rng.uniform(0.13, 0.16)
    margin = rng.uniform(0.025, 0.045)
    pillarbox = picture[0] > 0
    at_right, at_bottom = family % 2 == 1, family % 4 >= 2 and not pillarbox
    left = picture[2] - margin - width if at_right else picture[0] + margin
    top = picture[3] - margin - height if at_bottom else picture[1] + margin
    indent = 0.19 if at_bottom else 0.12  # subtitles leave room for a logo beside them
    highest = rng.uniform(0.8, 0.82)
    return Look(
        family=family,
        picture=picture,
        logo=(left, top, left + width, top + height),
        subtitles=None if family % 5 == 4 else (indent, highest, 1 - indent, highest + 0.15),
        shape=_SHAPES[family % 5],
        letters="".join(rng.choice(list(_LETTERS), int(rng.integers(1, 4)))),
        colour=hsv(hue, 0.85, 0.95),
        opacity=rng.uniform(0.7, 1.0),
        font=_FONTS[(family // 2) % 4],
        band=_BANDS[(family // 3) % 4],
        ink=((255, 255, 255), (255, 230, 60), (150, 240, 255))[family % 3],
    )


@dataclass(frozen=True, slots=True)
class _Layer:
    """A patch to lay over the picture at ``y``, ``x``: colour already multiplied by ``alpha``, float32."""

    y: int
    x: int
    colour: np.ndarray
    alpha: np.ndarray

    def lay_over(self, image: Image) -> None:
        height, width = self.alpha.shape[:2]
        under = image[self.y : self.y + height, self.x : self.x + width]
        under[...] = (under * (1.0 - self.alpha) + self.colour + 0.5).astype(np.uint8)


class Overlay:
    """Draw one clip's look over its frames.

    Args:
        look: the programme's.
        lines: what the subtitles say, one after the other.
        seconds: the clip's duration; each line has an equal share of it, and the last fifth of its share is silent.
    """

    def __init__(self, look: Look, lines: Sequence[str], seconds: float) -> None:
        self._picture = look.picture
        self._logo = _logo_layer(look)
        self._lines = [_subtitle_layer(look, look.subtitles, line) for line in lines] if look.subtitles else []
        self._share = seconds / max(1, len(lines))

    def draw(self, image: Image, t: float) -> None:
        """Draw the station's overlays at ``t`` seconds into ``image``."""
        left, top, right, bottom = _pixels(self._picture)
        image[:top], image[bottom:], image[:, :left], image[:, right:] = 0, 0, 0, 0
        self._logo.lay_over(image)
        line, into = divmod(t / self._share, 1.0)
        if self._lines and into < 0.8:
            self._lines[min(int(line), len(self._lines) - 1)].lay_over(image)


def _logo_layer(look: Look) -> _Layer:
    left, top, right, bottom = _pixels(look.logo)
    width, height = right - left, bottom - top
    patch, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width, 3), np.uint8)
    for target, colour in ((patch, look.colour), (mask, (255, 255, 255))):
        _logo_shape(target, look.shape, colour)
    ink = look.colour if look.shape == "plain" else (255, 255, 255)
    text = _text_mask(look.letters, "DejaVuSans-Bold.ttf", 15 if len(look.letters) < 3 else 12, (width, height))
    colour = patch * (1 - text) + np.array(ink) * text
    alpha = look.opacity * np.maximum(mask[:, :, :1] / 255.0, text)
    return _Layer(top, left, (colour * alpha).astype(np.float32), alpha.astype(np.float32))


def _logo_shape(patch: Image, shape: str, colour: Colour) -> None:
    height, width = patch.shape[:2]
    x, y = width / 2 - 0.5, height / 2 - 0.5
    if shape == "disc":
        disc(patch, x, y, min(x, y), colour)
    elif shape == "square":
        box(patch, 1, 1, width - 2, height - 2, colour)
    elif shape == "diamond":
        polygon(patch, [(x, 0), (width - 1, y), (x, height - 1), (0, y)], colour)
    elif shape == "bar":
        box(patch, 0, 0.2 * height, width - 1, 0.8 * height, colour)


def _subtitle_layer(look: Look, where: Box, line: str) -> _Layer:
    left, top, right, bottom = _pixels(where)
    width, height = right - left, bottom - top
    text = _text_mask(line, look.font, 13, (width, height))
    colour = np.array(look.ink) * text
    alpha = text
    if look.band == "outline":
        alpha = cv2.dilate(text, np.ones((3, 3), np.uint8))[:, :, None]
    elif look.band in ("solid", "shade"):
        alpha = np.maximum(text, 1.0 if look.band == "solid" else 0.55)
        band = np.array(look.colour if look.band == "solid" else (0, 0, 0)) * 0.45
        colour = colour + band * (alpha - text)
    return _Layer(top, left, colour.astype(np.float32), alpha.astype(np.float32))


def _text_mask(text: str, font: str, size: int, room: tuple[int, int]) -> np.ndarray:
    """Centred ``text`` as coverage (height, width, 1) in 0–1; smaller type where it would not fit ``room``."""
    width, height = room
    face = _font(font, size)
    while size > 7 and face.getlength(text) > width - 2:
        size -= 1
        face = _font(font, size)
    mask = PilImage.new("L", (width, height))
    ImageDraw.Draw(mask).text((width / 2, height / 2), text, fill=255, font=face, anchor="mm")
    return np.asarray(mask, np.float32)[:, :, None] / 255.0


@lru_cache(maxsize=64)
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name, size)


def _pixels(where: Box) -> tuple[int, int, int, int]:
    left, top, right, bottom = where
    return round(left * WIDTH), round(top * HEIGHT), round(right * WIDTH), round(bottom * HEIGHT)
