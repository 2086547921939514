"""Labelled pictures for `ssl_quality.py`: which folders are which category, and which picture is in which split."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

MAX_PICTURES = 150  # pictures of a category
TEST_SHARE = 0.22
SIDE = 160  # pixels of a picture's longer side, as it is kept

# Halves of the categories: defaults are tuned on the one and reported on the other.
CATEGORIES: dict[str, dict[str, tuple[str, ...]]] = {
    "report": {
        "flags": ("signs_and_symbols/flags",),
        "cards": ("recreation/games/cards",),
        "applications": ("computer/icons/flat-theme/applications", "computer/icons/lemon-theme/apps"),
        "tools": ("tools",),
        "office": ("office",),
        "mammals": ("animals/mammals",),
        "pictograms": ("transportation/aiga-symbols",),
        "arrows": ("shapes/arrows",),
        "plants": ("plants",),
        "fruit": ("food/fruit",),
        "music": ("recreation/music",),
        "sports": ("recreation/sports",),
        "desserts": ("food/desserts",),
        "vehicles": ("transportation/vehicles",),
    },
    "tune": {
        "stars": ("shapes/stars",),
        "actions": ("computer/icons/flat-theme/action", "computer/icons/lemon-theme/actions"),
        "map": ("signs_and_symbols/map_symbols",),
        "geography": ("geography",),
        "gradients": ("special/gradients",),
        "patterns": ("special/patterns",),
        "people": ("people/stickmen", "people/smilies", "people/bodypart"),
        "roadsigns": ("transportation/roadsigns",),
        "buttons": ("computer/buttons",),
        "party": ("recreation/party", "recreation/holiday"),
        "clothing": ("people/clothing",),
        "drinks": ("food/beverages", "food/meats_and_eggs"),
        "hardware": ("computer/hardware", "electronics"),
        "birds": ("animals/birds", "animals/bugs"),
    },
}


@dataclass(frozen=True)
class Picture:
    """A picture (h, w, 4) BGRA uint8 of a category, and the split that all its clips belong to."""

    name: str
    category: int
    pixels: np.ndarray
    is_test: bool


def load_pictures(
    root: Path, half: str, *, max_pictures: int = MAX_PICTURES, categories: int | None = None
) -> list[Picture]:
    """The pictures of a half, near-duplicates left out; which are held out is a function of their order alone."""
    taken: list[Picture] = []
    thumbnails: list[np.ndarray] = []
    for category, folders in enumerate(list(CATEGORIES[half].values())[:categories]):
        files = sorted(file for folder in folders for file in (root / folder).rglob("*.png"))
        if not files:
            raise SystemExit(f"{root}: no pictures in {', '.join(folders)}; --pictures wants the clipart tree")
        order = np.random.default_rng([category, len(files)]).permutation(len(files))
        chosen: list[Picture] = []
        for index in order:
            if len(chosen) == max_pictures:
                break
            pixels = read_picture(files[index])
            if pixels is None:
                continue
            small = cv2.resize(over(pixels, 128), (12, 12), interpolation=cv2.INTER_AREA).astype(np.float32)
            if any(np.abs(small - other).mean() < 2 for other in thumbnails):
                continue  # the same drawing in another folder, or under another name
            thumbnails.append(small)
            name = str(files[index].relative_to(root).with_suffix(""))
            chosen.append(Picture(name, category, pixels, is_test=False))
        tests = round(TEST_SHARE * len(chosen))
        taken += [Picture(p.name, p.category, p.pixels, is_test=i < tests) for i, p in enumerate(chosen)]
    return taken


def read_picture(file: Path) -> np.ndarray | None:
    """A picture with its alpha, the longer side `SIDE` pixels at most; None where it is unreadable or nearly empty."""
    pixels = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or min(pixels.shape[:2]) < 8:
        return None
    if pixels.dtype == np.uint16:
        pixels = (pixels // 257).astype(np.uint8)
    if pixels.shape[2] == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2BGRA)
    scale = SIDE / max(pixels.shape[:2])
    if scale < 1:
        size = (max(8, round(pixels.shape[1] * scale)), max(8, round(pixels.shape[0] * scale)))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    return pixels if (pixels[..., 3] > 30).mean() > 0.02 else None


def over(pixels: np.ndarray, grey: int) -> np.ndarray:
    """The picture over a flat background, (h, w, 3)."""
    alpha = pixels[..., 3:].astype(np.float32) / 255
    return (pixels[..., :3] * alpha + grey * (1 - alpha)).astype(np.uint8)
