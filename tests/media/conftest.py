"""Media made on the spot: each maker writes one small file and returns its path."""

import os
import shutil
import subprocess
import wave
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from framegate.media.extraction.pool import _Worker

MakeVideo = Callable[..., Path]


def _picture(index: int, width: int, height: int) -> np.ndarray:
    """A picture whose colours tell its number: red rises with it, green and blue mark the place."""
    rows, columns = np.mgrid[0:height, 0:width]
    red = np.full((height, width), (index * 5) % 256)
    return np.stack([red, rows * 255 // height, columns * 255 // width], axis=2).astype(np.uint8)


@pytest.fixture(autouse=True)
def workers_say_what_they_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where coverage is measured, a worker is first given time to end: a killed process leaves no measurement."""
    if "COVERAGE_PROCESS_CONFIG" not in os.environ:
        return
    kill = _Worker.kill

    def end(worker: _Worker) -> None:
        worker.pipe.close()
        worker._process.join(timeout=2)
        kill(worker)

    monkeypatch.setattr(_Worker, "kill", end)


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    def make(
        name: str = "clip.mp4",
        *,
        seconds: float = 2.0,
        rate: int = 25,
        size: tuple[int, int] = (128, 96),
        codec: str = "libx264",
        pix_fmt: str = "yuv420p",
        gop: int = 12,
        audio: str | None = None,
        picture: Callable[[int, int, int], np.ndarray] = _picture,
        times: list[int] | None = None,
        options: dict[str, str] | None = None,
        container_options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w", options=container_options or {}) as out:
            video = out.add_stream(codec, rate=rate, options=options or {})
            video.width, video.height = size
            video.pix_fmt = pix_fmt
            video.gop_size = gop
            if times is not None:
                video.codec_context.time_base = Fraction(1, 1000)
            track = out.add_stream(audio, rate=48_000, layout="mono") if audio else None
            for index in range(round(seconds * rate)):
                frame = av.VideoFrame.from_ndarray(picture(index, *size), format="rgb24")
                if times is not None:
                    frame.pts, frame.time_base = times[index], Fraction(1, 1000)
                out.mux(video.encode(frame))
            out.mux(video.encode())
            if track is not None:
                tone = (np.sin(np.arange(round(seconds * 48_000)) * 2 * np.pi * 440 / 48_000) * 16_000).astype(np.int16)
                for start in range(0, len(tone), 1024):
                    piece = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="s16", layout="mono")
                    piece.rate, piece.pts, piece.time_base = 48_000, start, Fraction(1, 48_000)
                    out.mux(track.encode(piece))
                out.mux(track.encode())
        return path

    return make


@pytest.fixture
def make_wave(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "sound.wav", *, seconds: float = 2.0, rate: int = 44_100) -> Path:
        path = tmp_path / name
        tone = (np.sin(np.arange(round(seconds * rate)) * 2 * np.pi * 440 / rate) * 16_000).astype(np.int16)
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate)
            out.writeframes(tone.tobytes())
        return path

    return make


@pytest.fixture
def ffmpeg() -> Callable[..., bytes]:
    """Runs Debian's ffmpeg with some arguments and gives its output; where CI lacks it, tests fail."""
    program = shutil.which("ffmpeg")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("needs ffmpeg: apt-get install ffmpeg")
        pytest.skip("needs ffmpeg: apt-get install ffmpeg")

    def run(*arguments: str | Path) -> bytes:
        return subprocess.run([program, "-v", "error", *map(str, arguments)], check=True, capture_output=True).stdout

    return run
