"""Kinds of audio, synthesised: each function draws its parameters and returns one clip's waveform.

Shape: all waveforms (samples,) float64 at :data:`RATE`; before mixing they may have any level.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["AUDIO_KINDS", "RATE", "synthesise_audio"]

RATE = 16_000  # samples a second

Wave = NDArray[np.float64]

_PENTATONIC = np.array([0, 2, 4, 7, 9, 12, 14, 16])


def synthesise_audio(kind: str, *, seconds: float, rng: np.random.Generator) -> NDArray[np.int16]:
    """Synthesise a clip's audio: ``kind`` over background noise 4–24 dB below it, at a random level and brightness.

    Args:
        kind: a key of :data:`AUDIO_KINDS`.
        seconds: its length.
        rng: where all its parameters come from.

    Returns:
        (round(seconds · RATE),) int16.
    """
    t = np.arange(round(seconds * RATE)) / RATE
    wanted = AUDIO_KINDS[kind](rng, t)
    wanted = wanted / (np.sqrt(np.mean(wanted**2)) + 1e-9)
    room = _band(rng, len(t), 40, rng.uniform(500, 6000), slope=rng.uniform(0.5, 1.5))
    room = room / (np.sqrt(np.mean(room**2)) + 1e-9)
    mix = wanted + room * 10 ** (-rng.uniform(4, 24) / 20)
    mix = _microphone(rng, mix)
    mix *= rng.uniform(0.25, 0.95) / (np.abs(mix).max() + 1e-9)
    return np.round(32767 * mix).astype(np.int16)


def _microphone(rng: np.random.Generator, wave: Wave) -> Wave:
    """A random tilt of the spectrum, up to ±4 dB an octave around 1 kHz, between 80 Hz and 7 kHz."""
    spectrum = np.fft.rfft(wave)
    frequency = np.fft.rfftfreq(len(wave), 1 / RATE)
    octaves = np.log2(np.clip(frequency, 80, 7000) / 1000)
    return np.fft.irfft(spectrum * 10 ** (rng.uniform(-4, 4) * octaves / 20), len(wave))


def _band(rng: np.random.Generator, samples: int, low: float, high: float, *, slope: float = 0.0) -> Wave:
    """Noise between ``low`` and ``high`` Hz whose amplitude falls as frequency to the power ``slope``."""
    frequency = np.fft.rfftfreq(samples, 1 / RATE)
    size = len(frequency)
    shape = 1 / ((1 + (low / np.maximum(frequency, 1)) ** 4) * (1 + (frequency / high) ** 4))
    shape *= np.maximum(frequency / 1000, 0.02) ** -slope
    return np.fft.irfft(shape * (rng.standard_normal(size) + 1j * rng.standard_normal(size)), samples)


def _swell(rng: np.random.Generator, t: Wave, every: float, depth: float) -> Wave:
    """A smooth envelope around 1 that changes every ``every`` seconds, by ``depth`` at most."""
    knots = np.arange(0, t[-1] + 2 * every, every)
    return 1 + depth * np.interp(t, knots, rng.uniform(-1, 1, len(knots)))


def _place(track: Wave, at: float, wave: Wave) -> None:
    """Add ``wave`` to ``track`` from ``at`` seconds on; what runs over the end is cut."""
    start = int(at * RATE)
    end = min(len(track), start + len(wave))
    if start < end:
        track[start:end] += wave[: end - start]


def _span(seconds: float) -> Wave:
    return np.arange(int(seconds * RATE)) / RATE


def crowd(rng: np.random.Generator, t: Wave) -> Wave:
    """A stadium: many voices as mid-band noise that roars up, with clapping in time."""
    roar = _band(rng, len(t), 250, rng.uniform(1200, 2200)) * _swell(rng, t, rng.uniform(0.7, 1.5), 0.7)
    roar /= np.std(roar)
    claps = np.zeros_like(t)
    gap = rng.uniform(0.35, 0.6)
    for at in np.arange(rng.uniform(0, gap), t[-1], gap):
        burst = _span(0.06)
        _place(claps, at, rng.standard_normal(len(burst)) * np.exp(-burst / 0.012))
    return roar + rng.uniform(0.3, 1.2) * claps


def sizzle(rng: np.random.Generator, t: Wave) -> Wave:
    """Hot fat: bright noise with crackles, and now and then a clink of metal."""
    hiss = _band(rng, len(t), rng.uniform(2000, 3500), 9000) * _swell(rng, t, 0.3, 0.4)
    hiss /= np.std(hiss)
    crackle = (rng.random(len(t)) < rng.uniform(20, 60) / RATE) * rng.uniform(3, 12, len(t))
    clinks = np.zeros_like(t)
    for at in rng.uniform(0, t[-1], int(rng.integers(2, 6))):
        ring, pitch = _span(0.3), rng.uniform(2200, 4200)
        _place(clinks, at, 2 * np.sin(2 * np.pi * pitch * ring) * np.exp(-ring / 0.05))
    return hiss + crackle + clinks


def engine(rng: np.random.Generator, t: Wave) -> Wave:
    """An engine through its gears: a buzzing harmonic series that climbs and drops."""
    gear = rng.uniform(0.8, 1.8)
    climb = ((t + rng.uniform(0, gear)) / gear) % 1.0
    pitch = rng.uniform(55, 110) * (1 + rng.uniform(0.5, 1.1) * climb)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone: Wave = sum(np.sin(k * phase + rng.uniform(0, 6)) / k**0.7 for k in range(1, 14))
    return tone * _swell(rng, t, 0.5, 0.4) + 0.3 * _band(rng, len(t), 100, 1500)


def speech(rng: np.random.Generator, t: Wave) -> Wave:
    """A voice without words: a pulse train through moving formants, in syllables, with pauses between phrases."""
    pitch = rng.uniform(90, 230) * _swell(rng, t, 0.25, 0.15)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    syllables = np.arange(0, t[-1] + 0.5, rng.uniform(0.16, 0.26))
    tract = rng.uniform(0.85, 1.2)
    voice = np.zeros_like(t)
    vowels = np.array([(700, 1200, 2600), (300, 2200, 3000), (500, 900, 2500), (450, 1800, 2550), (350, 800, 2300)])
    spoken = tract * vowels[rng.integers(0, len(vowels), len(syllables))]
    formants = [np.interp(t, syllables, spoken[:, f]) for f in range(3)]
    for k in range(1, 25):
        gain = sum(np.exp(-0.5 * ((k * pitch - f) / (90 + 0.06 * f)) ** 2) / (1 + i) for i, f in enumerate(formants))
        voice += gain * np.sin(k * phase)
    loud = rng.uniform(0.4, 1.0, len(syllables)) * (rng.random(len(syllables)) > 0.15)
    within = np.interp(t, syllables, np.arange(len(syllables))) % 1.0
    envelope = loud[np.clip(np.searchsorted(syllables, t, side="right") - 1, 0, None)] * np.sin(np.pi * within) ** 0.7
    return voice * envelope


def surge(rng: np.random.Generator, t: Wave) -> Wave:
    """Wind or surf: low noise in slow swells."""
    low = _band(rng, len(t), 60, rng.uniform(300, 700), slope=0.5)
    foam = _band(rng, len(t), 800, 4000)
    tide = 0.5 + 0.5 * np.sin(2 * np.pi * (t / rng.uniform(2.0, 4.5) + rng.random()))
    return low / np.std(low) * (0.3 + tide) + rng.uniform(0.1, 0.35) * foam / np.std(foam) * tide**2


def chimes(rng: np.random.Generator, t: Wave) -> Wave:
    """A music box: a pentatonic tune on small bells."""
    tune = np.zeros_like(t)
    root, beat = rng.uniform(420, 800), rng.uniform(0.18, 0.34)
    for at in np.arange(0, t[-1], beat):
        if rng.random() < 0.85:
            pitch = root * 2 ** (rng.choice(_PENTATONIC) / 12)
            ring = _span(1.0)
            bell = sum(
                g * np.sin(2 * np.pi * pitch * r * ring) * np.exp(-ring * d) for r, g, d in ((1, 1, 4), (2.76, 0.5, 9))
            )
            _place(tune, at, bell)
    return tune


def band(rng: np.random.Generator, t: Wave) -> Wave:
    """A rock band: distorted chords over kick and snare."""
    beat, root = 60 / rng.uniform(95, 150), rng.uniform(75, 120)
    chords, drums = np.zeros_like(t), np.zeros_like(t)
    for number, at in enumerate(np.arange(0, t[-1], beat)):
        if number % 4 == 0:
            pitch = root * 2 ** (rng.choice([0, 3, 5, 7, 10]) / 12)
        held = _span(beat)
        strings = sum(np.sin(2 * np.pi * pitch * r * held) for r in (1, 1.498, 2, 3.01))
        _place(chords, at, np.tanh(4 * strings) * (0.5 + 0.5 * np.exp(-held / 0.3)))
        _place(drums, at, _kick() if number % 2 == 0 else 0.8 * _snare(rng))
        _place(drums, at + beat / 2, 0.3 * _hat(rng))
    return chords + rng.uniform(1.2, 2.2) * drums


def beat(rng: np.random.Generator, t: Wave) -> Wave:
    """Electronic dance music: a kick on every beat, hats between, a pulsing bass and a thin lead."""
    beat, root = 60 / rng.uniform(118, 140), rng.uniform(42, 62)
    track = np.zeros_like(t)
    for at in np.arange(0, t[-1], beat):
        _place(track, at, 2.2 * _kick())
        _place(track, at + beat / 2, 0.7 * _hat(rng))
        for part in (0.25, 0.5, 0.75):
            pulse = _span(beat / 5)
            _place(track, at + part * beat, 0.8 * np.sign(np.sin(2 * np.pi * root * pulse)) * np.exp(-pulse / 0.08))
        if rng.random() < 0.6:
            lead = _span(beat / 2)
            pitch = root * 8 * 2 ** (rng.choice(_PENTATONIC) / 12)
            _place(track, at + beat / 4, 0.3 * ((lead * pitch) % 1.0 - 0.5) * np.exp(-lead / 0.15))
    return track


def _kick() -> Wave:
    t = _span(0.22)
    return np.sin(2 * np.pi * (45 * t + 4.5 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.08)


def _snare(rng: np.random.Generator) -> Wave:
    t = _span(0.18)
    return (rng.standard_normal(len(t)) + np.sin(2 * np.pi * 190 * t)) * np.exp(-t / 0.05)


def _hat(rng: np.random.Generator) -> Wave:
    noise = np.diff(rng.standard_normal(int(0.06 * RATE)), prepend=0.0)
    return noise * np.exp(-np.arange(len(noise)) / RATE / 0.02)


def slides(rng: np.random.Generator, t: Wave) -> Wave:
    """Slapstick: slide whistles and springs that leap up and down in pitch."""
    track = np.zeros_like(t)
    at = rng.uniform(0, 0.3)
    while at < t[-1]:
        long = rng.uniform(0.25, 0.8)
        held = _span(long)
        low, high = rng.uniform(180, 500), rng.uniform(800, 2000)
        pitch = np.geomspace(low, high, len(held))[:: int(rng.choice([-1, 1]))]
        if rng.random() < 0.4:
            pitch = pitch * (1 + 0.25 * np.sin(2 * np.pi * rng.uniform(9, 18) * held))
        _place(track, at, np.sin(2 * np.pi * np.cumsum(pitch) / RATE) * np.sin(np.pi * held / long) ** 0.5)
        at += long + rng.uniform(0.02, 0.35)
    return track


def horns(rng: np.random.Generator, t: Wave) -> Wave:
    """A busy street: the rumble of traffic, and car horns of two reedy notes."""
    street = _band(rng, len(t), 50, 400, slope=0.5)
    track = 0.6 * street / np.std(street) * _swell(rng, t, 1.0, 0.5)
    at = rng.uniform(0, 0.6)
    while at < t[-1]:
        long, pitch = rng.uniform(0.15, 0.7), rng.uniform(330, 480)
        held = _span(long)
        reeds = sum(np.sin(2 * np.pi * pitch * r * k * held) / k for r in (1, 1.26) for k in range(1, 7))
        _place(track, at, reeds * np.minimum(1, 30 * np.minimum(held, long - held)))
        at += long + rng.uniform(0.1, 1.2)
    return track


AUDIO_KINDS: Mapping[str, Callable[[np.random.Generator, Wave], Wave]] = {
    "band": band,
    "beat": beat,
    "chimes": chimes,
    "crowd": crowd,
    "engine": engine,
    "horns": horns,
    "sizzle": sizzle,
    "slides": slides,
    "speech": speech,
    "surge": surge,
}
