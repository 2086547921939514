"""One clip as an MP4 file: H.264 pictures with a keyframe every second, and AAC audio."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

__all__ = ["write_video"]

_AAC_FRAME = 1024  # samples


def write_video(
    path: Path, pictures: Iterable[np.ndarray], *, frame_rate: int, audio: np.ndarray | None, audio_rate: int
) -> None:
    """Encode a video file.

    Args:
        path: ends in ``.mp4``; written over.
        pictures: (H, W, 3) uint8 RGB, all of one even size.
        frame_rate: pictures a second; every ``frame_rate``-th is a keyframe.
        audio: (samples,) int16 mono, or ``None`` for a file without an audio track.
        audio_rate: samples a second.
    """
    pictures = iter(pictures)
    first = next(pictures)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=frame_rate)
        video.height, video.width = first.shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1  # clips are encoded side by side; and bytes do not depend on the machine
        video.options = {
            "preset": "veryfast",
            "crf": "23",
            "x264-params": f"keyint={frame_rate}:min-keyint={frame_rate}:scenecut=0",
        }
        track = container.add_stream("aac", rate=audio_rate, layout="mono") if audio is not None else None
        for picture in (first, *pictures):
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode(None))
        if track is not None and audio is not None:
            for start in range(0, len(audio), _AAC_FRAME):
                frame = av.AudioFrame.from_ndarray(audio[None, start : start + _AAC_FRAME], format="s16", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = audio_rate, start, Fraction(1, audio_rate)
                container.mux(track.encode(frame))
            container.mux(track.encode(None))
