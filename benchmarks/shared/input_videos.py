"""Kinds of videos that people have."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from PIL import Image
from shared.input_making import (
    BLUE,
    GREEN,
    H264,
    RED,
    Kind,
    Pictures,
    colours,
    ffmpeg,
    has_shape,
    left_red_right_blue,
    nothing,
    patched,
    shows,
)

_THREE = ("red", "lime", "blue")
_THREE_SHOWN = shows(RED, GREEN, BLUE)
_FROM_ZERO = ("-muxdelay", 0, "-muxpreload", 0)  # a transport stream else begins at 1.4 s
_STAYS = ("-vf", "select='eq(n,0)+eq(n,20)+eq(n,99)'", "-fps_mode", "vfr")


def one_keyframe(folder: Path) -> Path:
    keys = ("-g", 9999, "-keyint_min", 9999, "-sc_threshold", 0)
    return ffmpeg(folder, *colours(("red", 3), ("lime", 3), ("blue", 3)), *H264, *keys, "screen.mp4")


def cut_between_keyframes(folder: Path) -> Path:
    whole = ffmpeg(folder, *colours(("red", 3), ("lime", 3), ("blue", 3)), *H264, "-g", 40, "whole.mp4")
    return ffmpeg(folder, "-ss", 2, "-i", whole, "-c", "copy", "cut.mp4")  # an edit list hides what leads in


def changing_size(folder: Path) -> Path:
    small = ffmpeg(folder, *colours(("red", 3)), *H264, "-bf", 0, *_FROM_ZERO, "small.ts")
    large = colours(("blue", 3), size="640x480")
    large_file = ffmpeg(folder, *large, *H264, "-bf", 0, *_FROM_ZERO, "-output_ts_offset", 3, "large.ts")
    (folder / "sizes.ts").write_bytes(small.read_bytes() + large_file.read_bytes())
    return folder / "sizes.ts"


def turned_video(folder: Path) -> Path:
    halves = ["-f", "lavfi", "-i", "color=red:s=160x240:r=5:d=2[l];color=blue:s=160x240:r=5:d=2[r];[l][r]hstack[out0]"]
    made = bytearray(ffmpeg(folder, *halves, "-vf", "transpose=cclock", *H264, "level.mp4").read_bytes())
    at = made.find(b"tkhd") + 44  # the track's matrix, here of a quarter turn clockwise
    made[at : at + 36] = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 240 << 16, 0, 1 << 30)
    (folder / "phone.mp4").write_bytes(made)
    return folder / "phone.mp4"


def wide_pixels(folder: Path) -> Path:
    return ffmpeg(folder, *colours(("red", 2)), "-vf", "setsar=2", *H264, "anamorphic.mp4")


def late_start(folder: Path) -> Path:
    return ffmpeg(folder, *colours(("red", 2), ("blue", 2)), *H264, "-output_ts_offset", 100, "late.ts")


def variable_rate(folder: Path) -> Path:
    steps = "select='not(mod(n,7))+between(t,1,1.5)'"
    words = (*colours(("red", 2), ("blue", 2), rate=25), "-vf", steps, "-fps_mode", "vfr")
    return ffmpeg(folder, *words, *H264, "variable.mp4")


def transparent(folder: Path) -> Path:
    source = "color=c=red@0.0:s=320x240:r=5:d=2,format=argb"
    return ffmpeg(folder, "-f", "lavfi", "-i", source, "-c:v", "qtrle", "alpha.mov")


def hdr(folder: Path) -> Path:
    source = "color=0x949494:s=320x240:r=5:d=2"
    tags = "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    words = ("-pix_fmt", "yuv420p10le", "-c:v", "libx265", "-x265-params", tags)
    return ffmpeg(folder, "-f", "lavfi", "-i", source, *words, "hdr.mp4")


def full_range(folder: Path) -> Path:
    grey = ["-f", "lavfi", "-i", "color=0x404040:s=320x240:r=5:d=2"]
    wide = ("-vf", "scale=out_range=full", "-color_range", "pc")
    return ffmpeg(folder, *grey, *wide, *H264, "full.mp4")


def matrix_709(folder: Path) -> Path:
    tags = ("-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "bt709")
    scale = ("-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv444p")
    small = ["-f", "lavfi", "-i", "color=0x00ff00:s=320x240:r=5:d=2"]
    return ffmpeg(folder, *small, *scale, *tags, "-c:v", "libx264", "tagged.mp4")


def cover_before_video(folder: Path) -> Path:
    Image.new("RGB", (320, 240), GREEN).save(folder / "cover.png")
    film = ffmpeg(folder, *colours(("red", 2)), *H264, "film.mp4")
    maps = ("-map", 0, "-map", 1, "-c", "copy", "-disposition:v:0", "attached_pic", "-disposition:v:1", "default")
    return ffmpeg(folder, "-i", folder / "cover.png", "-i", film, *maps, "cover.mp4")


def stays(folder: Path) -> Path:
    return ffmpeg(folder, *colours(("red", 2), ("blue", 8)), *_STAYS, *H264, "screen.mkv")


def null_frames(folder: Path) -> Path:
    """In AVI, what is left out are chunks without bytes."""
    return ffmpeg(folder, *colours(("red", 2), ("blue", 8)), *_STAYS, "-c:v", "mpeg4", "screen.avi")


def interlaced(folder: Path) -> Path:
    """Bars of 40 pixels that move by 20 from field to field."""
    bars = "nullsrc=s=320x240:r=50:d=3,geq=lum='235*mod(floor((X+20*N)/40),2)':cb=128:cr=128"
    words = ("-vf", "tinterlace=interleave_top", "-flags", "+ildct+ilme", "-c:v", "mpeg2video", "-b:v", "8M")
    return ffmpeg(folder, "-f", "lavfi", "-i", bars, *words, "broadcast.mkv")


def without_combs(pictures: Pictures) -> bool:
    """Tell whether lines are as those below them, as in the bars that were filmed."""
    lines = pictures[0].astype(int)
    return bool(np.abs(lines[1:] - lines[:-1]).mean() < 10) and float(lines.std()) > 60


def ten_bits(folder: Path) -> Path:
    words = ("-c:v", "libx264", "-pix_fmt", "yuv422p10le")
    return ffmpeg(folder, *colours(("0xc86428", 2)), *words, "camera.mov")


def transparent_webm(folder: Path) -> Path:
    source = "color=c=red@0.0:s=320x240:r=5:d=2,format=yuva420p"
    return ffmpeg(folder, "-f", "lavfi", "-i", source, "-c:v", "libvpx-vp9", "-b:v", "1M", "alpha.webm")


def wide_gamut(folder: Path, *, red: str, transfer: str, file: str) -> Path:
    """Write the red of BT.709 in the primaries of BT.2020, whose coded numbers are given as 0xRRGGBB."""
    tags = f"log-level=error:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc:range=limited"
    words = ("-vf", "scale=out_color_matrix=bt2020:out_range=tv,format=yuv444p10le", "-c:v", "libx265")
    return ffmpeg(folder, *colours((red, 2), rate=5), *words, "-x265-params", tags, file)


def hlg(folder: Path) -> Path:
    return wide_gamut(folder, red="0xa73c1d", transfer="arib-std-b67", file="hlg.mp4")


def bt2020(folder: Path) -> Path:
    return wide_gamut(folder, red="0xca3b13", transfer="bt2020-10", file="wide.mp4")


def is_strong_red(pictures: Pictures) -> bool:
    red, green, blue = pictures[0].reshape(-1, 3).mean(axis=0)
    return red > 190 and green < 45 and blue < 45


def untagged_hd(folder: Path) -> Path:
    scale = ("-vf", "scale=out_color_matrix=bt709:out_range=tv,format=yuv444p")
    return ffmpeg(folder, *colours(("lime", 2), size="1280x720"), *scale, "-c:v", "libx264", "hd.mp4")


def broken_first_video(folder: Path) -> Path:
    inputs = (*colours(("lime", 2)), *colours(("red", 2)), "-map", "0:v", "-map", "1:v", *H264)
    return patched(ffmpeg(folder, *inputs, "two.mov"), {b"avc1": b"zzzz", b"avcC": b"zzzC"})


def second_is_default(folder: Path) -> Path:
    inputs = (*colours(("lime", 2)), *colours(("red", 2)), "-map", "0:v", "-map", "1:v", *H264)
    return ffmpeg(folder, *inputs, "-disposition:v:0", 0, "-disposition:v:1", "default", "two.mkv")


def damaged(folder: Path) -> Path:
    words = ("-vf", "noise=alls=20:allf=t", *H264, "-g", 10, *_FROM_ZERO)
    path = ffmpeg(folder, *colours(*((name, 3) for name in _THREE)), *words, "damaged.ts")
    data = bytearray(path.read_bytes())
    first, last = int(len(data) * 0.45), int(len(data) * 0.55)
    data[first:last] = b"\xff" * (last - first)
    path.write_bytes(data)
    return path


def old_wmv(folder: Path) -> Path:
    return ffmpeg(folder, *colours(("red", 2), ("blue", 2)), "-c:v", "wmv2", "-b:v", "1M", "old.wmv")


def without_suffix(folder: Path) -> Path:
    return ffmpeg(folder, *colours(("red", 2)), *H264, "-f", "mp4", "download")


VIDEOS = (
    Kind(name="one keyframe in the file", make=one_keyframe, times=(1, 4, 7), right=_THREE_SHOWN),
    Kind(name="cut between keyframes", make=cut_between_keyframes, times=(0.5, 1.5, 4.5), right=_THREE_SHOWN),
    Kind(name="another size in mid-stream", make=changing_size, times=(1, 4), right=shows(RED, BLUE)),
    Kind(name="a turned phone video", make=turned_video, times=(1,), right=left_red_right_blue),
    Kind(name="pixels twice as wide as high", make=wide_pixels, times=(1,), right=has_shape(240, 640, shows(RED))),
    Kind(name="timestamps that begin at 100 s", make=late_start, times=(1, 3), right=shows(RED, BLUE)),
    Kind(name="a variable frame rate", make=variable_rate, times=(1.2, 3.2), right=shows(RED, BLUE)),
    Kind(name="a picture that stays for 8 s", make=stays, times=(1, 6), right=shows(RED, BLUE)),
    Kind(name="an AVI with empty packets", make=null_frames, times=(1, 6), right=shows(RED, BLUE)),
    Kind(name="interlaced MPEG-2 in motion", make=interlaced, times=(1,), right=without_combs),
    Kind(name="a damaged part in the middle", make=damaged, times=(1, 8), right=shows(RED, BLUE, near=60)),
    Kind(name="an old WMV", make=old_wmv, times=(1, 3), right=shows(RED, BLUE)),
    Kind(name="a video without a suffix", make=without_suffix, times=(1,), right=shows(RED)),
    Kind(name="10 bits, 4:2:2", make=ten_bits, times=(1,), right=shows((200, 100, 40), near=6)),
    Kind(name="transparent video (QuickTime Animation)", make=transparent, times=(1,), right=nothing),
    Kind(name="transparent video (VP9 in WebM)", make=transparent_webm, times=(1,), right=nothing),
    Kind(name="HDR10 (PQ): reference white", make=hdr, times=(1,), right=lambda p: bool(p[0].mean() > 190)),
    Kind(name="HLG: a strong red", make=hlg, times=(1,), right=is_strong_red),
    Kind(name="BT.2020 without HDR: a strong red", make=bt2020, times=(1,), right=is_strong_red),
    Kind(name="full range", make=full_range, times=(1,), right=shows((64, 64, 64), near=4)),
    Kind(name="BT.709 in SD, tagged", make=matrix_709, times=(1,), right=shows(GREEN, near=6)),
    Kind(name="HD without tags", make=untagged_hd, times=(1,), right=shows(GREEN, near=6)),
    Kind(name="a cover before the video", make=cover_before_video, times=(1,), right=shows(RED)),
    Kind(name="a first video track without a decoder", make=broken_first_video, times=(1,), right=shows(RED)),
    Kind(name="a second video track that is the default", make=second_is_default, times=(1,), right=shows(RED)),
)
