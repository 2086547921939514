"""Fonts for painted text, all from the dependencies: a view is the same on every machine, whatever fonts it has.

OpenCV carries fonts of its own, Chinese and Japanese included; matplotlib carries DejaVu (Latin, Cyrillic, Greek). Text
comes as coverage masks, so that every style can colour them as it likes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, cast

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

Script = Literal["latin", "cyrillic", "greek", "chinese", "japanese"]
SCRIPTS: tuple[Script, ...] = ("latin", "cyrillic", "greek", "chinese", "japanese")
Face = Callable[[str, int], np.ndarray]  # (text, height of a line in pixels) → mask (h, w) uint8, 255 inside the glyphs

_OPENCV = ("sans", "italic", "uni")
_DEJAVU = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf")
_WEIGHT = 400  # given each time: otherwise OpenCV takes the last weight used in the process


@lru_cache
def faces(script: Script) -> tuple[Face, ...]:
    """Return the faces for ``script``, in an order that stays."""
    shipped = tuple(map(_opencv_face, _OPENCV))
    if script in ("chinese", "japanese"):
        return shipped
    folder = cast(Path, files("matplotlib") / "mpl-data" / "fonts" / "ttf")
    return shipped + tuple(_file_face(folder / name) for name in _DEJAVU)


def _file_face(path: Path) -> Face:
    load = lru_cache(lambda size: ImageFont.truetype(str(path), size))

    def mask(text: str, height: int) -> np.ndarray:
        font = load(max(round(height * 0.8), 4))
        line = Image.new("L", (max(round(font.getlength(text)), 1), height))
        ImageDraw.Draw(line).text((0, round(height * 0.8)), text, fill=255, font=font, anchor="ls")
        return np.asarray(line)

    return mask


def _opencv_face(name: str) -> Face:
    def mask(text: str, height: int) -> np.ndarray:
        size = max(round(height * 0.8), 4)
        canvas = np.zeros((height, size * (len(text) + 2)), np.uint8)
        end, _ = cv2.putText(canvas, text, (size // 8, round(height * 0.8)), (255,), cv2.FontFace(name), size, _WEIGHT)
        return canvas[:, : max(min(end[0] + size // 8, canvas.shape[1]), 1)]

    return mask
