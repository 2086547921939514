"""Readers of media files as their users call them: framegate, torchcodec, PyAV's plain loop, OpenCV, decord."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from shared.input_making import RATE, Pictures, Wave

if TYPE_CHECKING:
    from framegate.media import FrameStore


class NotOfferedError(Exception):
    """Raised where a reader does not have what is asked for at all, such as audio in OpenCV."""


def load(reader: str) -> None:
    """Import what a reader needs, and nothing of the others."""
    module = {"framegate": "framegate.media", "torchcodec": "torchcodec.decoders", "OpenCV": "cv2", "decord": "decord"}
    importlib.import_module(module.get(reader, "av"))


def _store(path: Path, *, every: float) -> FrameStore:
    from framegate.media import Clip, ExtractOptions, FrameStore, extract

    out = Path(tempfile.mkdtemp()) / "store"
    options = ExtractOptions(every=every, size=2048, quality=95, audio_seconds=None)
    extract([Clip(id="clip", video=path, programme="", split="train")], out, options=options, workers=1)
    store = FrameStore(out)
    if not len(store.videos):
        raise ValueError((out / "failures.jsonl").read_text()[:200])
    return store


def framegate_pictures(path: Path, times: Sequence[float]) -> Pictures:
    store = _store(path, every=0.1)
    numbers = [store.frame_at(0, time) for time in times]
    if any(abs(store.times[number] - time) > 0.2 for number, time in zip(numbers, times, strict=True)):
        raise ValueError(store.video(0).status)  # a clip that is partial has a line in failures.jsonl
    return [store[number] for number in numbers]


def framegate_audio(path: Path) -> Wave:
    store = _store(path, every=1.0)
    windows = store.audio(0)
    end = max(window.start + len(window.pcm) / RATE for window in windows)
    wave = np.zeros(round(end * RATE) + 1, np.float32)
    for window in windows:
        first = round(window.start * RATE)
        wave[first : first + len(window.pcm)] = window.pcm / 32768
    return wave


def torchcodec_pictures(path: Path, times: Sequence[float]) -> Pictures:
    from torchcodec.decoders import VideoDecoder

    batch = VideoDecoder(str(path), dimension_order="NHWC").get_frames_played_at(seconds=list(times))
    return list(batch.data.numpy())


def torchcodec_audio(path: Path) -> Wave:
    from torchcodec.decoders import AudioDecoder

    samples = AudioDecoder(str(path), sample_rate=RATE, num_channels=1).get_all_samples()
    return np.concatenate([np.zeros(round(samples.pts_seconds * RATE), np.float32), samples.data[0].numpy()])


def pyav_pictures(path: Path, times: Sequence[float]) -> Pictures:
    import av

    shown: list[tuple[float, np.ndarray]] = []
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            shown.append((number if frame.time is None else frame.time, frame.to_ndarray(format="rgb24")))
    return [max((each for each in shown if each[0] <= time), default=shown[0], key=lambda e: e[0])[1] for time in times]


def pyav_audio(path: Path) -> Wave:
    import av

    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    pieces: list[np.ndarray] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            pieces += [part.to_ndarray().reshape(-1) for part in resampler.resample(frame)]
    return np.concatenate(pieces)


def opencv_pictures(path: Path, times: Sequence[float]) -> Pictures:
    import cv2

    if path.is_file() and cv2.haveImageReader(str(path)):
        return _opencv_images(path, times)
    video = cv2.VideoCapture(str(path))
    if not video.isOpened():
        raise ValueError("not opened")
    found: list[np.ndarray] = []
    for time in times:
        video.set(cv2.CAP_PROP_POS_MSEC, time * 1000)
        done, picture = video.read()
        if not done:
            raise ValueError(f"no frame at {time} s")
        found.append(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    return found


def _opencv_images(path: Path, times: Sequence[float]) -> Pictures:
    import cv2

    if len(times) == 1:
        return [cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)]
    done, animation = cv2.imreadanimation(str(path))
    if not done:
        raise ValueError("not opened")
    ends = np.cumsum(np.array(animation.durations) / 1000)
    chosen = [min(int(np.searchsorted(ends, time, side="right")), len(ends) - 1) for time in times]
    return [cv2.cvtColor(animation.frames[number][..., :3], cv2.COLOR_BGR2RGB) for number in chosen]


def decord_pictures(path: Path, times: Sequence[float]) -> Pictures:
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    begins = reader.get_frame_timestamp(range(len(reader)))[:, 0]
    numbers = [max(0, int(np.searchsorted(begins, time + 1e-6, side="right")) - 1) for time in times]
    return list(reader.get_batch(numbers).asnumpy())


def decord_audio(path: Path) -> Wave:
    import decord

    return decord.AudioReader(str(path), sample_rate=RATE, mono=True)[:].asnumpy().reshape(-1)


def opencv_audio(path: Path) -> Wave:
    raise NotOfferedError


READERS: dict[str, tuple[Callable[[Path, Sequence[float]], Pictures], Callable[[Path], Wave]]] = {
    "framegate": (framegate_pictures, framegate_audio),
    "torchcodec": (torchcodec_pictures, torchcodec_audio),
    "PyAV's plain loop": (pyav_pictures, pyav_audio),
    "OpenCV": (opencv_pictures, opencv_audio),
    "decord": (decord_pictures, decord_audio),
}
