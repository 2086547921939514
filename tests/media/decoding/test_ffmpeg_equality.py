"""The frames that framegate decodes are those of the ffmpeg command line."""

from pathlib import Path

import av
import numpy as np
import pytest

from framegate.media import read_frames
from framegate.media.decoding.decode import ExactReader
from framegate.media.decoding.source import open_media

CASES = {
    "h264.mp4": {"codec": "libx264"},
    "h264.ts": {"codec": "libx264"},
    "open_gop.mkv": {"codec": "libx264", "options": {"x264-params": "open-gop=1:bframes=3:b-pyramid=normal"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"b": "2M"}},
    "mpeg2.mpg": {"codec": "mpeg2video", "options": {"b": "2M", "bf": "2"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "mjpeg.mkv": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "ten_bit.mkv": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
}


def moving(index: int, width: int, height: int) -> np.ndarray:
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([(rows * 3 + index * 4), (columns * 2 - index * 3), rows + columns + index], axis=2).astype(
        np.uint8
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_frames_equal_those_of_the_command_line(make_video, ffmpeg, name: str) -> None:
    path: Path = make_video(name, seconds=4, size=(192, 128), picture=moving, **CASES[name])
    raw = ffmpeg("-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    theirs = np.frombuffer(raw, np.uint8).reshape(-1, 128, 192, 3).astype(int)
    steps = range(0, 100, 9)
    with open_media(path) as container:
        shown = ExactReader(container, container.streams.video[0]).frames_at([0.01 + step / 25 for step in steps])
        ours = [(round(frame.time * 25), frame.frame.to_ndarray(format="rgb24").astype(int)) for _, frame in shown]
    assert len(ours) == len(steps)
    for number, picture in ours:
        assert np.abs(picture - theirs[number]).mean() <= 2


@pytest.mark.parametrize("degrees", [30, -10, 90, 180])
def test_a_picture_is_turned_as_the_command_line_turns_it(make_video, ffmpeg, tmp_path: Path, degrees: int) -> None:
    level, path = make_video("level.mp4", seconds=0.2, picture=moving), tmp_path / "turned.mp4"
    with av.open(str(level)) as source, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        stream.set_display_rotation(degrees)
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                out.mux(packet)
    ((_, ours),) = read_frames(path, [0.0])
    raw = ffmpeg("-i", path, "-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    theirs = np.frombuffer(raw, np.uint8).reshape(ours.shape).astype(int)
    assert np.abs(ours - theirs).mean() <= 4  # they turn before the conversion to RGB
