"""Streams as recorders, broadcasters and editors leave them give the frames of the ffmpeg command line."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from framegate.media.decoding.readers import open_reader
from framegate.media.decoding.source import open_media
from framegate.media.options import Mode

PAUSES = "select='lt(mod(n,25),3)+eq(n,99)'"  # three pictures a second, and the last one

KINDS: dict[str, tuple[str, ...]] = {
    "null_frames.avi": ("-vf", PAUSES, "-vsync", "vfr", "-c:v", "mpeg4"),  # chunks of no bytes for what is left out
    "variable_rate.mp4": ("-vf", PAUSES, "-vsync", "vfr", "-c:v", "libx264"),
    "variable_rate.mkv": ("-vf", PAUSES, "-vsync", "vfr", "-c:v", "libx264"),
    "open_gop.ts": ("-c:v", "libx264", "-x264-params", "open-gop=1:keyint=20:bframes=3"),
    "open_gop.mp4": ("-c:v", "libx265", "-x265-params", "log-level=none:open-gop=1:keyint=20"),
    "recovery_points.ts": ("-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=20"),
    "recovery_points.mkv": ("-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=20"),
    "alternate_references.webm": (
        "-c:v",
        "libvpx",
        "-auto-alt-ref",
        "1",
        "-lag-in-frames",
        "16",
        "-cpu-used",
        "8",
        "-b:v",
        "500k",
    ),
    "interlaced.ts": ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "2M"),
    "interlaced.mkv": ("-c:v", "libx264", "-x264-params", "interlaced=1"),
    "telecined.vob": ("-vf", "telecine,setfield=tff", "-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "2M"),
    "packed.avi": ("-c:v", "libxvid", "-bf", "2", "-q:v", "4"),  # two pictures a packet, and packets of none
    "theora.ogv": ("-c:v", "libtheora", "-g", "12"),
    "negative.mp4": ("-c:v", "libx264", "-output_ts_offset", "-1", "-avoid_negative_ts", "disabled"),
    "late.ts": ("-c:v", "libx264", "-output_ts_offset", "30"),
}


def command_lines_frames(ffmpeg_program: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The seconds and the pictures, (N, 120, 160) grey, of all frames that the command line decodes."""
    words = [ffmpeg_program, "-i", str(path), "-map", "0:v:0", "-vf", "showinfo"]
    words += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    done = subprocess.run(words, check=True, capture_output=True)
    times = [float(found) for found in re.findall(r"pts_time:\s*(-?[\d.]+)", done.stderr.decode())]
    return np.array(times), np.frombuffer(done.stdout, np.uint8).reshape(len(times), 120, 160).astype(int)


def wrong_times(path: Path, theirs: tuple[np.ndarray, np.ndarray], mode: Mode, *, step: float) -> list[float]:
    """The times whose frame is missing, or is not the command line's of the same second."""
    times, pictures = theirs
    asked = np.arange(0, times[-1], step).tolist()
    with open_media(path) as container:
        reader = open_reader(mode, container, container.streams.video[0], step=step)
        given = {}
        for time, shown in reader.frames_at(asked):
            place = max(int(np.searchsorted(times, shown.time + 1e-3, side="right")) - 1, 0)
            grey = shown.frame.to_ndarray(format="gray")
            alike = np.abs(pictures[place] - grey).mean() < 3
            near = shown.time <= time + 1e-3 if mode == "exact" else abs(shown.time - time) <= step / 2 + 1e-3
            given[time] = alike and (near or time < times[0] or len(times) < 30)
    return [time for time in asked if not given.get(time)]


@pytest.fixture
def make_kind(ffmpeg: Callable[..., bytes], tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        path = tmp_path / name
        ffmpeg("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=4", *KINDS[name], path)
        return path

    return make


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_of_the_command_line(make_kind, name: str) -> None:
    path = make_kind(name)
    theirs = command_lines_frames(str(shutil.which("ffmpeg")), path)
    assert wrong_times(path, theirs, "exact", step=0.2) == []
    assert wrong_times(path, theirs, "exact", step=0.7) == []
    if name != "packed.avi":  # AVI tells only when pictures are decoded: of its keyframes the time is a guess
        assert wrong_times(path, theirs, "auto", step=0.5) == []


@pytest.mark.parametrize("name", ["null_frames.avi", "packed.avi", "recovery_points.ts"])
def test_packets_that_hold_no_picture_cost_no_frame(make_kind, name: str) -> None:
    path = make_kind(name)
    with open_media(path) as container:
        reader = open_reader("auto", container, container.streams.video[0], step=0.5)
        assert len(list(reader.frames_at([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5]))) == 8
        assert reader.damage == []


def test_a_matroska_file_whose_first_packets_have_no_timestamps_is_read_from_its_beginning(ffmpeg, tmp_path) -> None:
    path = tmp_path / "negative.mkv"
    source = ("-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=4", "-c:v", "libx264")
    ffmpeg(*source, "-output_ts_offset", "-1", "-avoid_negative_ts", "disabled", path)
    with open_media(path) as container:
        reader = open_reader("auto", container, container.streams.video[0], step=0.5)
        assert len(list(reader.frames_at([0.0, 0.5, 1.0, 1.5, 2.0, 2.5]))) == 6
