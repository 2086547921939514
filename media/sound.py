"""Sound as 16 kHz mono: windows spread over a clip."""

import av
import numpy as np

RATE = 16_000


def windows(start: float, end: float, *, seconds: float | None, length: float = 10.0) -> list[tuple[float, float]]:
    """(start, end) of sound windows that total ``seconds``, spread evenly over a clip from ``start`` to ``end``.

    A clip that is not longer than ``seconds`` (or ``seconds=None``) is covered whole, in pieces of 30 s at most.
    """
    if seconds is not None and seconds <= 0:
        return []
    if seconds is None or end - start <= seconds:
        pieces = np.arange(start, end, 30.0) if np.isfinite(end) else np.arange(start, start + 6 * 3600, 30.0)
        return [(float(piece), min(float(piece) + 30.0, end)) for piece in pieces]
    count = max(1, round(seconds / length))
    length = seconds / count
    stride = (end - start) / count
    middles = [start + stride * (index + 0.5) for index in range(count)]
    return [(middle - length / 2, middle + length / 2) for middle in middles]


def read_window(
    container: av.container.InputContainer, stream: av.AudioStream, start: float, end: float, *, origin: float
) -> np.ndarray:
    """The samples (n,) int16 at 16 kHz of ``start`` to ``end`` seconds; shorter where the sound ends earlier."""
    assert stream.time_base is not None
    container.seek(round((start + origin) * 1_000_000), backward=True)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    pieces: list[np.ndarray] = []
    first: float | None = None
    wanted = round((end - start) * RATE)
    have = 0
    for frame in container.decode(stream):
        time = (frame.time if frame.time is not None else start + origin) - origin
        if time >= end:
            break
        if time + frame.samples / frame.sample_rate <= start:
            continue
        if first is None:
            first = time
        for piece in resampler.resample(frame):
            pieces.append(piece.to_ndarray().reshape(-1))
            have += len(pieces[-1])
        if first + have / RATE >= end + 0.05:
            break
    pieces += [piece.to_ndarray().reshape(-1) for piece in resampler.resample(None)] if pieces else []
    if first is None:
        return np.empty(0, np.int16)
    samples = np.concatenate(pieces) if pieces else np.empty(0, np.int16)
    skip = max(0, round((start - first) * RATE))
    return samples[skip : skip + wanted]
