"""From a video stream to the frames at given times."""

from collections.abc import Iterable, Iterator

import av


def frame_time(frame: av.VideoFrame, origin: float) -> float | None:
    """Seconds since the source's beginning; frames without a presentation time go by their decoding time."""
    stamp = frame.pts if frame.pts is not None else frame.dts
    return None if stamp is None or frame.time_base is None else float(stamp * frame.time_base) - origin


def exact_frames(
    frames: Iterable[tuple[float, av.VideoFrame]], times: Iterable[float]
) -> Iterator[tuple[float, float, av.VideoFrame]]:
    """Of (time, frame) in order of time, the one shown at each of ``times``, as (asked, time, frame)."""
    targets = iter(times)
    target = next(targets, None)
    shown: tuple[float, av.VideoFrame] | None = None
    for time, frame in frames:
        while target is not None and target < time and shown is not None:
            yield target, *shown
            target = next(targets, None)
        if target is None:
            return
        shown = time, frame
    if shown is not None and target is not None:
        yield target, *shown
