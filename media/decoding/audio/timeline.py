"""Lay decoded sound where its timestamps put it: gaps are silence, and what only jitters is left together."""

from dataclasses import dataclass

import numpy as np

_JITTER = 0.015  # seconds: less is rounding, or a clock that runs a little fast or slow
NEIGHBOURS = 4  # frames on either side among which the median timestamp counts


@dataclass(frozen=True, slots=True)
class Span:
    """A frame's place.

    Attributes:
        time: second of its first sample by its timestamp; None if it has none.
        position: second of its first sample in the sound, as decoded without gaps.
        seconds: its length.
    """

    time: float | None
    position: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Laid:
    """Sound laid out in time.

    Attributes:
        samples: (n,) of the whole stretch asked for, 0 where there is no sound.
        sounding: number of them that were decoded.
        end: number of samples up to the end of the last one that was decoded.
        dropped: number of samples that lie over others, and are left out.
    """

    samples: np.ndarray
    sounding: int
    end: int
    dropped: int


def lay_out(sound: np.ndarray, spans: list[Span], *, start: float, end: float, rate: int) -> Laid:
    """Lay ``sound``, (n,), out from ``start`` to ``end`` seconds, each of its ``spans`` at its time.

    Frames follow one another without a gap unless their timestamps say otherwise by more than 15 ms and for more than
    a moment: the median timestamp of nine frames counts, so one that is wrong, or a clock that wobbles, moves nothing.
    """
    laid = np.zeros(max(0, round((end - start) * rate)), sound.dtype)
    filled, dropped, last = 0, 0, 0
    reached: int | None = None  # where the runs before end, which may be before the stretch
    for first, after, shift in _runs(spans):
        begin, stop = (round(place * rate) for place in (spans[first].position, _end(spans[after - 1])))
        place = round((spans[first].position + shift - start) * rate)
        length = min(stop, len(sound)) - begin
        overlap = 0 if reached is None else min(length, max(0, reached - place))
        dropped += overlap
        reached = place + length if reached is None else max(reached, place + length)
        cut = max(overlap, -place, 0)
        piece = sound[begin:stop][cut : cut + max(0, len(laid) - place - cut)]
        laid[place + cut : place + cut + len(piece)] = piece
        filled += len(piece)
        last = place + cut + len(piece) if len(piece) else last
    return Laid(laid, filled, last, dropped)


def _runs(spans: list[Span]) -> list[tuple[int, int, float]]:
    """Return the runs of frames without a gap, as (first, after the last, seconds from position to time)."""
    shifts = _shifts(spans)
    runs: list[tuple[int, int, float]] = []
    first = 0
    for number in range(1, len(spans) + 1):
        if number == len(spans) or abs(shifts[number] - shifts[first]) > _JITTER:
            runs.append((first, number, float(shifts[first])))
            first = number
    return runs


def _shifts(spans: list[Span]) -> np.ndarray:
    """Return by how many seconds each frame lies later than its position, without what only wobbles."""
    shifts = np.array([np.nan if span.time is None else span.time - span.position for span in spans])
    known = np.flatnonzero(~np.isnan(shifts))
    if not len(known):
        return np.zeros(len(spans))
    before = np.searchsorted(known, np.arange(len(shifts)), side="right") - 1
    shifts = shifts[known[np.maximum(before, 0)]]  # a frame without a timestamp follows the one before it
    padded = np.pad(shifts, NEIGHBOURS, mode="edge")
    return np.asarray(np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * NEIGHBOURS + 1), axis=1))


def _end(span: Span) -> float:
    return span.position + span.seconds
