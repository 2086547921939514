"""Fonts for painted text: what the dependencies ship, what the system has, invented characters where both have none.

OpenCV 5 carries its own fonts, Chinese included; matplotlib carries DejaVu (Latin, Cyrillic, Greek); for anything else
the system's font folders are searched. Text comes as coverage masks, so that every style can colour them as it likes.
"""

from __future__ import annotations

import random
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

_DEJAVU = ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "DejaVuSerif.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf")
_WEIGHT = 400  # given each time: otherwise OpenCV takes the last weight used in the process
_SYSTEM_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/Library/Fonts",
    "/System/Library/Fonts",
    "C:/Windows/Fonts",
)
_IDEOGRAPHIC = (
    "*CJK*",
    "*wqy*",
    "*SourceHan*",
    "*PingFang*",
    "*msyh*",
    "*simsun*",
    "*simhei*",
    "*msgothic*",
    "*Droid*Fallback*",
)


@lru_cache
def faces(script: Script) -> tuple[Face, ...]:
    """Return the available faces for ``script``, at least one."""
    shipped = tuple(_opencv_face(name) for name in ("sans", "italic", "uni")) if hasattr(cv2, "FontFace") else ()
    if script in ("chinese", "japanese"):
        return shipped + tuple(_file_face(path) for path in _ideographic_files()) or (invented_characters,)
    folder = cast(Path, files("matplotlib") / "mpl-data" / "fonts" / "ttf")
    return shipped + tuple(_file_face(folder / name) for name in _DEJAVU)


def invented_characters(text: str, height: int) -> np.ndarray:
    """Draw invented square characters of a few strokes each, where no font has the real ones.

    Equal characters get equal strokes.

    Returns:
        A mask (height, height × characters) uint8.
    """
    cells = []
    for character in text:
        rng = random.Random(f"character:{character}")
        cell = np.zeros((height, height), np.uint8)
        low, high = height // 8, height - height // 8 - 1
        for _ in range(rng.randint(4, 8)):
            start = (rng.randint(low, high), rng.randint(low, high))
            end = (rng.randint(low, high), start[1]) if rng.random() < 0.5 else (start[0], rng.randint(low, high))
            cv2.line(cell, start, end, 255, max(height // 12, 1), cv2.LINE_AA)
        cells.append(cell)
    return np.hstack(cells)


@lru_cache
def _ideographic_files() -> tuple[Path, ...]:
    """Up to four of the system's font files with Chinese and Japanese characters, in a fixed order."""
    folders = [Path(folder) for folder in _SYSTEM_FOLDERS]
    found = {path for folder in folders for pattern in _IDEOGRAPHIC for path in folder.rglob(pattern)}
    return tuple(sorted(path for path in found if path.suffix.lower() in {".ttf", ".ttc", ".otf"}))[:4]


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
