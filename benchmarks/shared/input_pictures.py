"""Kinds of pictures that people have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from shared.input_making import BLUE, GREEN, RED, Kind, left_red_right_blue, nothing, shows


def plain(colour: tuple[int, int, int], mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (320, 240), colour).convert(mode)


def _two_halves() -> Image.Image:
    picture = plain(RED)
    picture.paste(BLUE, (160, 0, 320, 240))
    return picture


def folder_of_jpegs(folder: Path) -> Path:
    (folder / "shots").mkdir()
    for number, colour in enumerate((RED, GREEN, BLUE), start=9):
        plain(colour).save(folder / "shots" / f"shot{number}.jpg")
    return folder / "shots"


def turned_jpeg(folder: Path) -> Path:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    _two_halves().transpose(Image.Transpose.ROTATE_90).save(folder / "phone.jpg", exif=exif)
    return folder / "phone.jpg"


def cmyk_jpeg(folder: Path) -> Path:
    plain(RED, "CMYK").save(folder / "print.jpg")
    return folder / "print.jpg"


def sixteen_bit_png(folder: Path) -> Path:
    cv2.imwrite(str(folder / "deep.png"), np.full((240, 320), 40_000, np.uint16))
    return folder / "deep.png"


def png_with_alpha(folder: Path) -> Path:
    Image.new("RGBA", (320, 240), (255, 0, 0, 0)).save(folder / "clear.png")
    return folder / "clear.png"


def animated(name: str) -> Callable[[Path], Path]:
    """Return a maker of an animation of three colours, in the format of the ending of ``name``."""

    def make(folder: Path) -> Path:
        first, *others = [plain(colour) for colour in (RED, GREEN, BLUE)]
        first.save(folder / name, save_all=True, append_images=others, duration=[500, 2500, 1000])
        return folder / name

    return make


def sixteen_bit_tiff(folder: Path) -> Path:
    cv2.imwrite(str(folder / "scan.tif"), np.full((240, 320, 3), (10_280, 25_700, 51_400), np.uint16))
    return folder / "scan.tif"


def palette_with_transparency(folder: Path) -> Path:
    picture = Image.new("P", (320, 240), 0)
    picture.putpalette([*RED, *GREEN])
    picture.save(folder / "sticker.png", transparency=0)
    return folder / "sticker.png"


def grey_with_alpha(folder: Path) -> Path:
    Image.new("LA", (320, 240), (150, 0)).save(folder / "mask.png")
    return folder / "mask.png"


def jpeg_with_another_name(folder: Path) -> Path:
    plain(RED).save(folder / "photo.png", format="JPEG")
    return folder / "photo.png"


_MOVING = {"times": (0.2, 2.0, 3.5), "right": shows(RED, GREEN, BLUE)}

PICTURES = (
    Kind(name="a folder of JPEGs", make=folder_of_jpegs, times=(0, 1, 2), right=shows(RED, GREEN, BLUE)),
    Kind(name="a JPEG to be turned (EXIF)", make=turned_jpeg, times=(0,), right=left_red_right_blue),
    Kind(name="a JPEG in CMYK", make=cmyk_jpeg, times=(0,), right=shows(RED, near=45)),
    Kind(name="a JPEG that is called .png", make=jpeg_with_another_name, times=(0,), right=shows(RED)),
    Kind(name="a grey PNG of 16 bits", make=sixteen_bit_png, times=(0,), right=shows((156, 156, 156), near=4)),
    Kind(name="a TIFF of 16 bits", make=sixteen_bit_tiff, times=(0,), right=shows((200, 100, 40), near=6)),
    Kind(name="a transparent PNG", make=png_with_alpha, times=(0,), right=nothing),
    Kind(name="a PNG with transparency in its palette", make=palette_with_transparency, times=(0,), right=nothing),
    Kind(name="a transparent grey PNG", make=grey_with_alpha, times=(0,), right=nothing),
    Kind(name="an animated GIF", make=animated("loop.gif"), **_MOVING),
    Kind(name="an animated WebP", make=animated("loop.webp"), **_MOVING),
    Kind(name="an animated PNG", make=animated("loop.png"), **_MOVING),
)
