"""JPEG files: the same pixels as Pillow's, sooner; and never a grey half without a word."""

from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from framegate.media import MediaError
from framegate.media.pictures.picture_file import read_picture

END = b"\xff\xd9"


def photo(width: int = 640, height: int = 480) -> np.ndarray:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (height // 40, width // 40, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return (picture + random.integers(-12, 12, picture.shape)).clip(0, 255).astype(np.uint8)


def jpeg(picture: np.ndarray, **options: object) -> bytes:
    stored = BytesIO()
    Image.fromarray(picture).save(stored, "JPEG", **{"quality": 90, **options})
    return stored.getvalue()


def read(data: bytes, tmp_path: Path, size: int | None = None) -> np.ndarray:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    return read_picture(path, size=size, max_pixels=1 << 24)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"progressive": True},
        {"subsampling": 0},
        {"subsampling": "4:2:2"},
        {"restart_marker_rows": 1},
        {"quality": 30},
    ],
)
def test_pixels_are_those_of_pillow(options: dict[str, object], tmp_path: Path) -> None:
    data = jpeg(photo(), **options)
    assert np.array_equal(read(data, tmp_path), np.asarray(Image.open(BytesIO(data)).convert("RGB")))
    grey = jpeg(photo()[..., 0], **{name: v for name, v in options.items() if name != "subsampling"})
    assert np.array_equal(read(grey, tmp_path), np.asarray(Image.open(BytesIO(grey)).convert("RGB")))


@pytest.mark.parametrize(("width", "height", "decibels"), [(1280, 720, 45), (2176, 1536, 40), (2100, 1500, 45)])
def test_a_large_photo_halved_by_its_decoder_looks_the_same(
    width: int, height: int, decibels: int, tmp_path: Path
) -> None:
    data = jpeg(photo(width, height))
    halved = read(data, tmp_path, size=176)
    whole = cv2.resize(read(data, tmp_path), halved.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert min(halved.shape[:2]) == 176
    assert 10 * np.log10(255**2 / np.mean((halved.astype(float) - whole) ** 2)) >= decibels


@pytest.mark.parametrize(
    ("progressive", "share", "marked"),
    [
        (False, 0.03, True),
        (False, 0.5, True),
        (False, 0.97, True),
        (False, 0.03, False),
        (False, 0.97, False),
        (True, 0.03, True),  # later, all of the picture is there, if less sharp, and nothing tells it from a whole one
        (True, 0.03, False),
        (True, 0.5, False),
        (True, 0.97, False),
    ],
)
def test_a_photo_that_is_cut_off_is_refused(progressive: bool, share: float, marked: bool, tmp_path: Path) -> None:
    data = jpeg(photo(), progressive=progressive)
    with pytest.raises(MediaError, match="cut off: its l"):
        read(data[: int(len(data) * share)] + END * marked, tmp_path)


def test_a_photo_with_a_thumbnail_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    thumbnail = jpeg(photo(160, 120))
    data = jpeg(photo(), exif=b"Exif\0\0" + b"MM\0*\0\0\0\x08\0\0\0\0\0\0" + thumbnail)
    assert data.count(END) >= 2
    assert np.array_equal(read(data, tmp_path), read(jpeg(photo()), tmp_path))
    with pytest.raises(MediaError, match="cut off"):
        read(data[: len(data) * 2 // 3], tmp_path)


def test_a_whole_photo_without_a_mark_at_its_end_is_whole(tmp_path: Path) -> None:
    data = jpeg(photo())
    assert data.endswith(END)
    assert np.array_equal(read(data[:-2], tmp_path), read(data, tmp_path))
    assert np.array_equal(read(data + bytes(100) + b"appended", tmp_path), read(data, tmp_path))


def test_a_picture_whose_last_lines_are_grey_is_whole(tmp_path: Path) -> None:
    picture = photo()
    picture[240:] = 128
    for options in ({}, {"progressive": True}, {"restart_marker_rows": 1}):
        assert (read(jpeg(picture, **options), tmp_path)[-1] == 128).all()
    assert (read(jpeg(np.full((64, 64), 128, np.uint8)), tmp_path) == 128).all()
    ending = jpeg(picture)[:-2]
    assert len(ending) > 1000


def test_bytes_that_fill_up_a_header_do_not_hide_the_picture(tmp_path: Path) -> None:
    data = jpeg(photo())
    filled = data[:2] + b"\xff\xff\xff" + data[2:]  # the standard allows any number of them before a marker
    assert np.array_equal(read(filled, tmp_path), read(data, tmp_path))
    with pytest.raises(MediaError, match="cut off"):
        read(filled[: len(filled) // 2] + END, tmp_path)


def test_a_broken_photo_is_refused_without_a_word_on_the_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = jpeg(photo())
    for broken in (data[:300], data[:20], b"\xff\xd8\xff" + bytes(500), data[: len(data) // 2]):
        with pytest.raises(MediaError) as caught:
            read(broken, tmp_path)
        assert len(str(caught.value)) < 200
    assert capfd.readouterr() == ("", "")


def test_scans_without_end_are_refused(tmp_path: Path) -> None:
    data = jpeg(photo(), progressive=True)
    scan = data.rindex(b"\xff\xda")
    many = data[:-2] + data[scan:-2] * 70 + END
    with pytest.raises(MediaError, match="scans"):
        read(many, tmp_path)
    with pytest.raises(MediaError, match="scans"):
        read(many[:2] + b"\xff" + many[2:], tmp_path)
