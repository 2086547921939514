"""What is transparent in a video is not seen: it lies over one background."""

from pathlib import Path

import av
import numpy as np
import pytest

from framegate.media import read_frames
from framegate.media.options import Mode
from framegate.media.pictures.background import BACKGROUND
from framegate.media.pictures.picture import FramePainter
from framegate.media.pictures.transparency import over_background
from tests.media.pictures.coded_video import first_picture, write_frame

RED, BLUE = (230, 20, 30), (40, 80, 200)
SIDE = 64

FILES = {
    "argb.mov": ("qtrle", "argb"),
    "rgba.mov": ("png", "rgba"),
    "deep.mov": ("png", "rgba64be"),
    "prores4444.mov": ("prores_ks", "yuva444p10le"),
    "planes.mkv": ("ffv1", "yuva420p"),
    "gbrap.mkv": ("ffv1", "gbrap12le"),
    "vp8.webm": ("libvpx", "yuva420p"),
    "vp9.webm": ("libvpx-vp9", "yuva420p"),
}


def picture(alphas: tuple[int, int, int], side: int = SIDE) -> np.ndarray:
    """Three bars (H, 3·W, 4): red, blue and blue, each as opaque as ``alphas`` say."""
    bars = [(*colour, alpha) for colour, alpha in zip((RED, BLUE, BLUE), alphas, strict=True)]
    return np.repeat(np.repeat(np.array([bars], np.uint8), side, axis=1), side, axis=0)


def write(path: Path, codec: str, pixels: str, alphas: tuple[int, int, int] = (0, 128, 255)) -> Path:
    return write_frame(path, [picture(alphas)], "rgba", codec=codec, coded_as=pixels)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [None, 24])
def test_invisible_colours_are_not_seen_and_others_as_far_as_they_are(
    tmp_path: Path, name: str, size: int | None
) -> None:
    shown = first_picture(write(tmp_path / name, *FILES[name]), size).astype(int)
    side = shown.shape[0]
    assert np.abs(shown[:, : side - 2] - BACKGROUND).max() <= 3
    assert np.abs(shown[side // 2, side * 3 // 2] - np.mean([BLUE, BACKGROUND], axis=0)).max() <= 6
    assert np.abs(shown[side // 2, side * 5 // 2] - BLUE).max() <= 6


@pytest.mark.parametrize("mode", ["exact", "keyframe"])
@pytest.mark.parametrize("name", ["vp8.webm", "vp9.webm"])
def test_webms_transparency_is_decoded_by_each_way_of_reading(tmp_path: Path, name: str, mode: Mode) -> None:
    path = write(tmp_path / name, *FILES[name])
    ((_, shown),) = read_frames(path, [0.0], mode=mode)
    assert np.abs(shown[:, : SIDE - 4].astype(int) - BACKGROUND).max() <= 3
    assert np.abs(shown[:, 2 * SIDE + 4 :].astype(int) - BLUE).max() <= 8


@pytest.mark.parametrize("pixels", ["yuva420p", "yuv420p"])
def test_a_large_vp8_is_bt601_with_and_without_alpha(tmp_path: Path, pixels: str) -> None:
    green = (20, 220, 40)
    layer = np.full((720, 96, 4), (*green, 255), np.uint8)
    layer[:, :32, 3] = 0
    shown = first_picture(write_frame(tmp_path / "a.webm", [layer], "rgba", codec="libvpx", coded_as=pixels))
    assert np.abs(shown[:, 40:].astype(int) - green).max() <= 6


def test_a_grey_and_a_palette_may_be_transparent(tmp_path: Path) -> None:
    grey = np.zeros((SIDE, SIDE, 2), np.uint8)
    grey[:, SIDE // 2 :] = (200, 255)
    grey[:, : SIDE // 2] = (200, 0)
    shown = first_picture(write_frame(tmp_path / "grey.mov", [grey], "ya8", codec="png"))
    assert (shown[:, : SIDE // 2] == BACKGROUND).all()
    assert (shown[:, SIDE // 2 :] == 200).all()
    palette = np.zeros((256, 4), np.uint8)
    palette[1:3] = [(0, *RED), (255, *BLUE)]
    places = np.repeat(np.repeat(np.array([[1, 2]], np.uint8), SIDE // 2, axis=1), SIDE, axis=0)
    with av.open(str(tmp_path / "palette.mov"), "w") as out:
        stream = out.add_stream("png", rate=5)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "pal8"
        frame = av.VideoFrame.from_ndarray((places, palette), format="pal8")  # type: ignore[arg-type]
        out.mux([*stream.encode(frame), *stream.encode()])
    shown = first_picture(tmp_path / "palette.mov")
    assert (shown[:, : SIDE // 2] == BACKGROUND).all()
    assert np.abs(shown[:, SIDE // 2 :].astype(int) - BLUE).max() <= 3


def test_at_the_edge_of_what_is_visible_no_hidden_colour_shines_through(tmp_path: Path) -> None:
    lines = np.zeros((SIDE, SIDE, 4), np.uint8)
    lines[:, ::2] = (*RED, 0)
    lines[:, 1::2] = (*BLUE, 255)
    shown = first_picture(write_frame(tmp_path / "a.mov", [lines], "rgba", codec="png"), 16)
    assert np.abs(shown - np.mean([BLUE, BACKGROUND], axis=0)).max() <= 2


def test_an_opaque_alpha_changes_nothing(tmp_path: Path) -> None:
    with av.open(str(write(tmp_path / "a.mkv", "ffv1", "yuva420p", (255, 255, 255)))) as container:
        frame = next(container.decode(video=0))
    plain = frame.reformat(width=72, height=24, format="rgb24", interpolation="AREA").to_ndarray()
    assert np.array_equal(FramePainter(size=24).paint(frame), plain)


def test_the_unused_byte_of_an_avi_is_no_alpha(tmp_path: Path) -> None:
    shown = first_picture(write(tmp_path / "a.avi", "rawvideo", "bgra", (0, 0, 0)))
    assert (shown[:, :SIDE] == RED).all()
    shown = first_picture(write(tmp_path / "b.avi", "rawvideo", "bgra", (0, 255, 255)))
    assert (shown[:, :SIDE] == BACKGROUND).all()
    assert (shown[:, SIDE:] == BLUE).all()


def test_transparent_hdr_is_mapped_first_and_blended_then(tmp_path: Path) -> None:
    white = round(0.58069 * 65535)  # PQ's 203 cd/m²
    bars = np.repeat(np.repeat(np.array([[0, 65535]], "<u2"), 32, axis=1), 32, axis=0)
    planes = [np.full_like(bars, white)] * 3
    path = write_frame(tmp_path / "a.mkv", [*planes, bars], "gbrap16le", tags=(0, 9, 16))
    shown = first_picture(path)
    assert (shown[:, :32] == BACKGROUND).all()
    assert np.abs(shown[:, 32:].astype(int) - 231).max() <= 2


def test_any_background_can_lie_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    background = (10, 100, 200)
    monkeypatch.setattr("framegate.media.pictures.transparency.BACKGROUND", background)
    layer = picture((0, 128, 255))
    shown = over_background(layer[..., :3], layer[..., 3]).astype(int)
    assert (shown[:, :SIDE] == background).all()
    assert np.abs(shown[:, SIDE : 2 * SIDE] - np.mean([BLUE, background], axis=0)).max() <= 1
    assert (shown[:, 2 * SIDE :] == BLUE).all()
