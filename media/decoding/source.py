"""Open one media file safely: no other file, only known formats, bounded pictures, no log on the terminal."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import av
import av.logging

from framegate.media.errors import MediaError
from framegate.media.options import MAX_PIXELS

# What a stranger's file may claim to be. Left out are formats that name other files or addresses (playlists, manifests,
# numbered pictures, MLV), run scripts, draw markup, take any text for media, or are told by a file's name alone.
_VIDEO = """
    3gp asf av1 avi avs2 avs3 bink cavsvideo cine dhav dirac dnxhd dv evc film_cpk flic flv gxf h261 h263 h264 hevc
    ifv ipu ivf live_flv lvf m4v matroska mjpeg mjpeg_2000 mov mpeg mpegts mpegvideo mpjpeg mxf nsv nut nuv obu ogg
    pva rm roq smjpeg smk swf vc1 vivo vvc webm wtv xmv yuv4mpegpipe
"""
_AUDIO = """
    aac ac3 ac4 aea aiff amr amrnb amrwb ape au caf dsf dts dtshd eac3 flac gsm iff loas mlp mp3 mpc mpc8 oma qcp
    rso shn sox tak truehd tta voc w64 wav wv xwma
"""
_PICTURES = """
    apng bmp_pipe dds_pipe dpx_pipe exr_pipe fits gif gif_pipe hdr_pipe ico j2k_pipe jpeg_pipe jpegls_pipe
    jpegxl_anim jpegxl_pipe pam_pipe pbm_pipe pcx_pipe pfm_pipe pgm_pipe pgmyuv_pipe phm_pipe png_pipe ppm_pipe
    psd_pipe qoi_pipe sgi_pipe sunrast_pipe tiff_pipe webp_pipe xbm_pipe xpm_pipe xwd_pipe
"""
FORMATS = frozenset(f"{_VIDEO} {_AUDIO} {_PICTURES}".split())

# Decoders that write out of bounds in the newest FFmpeg that PyAV bundles (8.1.2), and that few films need: VVC
# (CVE-2026-125244), APAC (CVE-2026-125267), ADX (CVE-2026-64835). None of them is opened, not even to probe a file.
UNSAFE_DECODERS = frozenset({"vvc", "apac", "adpcm_adx"})

# Larger blocks make reading slow where audio and video lie apart: every jump between them reads a block anew.
_BLOCK_BYTES = 32768


@contextmanager
def open_media(path: Path, *, max_pixels: int = MAX_PIXELS, threads: int = 1) -> Iterator[av.container.InputContainer]:
    """Open a local media file for reading, and close it in the end.

    FFmpeg is given a descriptor of this file in place of its name, and may use no protocol but that one: whatever the
    file refers to, no second file and no address is opened.

    Args:
        max_pixels: a video with larger frames does not decode.
        threads: decoding threads; 1 is right inside worker processes, 0 takes one a core.

    Raises:
        MediaError: there is no such file, it is no plain file, or its pictures are larger than ``max_pixels``.
        av.FFmpegError: FFmpeg cannot read it.
    """
    with _descriptor(path) as descriptor:
        options = {
            "fd": str(descriptor),
            "blocksize": str(_BLOCK_BYTES),
            "protocol_whitelist": "fd",
            "format_whitelist": _known_formats(),
            "codec_whitelist": _safe_decoders(),
            "max_pixels": str(max_pixels),
        }
        with av.open("fd:", options=options, metadata_errors="replace") as container:
            for stream in container.streams.video:
                _bound(stream, max_pixels)
                stream.thread_count = threads
                stream.thread_type = "SLICE" if threads == 1 or _is_vp9(stream) else "AUTO"
            yield container


@contextmanager
def _descriptor(path: Path) -> Iterator[int]:
    """Open a plain file, and yield its descriptor; opening a pipe does not wait for its other end."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise MediaError(error.strerror or str(error)) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise MediaError("not a plain file")
        yield descriptor
    finally:
        os.close(descriptor)


def _bound(stream: av.VideoStream, max_pixels: int) -> None:
    """Make the decoder of ``stream`` refuse larger pictures: those stated now, and those that come later."""
    context = stream.codec_context
    if context is None:
        return
    if context.width * context.height > max_pixels:
        raise MediaError(
            f"pictures of {context.width} × {context.height} pixels: over the limit of {max_pixels} (max_pixels)"
        )
    context.options = {"max_pixels": str(max_pixels)}


def require_decoder(stream: av.VideoStream | av.AudioStream) -> None:
    """Raise `MediaError` if FFmpeg has no decoder for ``stream``, or only one that is not safe."""
    context = stream.codec_context
    if context is None:
        raise MediaError(f"no decoder for the {stream.type} stream: convert it (ffmpeg -i OLD NEW)")
    if context.name in UNSAFE_DECODERS:
        raise MediaError(f"no safe decoder for the {stream.type} stream: {context.name} is not decoded (convert it)")


def _is_vp9(stream: av.VideoStream) -> bool:
    """Tell whether frame threads are unsafe: FFmpeg before 8.1.3 uses freed VP9 frames after a seek."""
    return stream.codec_context is not None and stream.codec_context.name == "vp9"


@cache
def _known_formats() -> str:
    return ",".join(sorted(FORMATS & av.formats_available))


@cache
def _safe_decoders() -> str:
    return ",".join(sorted(av.codecs_available - UNSAFE_DECODERS))


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
