"""Opening one media file safely: local files only, no playlists, bounded pictures, no log on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import av
import av.logging

from framegate.media.errors import MediaError
from framegate.media.paths import is_plain

# Demuxers that open other files or addresses, which a manifest could aim anywhere, and those that run scripts.
_REFERRING = {"avisynth", "concat", "dash", "hls", "image2", "imf", "rtp", "rtsp", "sap", "sdp", "vapoursynth"}
_REFERRING |= {"vobsub", "webm_dash_manifest"}
_NOT_MEDIA = {"tty", "txt", "webvtt", "srt", "ass"}  # any text file "plays" as these

MAX_PIXELS = 8192 * 8192


@contextmanager
def open_media(path: Path, *, max_pixels: int = MAX_PIXELS, threads: int = 1) -> Iterator[av.container.InputContainer]:
    """Open a local media file for reading, and close it in the end.

    Args:
        max_pixels: a video with larger frames does not decode.
        threads: decoding threads; 1 is right inside worker processes, 0 takes one a core.

    Raises:
        MediaError: if there is no such file, or it is no plain file.
        av.FFmpegError: if FFmpeg cannot read it.
    """
    if not path.exists():
        raise MediaError("No such file or directory")
    if not is_plain(path):
        raise MediaError("not a plain file")
    options = {"protocol_whitelist": "file", "format_whitelist": _formats(), "max_pixels": str(max_pixels)}
    with av.open(f"file:{path}", options=options, metadata_errors="replace") as container:
        for stream in container.streams.video:
            stream.thread_count = threads
            stream.thread_type = "SLICE" if threads == 1 else "AUTO"
        yield container


def require_decoder(stream: av.VideoStream | av.AudioStream) -> None:
    """Raise `MediaError` if FFmpeg has no decoder for ``stream``."""
    if stream.codec_context is None:
        raise MediaError(f"no decoder for the {stream.type} stream")


@cache
def _formats() -> str:
    return ",".join(sorted(name for name in av.formats_available - _REFERRING - _NOT_MEDIA if _reads_a_file(name)))


def _reads_a_file(name: str) -> bool:
    """Whether the format ``name`` is read from a file, and not from a device or out of thin air."""
    try:
        return not av.ContainerFormat(name, "r").no_file
    except ValueError:  # for writing only
        return False


@contextmanager
def ffmpeg_words() -> Iterator[list[tuple[int, str, str]]]:
    """Collect what FFmpeg logs at level error or worse, as (level, component, message), instead of printing it."""
    before = av.logging.get_level()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # else one file's last words come up again in the next one's
    try:
        with av.logging.Capture(local=False) as words:
            yield words
    finally:
        av.logging.set_level(before)
