"""Colours come out of video files as they were meant, however the file codes them."""

import re
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from framegate.media.errors import MediaError
from framegate.media.pictures.picture import FramePainter
from tests.media.pictures.coded_video import UNSAID, first_picture, write_frame

FFmpeg = Callable[..., bytes]

PATCHES = np.array(
    [
        [255, 255, 255],
        [0, 0, 0],
        [128, 128, 128],
        [255, 0, 0],
        [0, 255, 0],
        [0, 0, 255],
        [200, 150, 30],
        [40, 90, 160],
    ]
)
WIDTH, HEIGHT = 32, 64  # of a patch

LUMA = {"bt709": (0.2126, 0.0722), "bt601": (0.299, 0.114), "bt2020": (0.2627, 0.0593)}  # of red and blue
MATRIX = {"bt709": 1, "bt601": 6, "bt2020": 9}


def coded(rgb: np.ndarray, matrix: str, *, bits: int, full: bool) -> np.ndarray:
    """Y'CbCr numbers of colours (N, 3) from 0 to 1, by the formula of the standards."""
    red, blue = LUMA[matrix]
    y = rgb @ [red, 1 - red - blue, blue]
    cb, cr = (rgb[:, 2] - y) / (2 - 2 * blue), (rgb[:, 0] - y) / (2 - 2 * red)
    step, top = 2 ** (bits - 8), 2**bits - 1
    if full:
        values = np.stack([y * top, cb * top + 128 * step, cr * top + 128 * step])
    else:
        values = np.stack([219 * y + 16, 224 * cb + 128, 224 * cr + 128]) * step
    return np.clip(np.round(values), 0, top).astype("<u2" if bits > 8 else np.uint8)


def in_patches(values: np.ndarray, *, height: int = HEIGHT) -> np.ndarray:
    return np.repeat(np.repeat(values[None], WIDTH, axis=1), height, axis=0)


def write_yuv(
    path: Path,
    rgb: np.ndarray,
    matrix: str,
    pixels: str,
    *,
    tags: tuple[int, int, int],
    height: int = HEIGHT,
    full: bool | None = False,
) -> Path:
    bits = int(digits) if (digits := pixels.partition("p")[2].removesuffix("le")) else 8
    planes = [in_patches(plane, height=height) for plane in coded(rgb, matrix, bits=bits, full=bool(full))]
    down, across = {"yuv420": (2, 2), "yuv422": (1, 2), "yuv444": (1, 1)}[pixels[:6]]
    planes[1:] = [np.ascontiguousarray(plane[::down, ::across]) for plane in planes[1:]]
    return write_frame(path, planes, pixels, tags=tags, full=full)


def seen(path: Path, size: int | None = None) -> np.ndarray:
    """The colours in the middle of the eight patches."""
    picture = first_picture(path, size)
    width = picture.shape[1] / len(PATCHES)
    return picture[picture.shape[0] // 2, [int((number + 0.5) * width) for number in range(len(PATCHES))]].astype(int)


def linear(colours: np.ndarray) -> np.ndarray:
    share = np.asarray(colours) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


TO_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # BT.2087
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])


def pq(light: np.ndarray) -> np.ndarray:
    root = (light / 10_000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * root) / (1 + 18.6875 * root)) ** 78.84375


def hlg(scene: np.ndarray) -> np.ndarray:
    bright = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), bright)


@pytest.mark.parametrize(
    ("matrix", "full", "pixels"),
    [
        ("bt709", False, "yuv420p"),
        ("bt709", True, "yuv444p"),
        ("bt709", False, "yuv422p10le"),
        ("bt601", False, "yuv420p"),
        ("bt601", True, "yuv420p"),
        ("bt601", False, "yuv444p12le"),
        ("bt2020", False, "yuv420p10le"),
        ("bt2020", True, "yuv420p"),
    ],
)
def test_colours_come_back_for_each_matrix_range_and_depth(
    tmp_path: Path, matrix: str, full: bool, pixels: str
) -> None:
    path = write_yuv(tmp_path / "a.mkv", PATCHES / 255, matrix, pixels, tags=(MATRIX[matrix], 1, UNSAID), full=full)
    assert np.abs(seen(path) - PATCHES).max() <= 4
    assert np.abs(seen(path, 32) - PATCHES).max() <= 5


@pytest.mark.parametrize(("height", "matrix"), [(64, "bt601"), (576, "bt601"), (720, "bt709")])
def test_without_a_tag_large_pictures_are_bt709_and_small_ones_bt601(tmp_path: Path, height: int, matrix: str) -> None:
    tags = (UNSAID, UNSAID, UNSAID)
    path = write_yuv(tmp_path / "a.mkv", PATCHES / 255, matrix, "yuv420p", tags=tags, full=None, height=height)
    assert np.abs(seen(path) - PATCHES).max() <= 4


def test_a_large_jpeg_without_a_tag_is_bt601(tmp_path: Path) -> None:
    picture = in_patches(PATCHES.astype(np.uint8), height=720)
    path = write_frame(tmp_path / "a.mkv", [picture], "rgb24", codec="mjpeg", coded_as="yuvj444p")
    assert np.abs(seen(path) - PATCHES).max() <= 6


@pytest.mark.parametrize(("pixels", "top"), [("gray", 255), ("gray10le", 1023), ("gray16le", 65535)])
@pytest.mark.parametrize("full", [True, False])
def test_greys_have_the_range_that_their_tag_says(tmp_path: Path, pixels: str, top: int, full: bool) -> None:
    greys = np.array([0, 30, 64, 100, 128, 190, 230, 255])
    numbers = greys / 255 * top if full else (16 + greys / 255 * 219) * (top + 1) / 256
    values = in_patches(np.round(numbers).astype("<u2" if top > 255 else np.uint8))
    path = write_frame(tmp_path / "a.mkv", [values], pixels, full=full)
    assert np.abs(seen(path) - greys[:, None]).max() <= 2


@pytest.mark.parametrize(
    ("pixels", "codec"), [("gbrp10le", "ffv1"), ("gbrp12le", "ffv1"), ("rgb48be", "png"), ("bgr0", "ffv1")]
)
def test_rgb_of_any_depth_comes_back(tmp_path: Path, pixels: str, codec: str) -> None:
    picture, name = in_patches(PATCHES.astype(np.uint8)), "a.mov" if codec == "png" else "a.mkv"
    path = write_frame(tmp_path / name, [picture], "rgb24", codec=codec, coded_as=pixels)
    assert np.abs(seen(path) - PATCHES).max() <= 1


def test_plain_frames_are_those_of_ffmpegs_scaler_to_the_bit(make_video) -> None:
    with av.open(str(make_video(options={"x264-params": "colormatrix=bt709"}))) as container:
        stream = container.streams.video[0]
        painter, frame = FramePainter.of_stream(stream, size=64), next(container.decode(stream))
        plain = frame.reformat(width=85, height=64, format="rgb24", interpolation="AREA").to_ndarray()
        assert np.array_equal(painter.paint(frame), plain)


# -- HDR and wide gamuts ---------------------------------------------------------------------------------------------

DIM = np.array(
    [
        [140, 140, 140],
        [0, 0, 0],
        [64, 64, 64],
        [190, 20, 20],
        [30, 180, 40],
        [25, 30, 170],
        [180, 140, 30],
        [40, 90, 160],
    ]
)  # below what is rolled off


PQ, HLG = 16, 18


def write_hdr(path: Path, signal: np.ndarray, transfer: int) -> Path:
    return write_yuv(path, signal, "bt2020", "yuv444p12le", tags=(9, 9, transfer))


def pq_of(colours: np.ndarray) -> np.ndarray:
    return pq(203 * linear(colours) @ TO_2020.T)


def test_hdr_shows_what_sdr_can_show_as_sdr_does(tmp_path: Path) -> None:
    path = write_hdr(tmp_path / "pq.mkv", pq_of(DIM), PQ)
    assert np.abs(seen(path) - DIM).max() <= 3
    assert np.abs(seen(path, 32) - DIM).max() <= 4
    light = 203 / 1000 * linear(DIM) @ TO_2020.T
    luminance = light @ [0.2627, 0.6780, 0.0593]
    scene = light * np.maximum(luminance, 1e-9)[:, None] ** (1 / 1.2 - 1)
    path = write_hdr(tmp_path / "hlg.mkv", hlg(scene), HLG)
    assert np.abs(seen(path) - DIM).max() <= 3


def test_reference_white_is_nearly_white_and_highlights_are_rolled_off_in_grey(tmp_path: Path) -> None:
    lights = np.array([0, 1, 50, 203, 400, 1000, 3000, 10_000])
    shown = seen(write_hdr(tmp_path / "pq.mkv", np.repeat(pq(lights)[:, None], 3, axis=1), PQ))
    assert np.ptp(shown, axis=1).max() <= 1
    assert (np.diff(shown[:, 0]) > 0).all()
    assert 225 <= shown[3, 0] <= 240
    assert shown[0, 0] == 0
    assert shown[-1, 0] >= 254
    signal = np.repeat(np.array([0, 0.2, 0.4, 0.6, 0.75, 0.85, 0.95, 1.0])[:, None], 3, axis=1)
    shown = seen(write_hdr(tmp_path / "hlg.mkv", signal, HLG))
    assert np.ptp(shown, axis=1).max() <= 1
    assert (np.diff(shown[:, 0]) > 0).all()
    assert 225 <= shown[4, 0] <= 240  # 75% is reference white


def hue_turn(shown: np.ndarray, meant: np.ndarray) -> float:
    """1 − the cosine between the colours (N, 3) without their greys, at its worst."""
    pairs = [colours - colours.min(axis=1, keepdims=True) for colours in (linear(shown), meant)]
    lengths = [np.linalg.norm(colours, axis=1) for colours in pairs]
    return float(1 - ((pairs[0] * pairs[1]).sum(axis=1) / lengths[0] / lengths[1]).min())


def test_bright_and_vivid_colours_keep_their_hue(tmp_path: Path) -> None:
    bright = np.array([[9, 3, 1], [3, 9, 1], [1, 3, 9], [9, 9, 1], [1, 9, 9], [9, 1, 9], [5, 4, 4], [2, 1, 4]]) * 100.0
    shown = seen(write_hdr(tmp_path / "a.mkv", pq(bright @ TO_2020.T), PQ))
    assert hue_turn(shown, bright) < 0.005
    pure = np.vstack([np.eye(3), 1 - np.eye(3), np.eye(3)[:2] * 5]) * 203  # outside of BT.709's gamut
    vivid = seen(write_hdr(tmp_path / "b.mkv", pq(pure), PQ))
    assert hue_turn(vivid, pure @ np.linalg.inv(TO_2020).T) < 0.005


@pytest.mark.parametrize(
    ("gamut", "tags"),
    [
        (TO_2020, (9, 9, 14)),
        (TO_2020, (9, UNSAID, UNSAID)),
        (TO_P3, (1, 12, 13)),
    ],
)
def test_wide_gamuts_without_hdr_show_the_colours_of_bt709(
    tmp_path: Path, gamut: np.ndarray, tags: tuple[int, int, int]
) -> None:
    share = linear(DIM) @ gamut.T
    signal = np.where(share <= 0.0031308, share * 12.92, 1.055 * share ** (1 / 2.4) - 0.055)
    matrix = "bt2020" if tags[0] == 9 else "bt709"
    path = write_yuv(tmp_path / "a.mkv", signal, matrix, "yuv444p10le", tags=tags)
    assert np.abs(seen(path) - DIM).max() <= 4


def test_what_the_container_says_holds_for_frames_that_do_not_say(ffmpeg: FFmpeg, tmp_path: Path) -> None:
    coding = "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    grey = ("-f", "lavfi", "-i", "color=0x949494:s=64x64:r=5:d=0.4", "-pix_fmt", "yuv420p10le")
    ffmpeg(*grey, "-c:v", "libx265", "-x265-params", coding, tmp_path / "both.mp4")
    unsaid = "hevc_metadata=colour_primaries=2:transfer_characteristics=2:matrix_coefficients=2"
    ffmpeg("-i", tmp_path / "both.mp4", "-c", "copy", "-bsf:v", unsaid, tmp_path / "container.mp4")
    assert first_picture(tmp_path / "both.mp4").mean() > 190
    assert np.array_equal(first_picture(tmp_path / "both.mp4"), first_picture(tmp_path / "container.mp4"))


def test_hdr_keeps_its_pixel_aspect_and_its_turn(tmp_path: Path) -> None:
    path = write_hdr(tmp_path / "a.mkv", pq_of(DIM), PQ)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert FramePainter(aspect=2.0, size=32).paint(frame).shape == (32, 256, 3)


# -- colours that nobody should guess --------------------------------------------------------------------------------


def test_a_matrix_that_ffmpegs_scaler_does_not_know_is_named(tmp_path: Path) -> None:
    path = write_yuv(tmp_path / "a.mkv", PATCHES / 255, "bt709", "yuv420p10le", tags=(14, 9, PQ))
    with pytest.raises(MediaError, match="ICtCp"):
        first_picture(path)


class _Bits:
    def __init__(self) -> None:
        self.text = ""

    def fixed(self, *pairs: tuple[int, int]) -> None:
        self.text += "".join(f"{value:0{count}b}" for value, count in pairs)

    def golomb(self, *values: int) -> None:
        for value in values:
            self.text += "0" * ((value + 1).bit_length() - 1) + f"{value + 1:b}"


def dolby_vision_rpu(*, profile: int, full_range: bool) -> bytes:
    """A NAL unit of Dolby Vision metadata: straight curves, 10 bits, no enhancement layer."""
    bits = _Bits()
    bits.fixed((2, 6), (18, 11), (profile, 4), (0, 4), (1, 1), (0, 1), (0, 2))
    bits.golomb(23)
    bits.fixed((1, 2), (full_range, 1))
    bits.golomb(2, 2, 4)
    bits.fixed((0, 1), (0, 3), (0, 1), (1, 1), (0, 1), (0, 1))
    bits.golomb(0, 0, 0)
    for _ in range(3):
        bits.golomb(0)
        bits.fixed((0, 10), (1023, 10))
    bits.golomb(0, 0)
    for _ in range(3):
        bits.golomb(0, 0)
        bits.fixed((0, 1))
        for slope in (0, 1):
            bits.golomb(slope and 2 * slope - 1)
            bits.fixed((0, 23))
    text = bits.text + "0" * (-len(bits.text) % 8)
    payload = b"\x19" + int(text, 2).to_bytes(len(text) // 8, "big") + b"\x5a\x5a\x5a\x5a\x80"
    return b"\0\0\0\1\x7c\1" + re.sub(b"\0\0(?=[\0-\3])", b"\0\0\3", payload)


def test_dolby_vision_profile_5_is_named_and_profile_8_is_read_as_hdr10(ffmpeg: FFmpeg, tmp_path: Path) -> None:
    coding = "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    grey = ("-f", "lavfi", "-i", "color=0x949494:s=64x64:r=5", "-frames:v", "1", "-pix_fmt", "yuv420p10le")
    ffmpeg(*grey, "-c:v", "libx265", "-x265-params", coding, tmp_path / "plain.hevc")
    plain = (tmp_path / "plain.hevc").read_bytes()
    (tmp_path / "five.hevc").write_bytes(plain + dolby_vision_rpu(profile=0, full_range=True))
    (tmp_path / "eight.hevc").write_bytes(plain + dolby_vision_rpu(profile=1, full_range=False))
    with pytest.raises(MediaError, match="Dolby Vision profile 5"):
        first_picture(tmp_path / "five.hevc")
    assert np.array_equal(first_picture(tmp_path / "eight.hevc"), first_picture(tmp_path / "plain.hevc"))
