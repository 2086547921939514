"""The readers of a video stream, by what of it they take."""

from itertools import pairwise
from math import inf

import av

from framegate.media.decoding.auto import AutoReader
from framegate.media.decoding.decode import ExactReader, only_decoding_times
from framegate.media.decoding.keyframes import KeyframeReader
from framegate.media.decoding.packets import Deadline
from framegate.media.options import Mode

Reader = ExactReader | KeyframeReader

_ENOUGH = 0.95  # share of a stream


def open_reader(
    mode: Mode,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    *,
    step: float,
    inside: tuple[float, float] = (-inf, inf),
    deadline: Deadline | None = None,
) -> Reader:
    """Return the reader of ``mode`` for one stream of an open container.

    Args:
        mode: ``keyframe``, ``exact``, or ``auto``: a keyframe no further than half a step away, else the exact frame.
        container: from `open_media`.
        stream: one of its streams.
        step: seconds between the times that frames will be asked for.
        inside: seconds from which and until which ``auto`` may take keyframes.
        deadline: when to stop; None: never.
    """
    if mode == "exact":
        return ExactReader(container, stream, deadline=deadline)
    if mode == "keyframe" or _only_keyframes_can_be_skipped_to(container, stream, step):
        return KeyframeReader(container, stream, deadline=deadline)
    return AutoReader(container, stream, near=step / 2, inside=inside, deadline=deadline)


def _only_keyframes_can_be_skipped_to(
    container: av.container.InputContainer, stream: av.VideoStream, step: float
) -> bool:
    """Tell whether frames between keyframes cost decoding everything, and keyframes lie near to all but a few times."""
    if not only_decoding_times(container, stream) or stream.time_base is None:
        return False
    entries = list(stream.index_entries)
    stamps = sorted([entry.timestamp for entry in entries if entry.is_keyframe] + [e.timestamp for e in entries[-1:]])
    gaps = [float((after - before) * stream.time_base) for before, after in pairwise(stamps)]
    near = sum(gap for gap in gaps[:-1] if gap <= step) + min([step / 2, *gaps[-1:]])  # no keyframe ends the last one
    return near >= _ENOUGH * sum(gaps) > 0
