"""Media files that claim more than they are, or refer to others: proofs of concept."""

import os
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

import framegate.media.decoding.source as source
from framegate.media import Clip, ExtractOptions, FrameStore, MediaError, decode_jpeg, extract, read_frames
from framegate.media.extraction.pool import limited_memory

SMALL = 256 * 256


def failure_of(video: Path, tmp_path: Path, **options: object) -> str:
    clips = [Clip(id="a", video=video, programme="p", split="train")]
    extract(clips, tmp_path / "out", options=ExtractOptions(mode="exact", **options), workers=1)  # type: ignore[arg-type]
    return (tmp_path / "out" / "failures.jsonl").read_text(encoding="utf-8")


def grey(index: int, width: int, height: int) -> np.ndarray:
    return np.full((height, width, 3), 128, np.uint8)


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("h264.mp4", "libx264", "yuv420p"),
        ("mpeg2.mpg", "mpeg2video", "yuv420p"),
        ("mpeg2.ts", "mpeg2video", "yuv420p"),
        ("vp9.webm", "libvpx-vp9", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
        ("a.apng", "apng", "rgb24"),
    ],
)
def test_the_limit_of_pixels_holds_in_every_decoder(name: str, codec: str, pix_fmt: str, make_video, tmp_path) -> None:
    video = make_video(name, codec=codec, pix_fmt=pix_fmt, seconds=0.4, size=(320, 320), picture=grey)
    assert re.search(
        r"320 × 320 pixels: over|320x320 exceeds|pixel count", failure_of(video, tmp_path, max_pixels=SMALL)
    )
    with pytest.raises(MediaError):
        read_frames(video, [0.0], max_pixels=SMALL)
    assert len(read_frames(video, [0.0])) == 1


@pytest.mark.parametrize(
    ("name", "known", "unsafe"), [("a.mp4", b"avc1", b"vvc1"), ("a.mkv", b"V_MPEG4/ISO/AVC", b"V_MPEGI/ISO/VVC")]
)
def test_decoders_with_known_holes_are_not_opened(
    name: str, known: bytes, unsafe: bytes, make_video, tmp_path: Path
) -> None:
    video = make_video(name, seconds=0.4)
    video.write_bytes(video.read_bytes().replace(known, unsafe))
    assert "no safe decoder for the video stream: vvc is not decoded" in failure_of(video, tmp_path)
    with pytest.raises(MediaError, match="vvc is not decoded"):
        read_frames(video, [0.0])
    with source.ffmpeg_words() as words, source.open_media(video):
        assert any("vvc" in said and "not on whitelist" in said for _, _, said in words)  # nor was it to probe


def test_vp9_is_decoded_without_threads_of_frames(make_video) -> None:
    for name, codec, threads in [("a.webm", "libvpx-vp9", "SLICE"), ("a.mp4", "libx264", "AUTO")]:
        with source.open_media(make_video(name, codec=codec, seconds=0.4), threads=0) as container:
            assert container.streams.video[0].thread_type.name == threads


def test_pictures_that_grow_in_mid_stream_do_not_decode(make_video, tmp_path: Path) -> None:
    parts = [
        make_video(f"{side}.m2v", codec="mpeg2video", seconds=1, size=(side, side), picture=grey) for side in (64, 320)
    ]
    video = tmp_path / "grows.m2v"
    video.write_bytes(b"".join(part.read_bytes() for part in parts))
    failure_of(video, tmp_path, max_pixels=SMALL, every=0.1)
    store = FrameStore(tmp_path / "out")
    assert {(store.frame(index).width, store.frame(index).height) for index in range(len(store))} == {(64, 64)}


def test_a_shape_of_pixels_that_makes_a_picture_endless_is_a_failure(make_video, ffmpeg, tmp_path: Path) -> None:
    wide = tmp_path / "wide.mp4"
    ffmpeg("-i", make_video(codec="mpeg4", seconds=0.4), "-c", "copy", "-aspect", "30:1", wide)
    data = bytearray(wide.read_bytes())
    struct.pack_into(">II", data, data.index(b"pasp") + 4, 3_000, 1)
    wide.write_bytes(data)
    assert "more than can be stored" in failure_of(wide, tmp_path)


def test_whatever_the_format_no_second_file_is_opened(make_video, tmp_path: Path, monkeypatch) -> None:
    """Were a format on the list that names others, they would not open: FFmpeg has no protocol to open them by."""
    make_video("sibling.ts", codec="mpeg2video", seconds=0.4)
    every = ",".join(av.formats_available)
    monkeypatch.setattr(source, "_known_formats", lambda: every)
    playlists = {
        "list.ffconcat": "ffconcat version 1.0\nfile 'sibling.ts'\n",
        "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsibling.ts\n#EXT-X-ENDLIST\n",
        "clip.mlv": "",
    }
    for name, text in playlists.items():
        path = tmp_path / name
        path.write_bytes(text.encode() or mlv_header())
        with pytest.raises((av.FFmpegError, MediaError)), source.open_media(path) as container:
            next(container.decode(video=0))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.ffconcat", "ffconcat version 1.0\nfile 'sibling.ts'\n"),
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsibling.ts\n#EXT-X-ENDLIST\n"),
        ("a.mpd", '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period></Period></MPD>'),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"),
        ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg"><image href="sibling.png"/></svg>'),
        ("a.srt", "1\n00:00:00,000 --> 00:00:01,000\ntext\n"),
    ],
)
def test_playlists_manifests_and_texts_are_no_media(name: str, text: str, make_video, tmp_path: Path) -> None:
    make_video("sibling.ts", codec="mpeg2video", seconds=0.4)
    (tmp_path / name).write_text(text)
    (tmp_path / "clip.mp4").write_text(text)  # whatever it is called
    for path in (tmp_path / name, tmp_path / "clip.mp4"):
        with pytest.raises((av.FFmpegError, MediaError)), source.open_media(path):
            pass


def mlv_header() -> bytes:
    """Of a Magic Lantern video that is said to go on in ``clip.M00``."""
    return b"MLVI" + struct.pack("<I8sQHHIHHIIII", 52, b"v2.0\0\0\0\0", 1, 0, 2, 0, 1, 0, 1, 0, 25, 1)


def test_a_pipe_is_refused_without_waiting_for_its_other_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(MediaError, match="not a plain file"), source.open_media(tmp_path / "pipe.mp4"):
        pass


def test_a_process_of_any_engine_gets_no_more_memory_than_it_may(tmp_path: Path) -> None:
    code = (
        "from framegate.media.extraction.engines import task_in_worker\n"
        "def greedy(number, item): bytearray(item)\n"
        "try: task_in_worker(greedy, 512, 0, 1 << 30)\n"
        "except MemoryError: print('refused')\n"
        "bytearray(1 << 30); print('free again')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split("\n")[:2] == ["refused", "free again"], done.stderr
    with limited_memory(1 << 20):
        pass


# -- JPEGs of a store --------------------------------------------------------------------------------------------------


def small_jpeg() -> bytes:
    return cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()


def with_size(jpeg: bytes, width: int, height: int) -> bytes:
    at = jpeg.index(b"\xff\xc0")
    return jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]


def test_a_small_jpeg_that_claims_a_large_picture_is_not_decoded() -> None:
    assert decode_jpeg(small_jpeg()).shape == (16, 16, 3)
    bomb = with_size(small_jpeg(), 32_000, 32_000)
    assert len(bomb) < 1000
    with pytest.raises(MediaError, match="32000 × 32000 pixels: over the limit"):
        decode_jpeg(bomb)
    with pytest.raises(MediaError, match="16 × 16 pixels: over the limit of 100"):
        decode_jpeg(small_jpeg(), max_pixels=100)


def test_a_size_is_read_where_the_decoder_reads_it_or_not_at_all() -> None:
    bomb = with_size(small_jpeg(), 32_000, 32_000)
    decoy = b"\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03" + b"\0" * 7  # a small header, where a lenient reader looks
    filled = b"\xff\xd8" + b"\xff\xff\x00\x02" + bomb[2:]  # a fill byte, which shifts what follows
    hidden = b"\xff\xd8\xff\xd0" + decoy[:2] + b"\0" * 0xFFBE + decoy + bomb[2:]  # a marker without a length
    bitmap = cv2.imencode(".bmp", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    disguised = b"BM" + decoy[:4] + bitmap[6:]  # a bitmap whose own size field looks like a header
    for data in (filled, hidden, disguised, b"\xff\xd8", b""):
        with pytest.raises(MediaError):
            decode_jpeg(data)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    parameters = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    jpeg = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8), parameters)[1].tobytes()
    assert decode_jpeg(jpeg).shape == (64, 64, 3)
    last = jpeg.rindex(b"\xff\xda")
    with pytest.raises(MediaError, match="scans"):
        decode_jpeg(jpeg[:-2] + jpeg[last:-2] * 1000 + jpeg[-2:])


def test_a_png_that_claims_a_large_picture_fails_for_it(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 100_000)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b""))
    assert "900000000 pixels: over Pillow" in failure_of(path, tmp_path)
