"""Channels become one without a loss that can be heard."""

import numpy as np
import pytest

from framegate.media.decoding.audio.mix import mix_down

RATE = 16_000


def tone(hertz: float = 440, seconds: float = 1, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(np.arange(round(seconds * RATE)) * 2 * np.pi * hertz / RATE)).astype(np.float32)


def mixed(*channels: np.ndarray) -> np.ndarray:
    return mix_down(np.stack(channels, axis=1).astype(np.float32), rate=RATE).samples


def level(samples: np.ndarray) -> float:
    return float(np.sqrt((samples.astype(float) ** 2).mean()) * np.sqrt(2))


def test_one_channel_and_equal_channels_stay_as_they_are() -> None:
    assert np.array_equal(mixed(tone()), tone())
    assert mixed(tone(), tone()) == pytest.approx(tone(), abs=1e-6)


@pytest.mark.parametrize("count", [2, 6, 8, 16])
def test_a_voice_in_one_of_many_channels_keeps_its_level(count: int) -> None:
    for place in (0, count // 2, count - 1):
        channels = np.zeros((RATE, count), np.float32)
        channels[:, place] = tone()
        assert np.abs(mix_down(channels, rate=RATE).samples - tone()).max() < 1e-3


def test_a_loud_voice_among_quiet_channels_stays_as_loud() -> None:
    others = [tone(300 + 100 * number, level=0.01) for number in range(5)]
    assert level(mixed(tone(), *others)) == pytest.approx(0.5, rel=0.02)


@pytest.mark.parametrize("other", [-1.0, -0.9, -0.5])
def test_channels_in_opposite_phase_do_not_cancel(other: float) -> None:
    mono = mix_down(np.stack([tone(), other * tone()], axis=1), rate=RATE)
    assert level(mono.samples) == pytest.approx(0.5, rel=0.02)
    assert mono.cancelled == pytest.approx(1.0)


def test_opposite_phase_for_a_while_is_kept_and_does_not_click() -> None:
    left, sign = tone(seconds=6), np.repeat([1.0, -1.0, 1.0], 2 * RATE)
    mono = mix_down(np.stack([left, sign * left], axis=1), rate=RATE)
    assert mono.cancelled == pytest.approx(2.0, abs=0.5)
    assert all(level(mono.samples[second * RATE : (second + 1) * RATE]) > 0.45 for second in range(6))
    assert np.abs(np.diff(mono.samples)).max() < 1.05 * np.abs(np.diff(left)).max()


def test_near_opposite_channels_with_equal_power_do_not_swap_places() -> None:
    noise = np.random.default_rng(0).normal(0, 0.005, (2, 4 * RATE))
    left, right = tone(seconds=4) + noise[0], -tone(seconds=4) + noise[1]
    blocks = mixed(left, right).reshape(-1, RATE // 8)
    assert min(map(level, blocks)) > 0.45


def test_different_sounds_in_two_channels_are_both_heard_at_the_level_of_one() -> None:
    mono = mixed(tone(440), tone(1000))
    spectrum = np.abs(np.fft.rfft(mono[:RATE]))
    assert sorted(np.argsort(spectrum)[-2:].tolist()) == [440, 1000]
    assert level(mono) == pytest.approx(0.5, rel=0.02)


def test_a_constant_offset_is_no_sound() -> None:
    mono = mixed(np.full(RATE, 0.5), tone(), -tone())
    assert np.abs(np.fft.rfft(mono - mono.mean())).argmax() == 440


def test_nothing_clips_and_what_is_too_loud_is_turned_down() -> None:
    loud = mixed(tone(440, level=1.0), tone(1000, level=1.0))
    assert np.abs(loud).max() <= 1
    integers = mixed(tone(level=20_000.0))  # integers that a file calls floating-point samples
    assert 0.9 < np.abs(integers).max() <= 1.0001


def test_silence_nonsense_and_nothing_stay_silent() -> None:
    assert not mixed(np.zeros(RATE), np.zeros(RATE)).any()
    assert not mix_down(np.full((RATE, 2), np.nan, np.float32), rate=RATE).samples.any()
    assert not mix_down(np.full((RATE, 2), np.inf, np.float32), rate=RATE).samples.any()
    assert mix_down(np.zeros((0, 2), np.float32), rate=RATE).samples.shape == (0,)
    assert mix_down(np.zeros((1, 2), np.float32), rate=RATE).samples.shape == (1,)


def test_sound_that_sets_in_after_silence_has_its_level_at_once() -> None:
    left = np.concatenate([np.zeros(2 * RATE), tone()]).astype(np.float32)
    mono = mixed(left, np.zeros(3 * RATE))
    assert level(mono[2 * RATE : 2 * RATE + RATE // 8]) == pytest.approx(0.5, rel=0.03)
