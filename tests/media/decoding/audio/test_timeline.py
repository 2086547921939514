"""Sound lies where its timestamps put it."""

import numpy as np
import pytest

from framegate.media.decoding.audio.timeline import Laid, Span, lay_out

RATE, FRAME = 1000, 0.02


def laid(times: list[float | None], *, start: float = 0.0, end: float = 10.0, sound: np.ndarray | None = None) -> Laid:
    count = round(FRAME * RATE)
    sound = np.repeat(np.arange(1, len(times) + 1), count) if sound is None else sound
    spans = [Span(time, number * FRAME, FRAME) for number, time in enumerate(times)]
    return lay_out(sound, spans, start=start, end=end, rate=RATE)


def at(result: Laid, second: float) -> int:
    return int(result.samples[round(second * RATE) + 1])


def steady(count: int, start: float = 0.0) -> list[float | None]:
    return [start + number * FRAME for number in range(count)]


def test_a_gap_is_silence_and_what_follows_lies_at_its_time() -> None:
    result = laid([*steady(50), *steady(50, 5.0)])
    assert (at(result, 0.98), at(result, 1.0), at(result, 4.98), at(result, 5.0), at(result, 5.98)) == (
        50,
        0,
        0,
        51,
        100,
    )
    assert (result.sounding, result.end, result.dropped) == (2000, 6000, 0)


def test_a_gap_of_one_lost_frame_is_kept() -> None:
    times = steady(50)
    del times[25]
    result = laid(times)
    assert (at(result, 0.48), at(result, 0.5), at(result, 0.52)) == (25, 0, 26)


def test_a_frame_between_two_gaps_stays_between_them() -> None:
    result = laid([*steady(20), 2.0, *steady(20, 4.0)])
    assert (at(result, 1.98), at(result, 2.0), at(result, 2.02), at(result, 4.0)) == (0, 21, 0, 22)


@pytest.mark.parametrize("wobble", [0.001, 0.01, 0.021])
def test_timestamps_that_wobble_tear_nothing_apart(wobble: float) -> None:
    random = np.random.default_rng(0)
    times: list[float | None] = [
        time + random.uniform(-wobble, wobble) for time in steady(200, 1.0) if time is not None
    ]
    result = laid(times)
    sounding = np.flatnonzero(result.samples)
    assert sounding.max() - sounding.min() + 1 - len(sounding) <= 40  # at most a frame or two in four seconds
    assert len(sounding) == pytest.approx(4000, abs=40)
    assert abs(sounding.min() / RATE - 1) <= max(0.015, wobble)


def test_one_timestamp_that_is_wrong_moves_nothing() -> None:
    times = steady(50)
    times[20] = 99.0
    assert np.array_equal(laid(times).samples, laid(steady(50)).samples)


def test_a_clock_that_runs_fast_is_followed() -> None:
    times: list[float | None] = [number * FRAME * 1.01 for number in range(400)]
    result = laid(times)
    assert np.flatnonzero(result.samples == 400)[0] / RATE == pytest.approx(399 * FRAME * 1.01, abs=0.016)


def test_frames_without_timestamps_follow_one_another() -> None:
    assert np.array_equal(laid([0.0, *[None] * 49]).samples, laid(steady(50)).samples)
    assert np.array_equal(laid([*[None] * 10, *steady(40, 0.2)]).samples, laid(steady(50)).samples)
    assert laid([None] * 50).sounding == 1000


def test_sound_that_lies_over_other_sound_is_left_out_and_counted() -> None:
    result = laid([*steady(50), *steady(50, 0.5)])
    assert (at(result, 0.5), at(result, 0.98), at(result, 1.0), result.dropped) == (26, 50, 76, 500)
    assert laid([*steady(50, 5.0), *steady(50)], start=4.0).dropped == 1000


def test_only_what_lies_in_the_stretch_is_there() -> None:
    result = laid(steady(100), start=0.51, end=0.75)
    assert len(result.samples) == 240
    assert (result.samples[0], result.samples[-1]) == (26, 38)
    assert laid(steady(10), start=5.0, end=6.0).sounding == 0
    assert laid([], start=0.0, end=1.0).sounding == 0
