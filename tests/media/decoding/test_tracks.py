"""Which video track is taken."""

from collections.abc import Callable
from pathlib import Path

import pytest

from framegate.media import MediaError, read_frames
from framegate.media.decoding.source import open_media
from framegate.media.decoding.tracks import choose_video

Ffmpeg = Callable[..., bytes]
WIDE = ("-f", "lavfi", "-i", "testsrc2=s=64x32:r=5:d=2")
SQUARE = ("-f", "lavfi", "-i", "testsrc2=s=48x48:r=5:d=2")
TONE = ("-f", "lavfi", "-i", "sine=440:d=2")
BOTH = ("-map", "0:v", "-map", "1:v")


def chosen(path: Path) -> tuple[int, tuple[str, ...]] | None:
    """The width of the chosen track's pictures, and what was passed over."""
    with open_media(path) as container:
        choice = choose_video(container, path)
        return None if choice is None else (choice.stream.width, choice.passed_over)


@pytest.mark.parametrize(
    ("options", "width"),
    [
        ((), 64),
        (("-disposition:v:0", "0", "-disposition:v:1", "default"), 48),
        (("-disposition:v:0", "hearing_impaired", "-disposition:v:1", "0"), 48),
    ],
)
def test_the_default_track_is_taken_then_the_first_ordinary_one(
    ffmpeg: Ffmpeg, tmp_path: Path, options: tuple[str, ...], width: int
) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg(*WIDE, *SQUARE, *BOTH, "-c:v", "mpeg4", *options, path)
    assert chosen(path) == (width, ())


def test_a_thumbnail_or_a_cover_before_the_video_is_not_taken(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    still = ("-f", "lavfi", "-i", "color=s=96x96:r=5:d=0.2")
    for name, mark in (("thumbnail.mp4", "0"), ("cover.mp4", "attached_pic")):
        path = tmp_path / name
        ffmpeg(*still, *WIDE, *BOTH, "-c:v:0", "mjpeg", "-c:v:1", "mpeg4", "-disposition:v:0", mark, path)
        assert chosen(path) == (64, ())
        assert read_frames(path, [0.0, 1.0])[1][1].shape == (32, 64, 3)


def test_a_first_track_without_a_decoder_falls_through_to_the_next(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    ffmpeg(*WIDE, *SQUARE, *BOTH, "-c:v", "libx264", path)
    data = bytearray(path.read_bytes())
    place = data.find(b"avc1", data.rfind(b"moov"))
    data[place : place + 4] = b"xxxx"
    path.write_bytes(data)
    width, passed = chosen(path) or (0, ())
    assert (width, len(passed)) == (48, 1)
    assert passed[0].startswith("video track 0: no decoder")
    assert len(read_frames(path, [0.0, 1.0])) == 2


def test_a_first_track_that_does_not_decode_falls_through_to_the_next(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    ffmpeg(*WIDE, *SQUARE, *BOTH, "-c:v", "mpeg4", path)
    data, place = bytearray(path.read_bytes()), 0
    movi = data.find(b"movi")
    while (place := data.find(b"00dc", max(place + 4, movi), data.rfind(b"idx1"))) > 0:
        length = int.from_bytes(data[place + 4 : place + 8], "little")
        data[place + 8 : place + 8 + length] = b"\0" * length
    path.write_bytes(data)
    assert chosen(path) == (48, ("video track 0: it does not decode",))


def test_a_song_with_a_cover_has_no_video(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    cover = ("-f", "lavfi", "-i", "color=s=32x32:r=1:d=1")
    maps = ("-map", "0:a", "-map", "1:v", "-c:v", "mjpeg", "-disposition:v", "attached_pic")
    for name in ("a.mp3", "a.m4a", "a.flac"):
        ffmpeg(*TONE, *cover, *maps, tmp_path / name)
        assert chosen(tmp_path / name) is None
        with pytest.raises(MediaError, match="no video in it"):
            read_frames(tmp_path / name, [0.0])


def test_the_only_track_is_taken_whatever_it_is(ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    ffmpeg(*WIDE, "-c:v", "mpeg4", "-disposition:v", "comment", path)
    assert chosen(path) == (64, ())
