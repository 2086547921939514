"""What a file is by its first bytes: files that FFmpeg wrote, and files that are no media."""

import subprocess
import zipfile
from pathlib import Path

import pytest

from framegate.media.manifest.signatures import HEAD_BYTES, is_text, media_kind

VIDEOS = {
    **dict.fromkeys(("a.mp4", "a.mov", "a.mkv", "a.h264"), "-map 0:v -c:v libx264"),
    **dict.fromkeys(("b.mp4", "a.flv", "a.ts", "a.m2ts"), "-map 0:v -map 1:a -c:v libx264 -c:a aac"),
    **dict.fromkeys(("a.avi", "a.nut"), "-map 0:v -map 1:a -c:v mpeg4 -c:a libmp3lame"),
    **dict.fromkeys(("a.mpg", "a.vob"), "-map 0:v -map 1:a -c:v mpeg2video -c:a mp2"),
    "a.wmv": "-map 0:v -map 1:a -c:v wmv2 -c:a wmav2",
    "a.webm": "-map 0:v -c:v libvpx",
    "a.ogv": "-map 0:v -map 1:a -c:v libtheora -c:a libvorbis",
    "a.y4m": "-map 0:v",
}
SOUNDS = {
    **dict.fromkeys(
        ("a.wav", "a.aiff", "a.flac", "a.mp3", "a.m4a", "a.ac3", "a.au", "a.wma", "a.caf", "a.mp2"), "-map 1:a"
    ),
    **dict.fromkeys(("a.ogg", "a.mka", "a.weba.webm"), "-map 1:a -c:a libvorbis"),
    "a.opus": "-map 1:a -c:a libopus",
    "a.aac": "-map 1:a -c:a aac -f adts",
    "bare.mp3": "-map 1:a -c:a libmp3lame -id3v2_version 0 -write_xing 0",
}
STILLS = dict.fromkeys(
    ("a.jpg", "a.png", "a.webp", "a.tiff", "a.bmp", "a.gif", "a.ppm", "a.jp2", "a.pcx"), "-map 0:v -frames:v 1"
)
KINDS = {
    **dict.fromkeys(VIDEOS, "video"),
    **dict.fromkeys(SOUNDS, "audio"),
    **dict.fromkeys(STILLS, "picture"),
}


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The first bytes of a file of each kind, all written by one call of FFmpeg."""
    folder = tmp_path_factory.mktemp("kinds")
    inputs = "-f lavfi -i testsrc2=s=176x144:r=25:d=0.4 -f lavfi -i sine=440:d=1:sample_rate=48000"
    call = ["ffmpeg", "-y", "-v", "error", *inputs.split()]
    for name, options in (VIDEOS | SOUNDS | STILLS).items():
        call += [*options.split(), str(folder / name)]
    subprocess.run(call, check=True, timeout=120)
    return {name: (folder / name).read_bytes()[:HEAD_BYTES] for name in KINDS}


@pytest.mark.parametrize("name", KINDS)
def test_a_medium_is_known_by_its_first_bytes(heads: dict[str, bytes], name: str) -> None:
    assert media_kind(heads[name]) == KINDS[name]


def test_a_transport_stream_is_known_wherever_it_is_cut(heads: dict[str, bytes]) -> None:
    assert [media_kind(heads["a.ts"][cut:]) for cut in (1, 100, 187)] == ["video"] * 3
    assert media_kind(heads["a.m2ts"][77:]) == "video"


def test_documents_programs_and_noise_are_no_media(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "text")
    documents = {
        "zip": (tmp_path / "a.zip").read_bytes(),
        "page": b"<!DOCTYPE html><html><head><title>404 Not Found</title></head></html>",
        "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
        "program": b"\x7fELF\x02\x01\x01" + bytes(100),
        "zeros": bytes(HEAD_BYTES),
        "capitals": b"G" * 100 + b"\n",
        "subtitles": b"1\n00:00:01,000 --> 00:00:02,000\nBM and P1 10 words\n",
        "empty": b"",
    }
    assert {name: media_kind(head) for name, head in documents.items()} == dict.fromkeys(documents)


def test_text_is_told_from_binary_content_in_any_encoding() -> None:
    assert all(is_text("Grüße, 世界\r\n".encode(encoding)) for encoding in ("utf-8", "utf-16", "gb18030"))
    assert is_text("Grüße".encode("latin-1"))
    assert not is_text(bytes(range(256)))
