"""Kinds of sound that people's files have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from shared.input_making import GREEN, H264, RATE, Kind, Wave, colours, ffmpeg, loud_at, patched, tone


def described(folder: Path) -> Path:
    inputs = (*colours(("red", 4)), "-f", "lavfi", "-i", "anullsrc=r=48000:d=4", *tone(4))
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a", *H264)
    kept = ("-disposition:a:0", "visual_impaired", "-disposition:a:1", "default", "-t", 4)
    return ffmpeg(folder, *inputs, *maps, *kept, "described.mkv")


def broken_first_track(folder: Path) -> Path:
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a", *H264, "-c:a", "aac")
    path = ffmpeg(folder, *colours(("red", 4)), *tone(4), *tone(4), *maps, "two.mov")
    return patched(path, {b"mp4a": b"apac", b"esds": b"xsds"})  # a codec that nothing here decodes


def opposite_phases(folder: Path) -> Path:
    graph = "[1:a]pan=stereo|c0=c0|c1=-1*c0[a]"
    maps = ("-filter_complex", graph, "-map", "0:v", "-map", "[a]", *H264, "-c:a", "pcm_s16le")
    return ffmpeg(folder, *colours(("red", 4)), *tone(4), *maps, "phases.mkv")


def gap(folder: Path) -> Path:
    cut = ("-af", "aselect='not(between(t,2,6))'", *H264, "-c:a", "pcm_s16le")
    pulse = ["-f", "lavfi", "-i", "aevalsrc='if(between(t,8,9),sin(2765*t),0)':d=10"]
    return ffmpeg(folder, *colours(("red", 10)), *pulse, *cut, "gap.mkv")


def longer_than_the_picture(folder: Path) -> Path:
    return ffmpeg(folder, *colours(("red", 1)), *tone(10), *H264, "-c:a", "libopus", "longer.mkv")


def late_audio(folder: Path) -> Path:
    late = ("-itsoffset", 3, *tone(3))
    return ffmpeg(folder, *colours(("red", 6)), *late, "-map", 0, "-map", 1, *H264, "-c:a", "aac", "late.mp4")


def eight_microphones(folder: Path) -> Path:
    graph = "pan=8c|c4=c0"
    return ffmpeg(folder, *tone(4), "-af", graph, "-c:a", "pcm_s16le", "recorder.wav")


def mp3_with_cover(folder: Path) -> Path:
    Image.new("RGB", (320, 240), GREEN).save(folder / "cover.png")
    maps = ("-map", "1:a", "-map", "0:v", "-c:v", "copy", "-c:a", "libmp3lame", "-disposition:v", "attached_pic")
    return ffmpeg(folder, "-i", folder / "cover.png", *tone(4), *maps, "song.mp3")


def chained_ogg(folder: Path) -> Path:
    """Recordings of web radio: one Ogg file after another in one file."""
    parts = [ffmpeg(folder, *tone(3, hertz), "-c:a", "libvorbis", f"{hertz}.ogg") for hertz in (440, 600)]
    (folder / "radio.ogg").write_bytes(b"".join(part.read_bytes() for part in parts))
    return folder / "radio.ogg"


def wav_without_length(folder: Path) -> Path:
    """What programs write into a pipe: they do not know the length yet."""
    data = bytearray(ffmpeg(folder, *tone(4), "-bitexact", "known.wav").read_bytes())
    for at in (4, data.find(b"data") + 4):
        data[at : at + 4] = b"\xff\xff\xff\xff"
    (folder / "piped.wav").write_bytes(data)
    return folder / "piped.wav"


def click(folder: Path) -> Path:
    source = ["-f", "lavfi", "-i", "aevalsrc='if(between(t,5,5.02),sin(6000*t),0)':d=8:s=48000"]
    return ffmpeg(folder, *source, "-c:a", "aac", "click.m4a")


def clicks_at_5(wave: Wave) -> bool:
    """Tell whether the first loud sample lies within a hundredth of a second of second 5."""
    loud = np.flatnonzero(np.abs(wave) > 0.3)
    return len(loud) > 0 and abs(loud[0] / RATE - 5) < 0.01


SOUND = (
    Kind(name="an audio description as the first track", make=described, right=loud_at(1, 3)),
    Kind(name="a first audio track without a decoder", make=broken_first_track, right=loud_at(1, 3)),
    Kind(name="channels in opposite phase", make=opposite_phases, right=loud_at(1, 3)),
    Kind(name="eight microphones, a voice in one", make=eight_microphones, right=loud_at(1, 3)),
    Kind(name="a gap in the sound", make=gap, right=loud_at(8.5, silent=(4.5, 7))),
    Kind(name="sound longer than the picture", make=longer_than_the_picture, right=loud_at(0.5, 5, 9)),
    Kind(name="sound that starts later", make=late_audio, right=loud_at(4, 5, silent=(1, 2))),
    Kind(name="an MP3 with a cover", make=mp3_with_cover, right=loud_at(1, 3)),
    Kind(name="Ogg files one after another", make=chained_ogg, right=loud_at(1, 4.5)),
    Kind(name="a WAV that does not know its length", make=wav_without_length, right=loud_at(1, 3)),
    Kind(name="a click at second 5, in AAC", make=click, right=clicks_at_5),
)
