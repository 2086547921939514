"""Folders of JPEG pictures as a frame store takes them, each with a short side of 256 pixels: framegate and its peers.

Pillow and OpenCV come twice: decoding the whole picture, and letting the decoder halve it first, as for thumbnails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from torchvision.io import ImageReadMode, decode_jpeg, read_file

from framegate.media.decoding.picture_folder import FolderReader
from framegate.media.options import MAX_PIXELS

SIDE = 256
SIZES = {(1280, 720): 200, (4000, 3000): 60}
QUICK = {(1280, 720): 20, (4000, 3000): 3}


def framegate_folder(folder: Path, times: Sequence[float]) -> list[np.ndarray]:
    reader = FolderReader(folder, size=SIDE, max_pixels=MAX_PIXELS)
    return [picture.frame for _, picture in reader.frames_at(times)]


def opencv(folder: Path, times: Sequence[float]) -> list[np.ndarray]:
    return [_shrunk(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)) for path in sorted(folder.iterdir())]


def opencv_reduced(folder: Path, times: Sequence[float]) -> list[np.ndarray]:
    flags = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
    paths = sorted(folder.iterdir())
    with Image.open(paths[0]) as first:
        divisor = max(divisor for divisor in flags if min(first.size) // divisor >= SIDE)
    return [cv2.cvtColor(_shrunk(cv2.imread(str(path), flags[divisor])), cv2.COLOR_BGR2RGB) for path in paths]


def pillow(folder: Path, times: Sequence[float], *, draft: bool = False) -> list[np.ndarray]:
    found = []
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            size = _fitted(*image.size)
            if draft:
                image.draft("RGB", size)
            found.append(np.asarray(image.resize(size, Image.Resampling.BOX)))
    return found


def pillow_draft(folder: Path, times: Sequence[float]) -> list[np.ndarray]:
    return pillow(folder, times, draft=True)


def torchvision(folder: Path, times: Sequence[float]) -> list[np.ndarray]:
    files = (read_file(str(path)) for path in sorted(folder.iterdir()))
    return [_shrunk(decode_jpeg(file, ImageReadMode.RGB).permute(1, 2, 0).contiguous().numpy()) for file in files]


PEERS: dict[str, Callable[[Path, Sequence[float]], list[np.ndarray]]] = {
    "opencv": opencv,
    "opencv reduced": opencv_reduced,
    "pillow": pillow,
    "pillow draft": pillow_draft,
    "torchvision": torchvision,
}


def write_folder(folder: Path, size: tuple[int, int], *, pictures: int) -> None:
    """Smooth colours with fine noise, others in each picture, as a camera compresses them."""
    random = np.random.default_rng(0)
    folder.mkdir()
    width, height = size
    for number in range(pictures):
        coarse = random.integers(0, 256, (height // 40, width // 40, 3), dtype=np.uint8)
        picture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) // 8 * 7
        picture += random.integers(0, 16, picture.shape, dtype=np.uint8)
        cv2.imwrite(str(folder / f"frame_{number:06}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 90])


def _shrunk(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape[:2]
    return cv2.resize(picture, _fitted(width, height), interpolation=cv2.INTER_AREA)


def _fitted(width: int, height: int) -> tuple[int, int]:
    factor = SIDE / min(width, height)
    return round(width * factor), round(height * factor)
