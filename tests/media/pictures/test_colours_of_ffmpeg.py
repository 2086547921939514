"""Where the ffmpeg command line has the right colours, those of framegate are the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from framegate.media import read_frames

KINDS = {
    "h264.mp4": ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-crf", "10"),
    "full.mp4": ("-vf", "scale=out_range=pc", "-pix_fmt", "yuvj420p", "-c:v", "libx264", "-crf", "10"),
    "bt709.mp4": (
        *("-vf", "scale=out_color_matrix=bt709", "-pix_fmt", "yuv444p"),
        *("-c:v", "libx264", "-crf", "10", "-colorspace", "bt709", "-color_range", "tv"),
    ),
    "ten.mkv": ("-pix_fmt", "yuv422p10le", "-c:v", "libx264", "-crf", "10"),
    "twelve.mkv": ("-pix_fmt", "yuv444p12le", "-c:v", "ffv1"),
    "prores.mov": ("-pix_fmt", "yuv422p10le", "-c:v", "prores_ks"),
    "dnx.mov": ("-pix_fmt", "yuv422p", "-c:v", "dnxhd", "-profile:v", "dnxhr_hq"),
    "mjpeg.avi": ("-pix_fmt", "yuvj422p", "-c:v", "mjpeg", "-q:v", "2"),
    "rgb.mkv": ("-c:v", "libx264rgb", "-crf", "10"),
    "planes.mkv": ("-pix_fmt", "gbrp10le", "-c:v", "ffv1"),
    "grey.mkv": ("-pix_fmt", "gray12le", "-c:v", "ffv1"),
    "grey.mov": ("-pix_fmt", "gray16be", "-c:v", "png"),
    "one.mov": ("-pix_fmt", "monob", "-c:v", "png"),
    "palette.gif": (),
    "555.avi": ("-pix_fmt", "rgb555le", "-c:v", "rawvideo"),
    "packed.avi": ("-pix_fmt", "uyvy422", "-c:v", "rawvideo"),
    "theora.ogv": ("-c:v", "libtheora", "-q:v", "10"),
    "cinema.mxf": (
        *("-vf", "scale=2048:1080", "-r", "24", "-pix_fmt", "xyz12le"),
        *("-frames:v", "1", "-c:v", "libopenjpeg", "-cinema_mode", "2k_24", "-prog_order", "cprl"),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_pictures_of_sdr_kinds_are_those_of_the_command_line(
    ffmpeg: Callable[..., bytes], tmp_path: Path, name: str
) -> None:
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=352x288:r=5:d=0.4,gblur=1", *KINDS[name], tmp_path / name)
    ((_, ours),) = read_frames(tmp_path / name, [0.0])
    raw = ffmpeg("-i", tmp_path / name, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    theirs = np.frombuffer(raw, np.uint8).reshape(ours.shape).astype(float)
    assert 10 * np.log10(255**2 / max(1e-9, float(np.mean((ours - theirs) ** 2)))) >= 30
