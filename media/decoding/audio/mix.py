"""Mix the channels of sound into one, so that nothing that can be heard is lost.

The rule, for each quarter of a second, whatever the layout of the channels:

1. The channels' mean is taken. Where they cancel, so that less than a quarter is left of the power that the mean of
   independent channels would have, the loudest channel is taken alone.
2. The result is made as loud as the loudest channel. So a voice in one of two, six or sixteen channels keeps its level.
3. What would then exceed the full scale is turned down.

What changes from one quarter to the next changes linearly, so nothing clicks. Quiet quarters are mixed like the rest.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

_BLOCK_SECONDS = 0.25
_CANCELLED = 0.25  # share of the power of independent channels' mean
_WHOLE = 0.01  # share of all of the sound in what is measured of each block
_PREFERENCE = 2.0  # power by which another channel has to be louder than the loudest of all, to be taken instead


@dataclass(frozen=True, slots=True)
class Mono:
    """Mixed sound.

    Attributes:
        samples: (n,) float32 in −1..1.
        cancelled: seconds in which the channels cancel, so that one of them stands for all.
    """

    samples: np.ndarray
    cancelled: float = 0.0


def mix_down(channels: np.ndarray, *, rate: int) -> Mono:
    """Mix channels, (n, C) float32, of ``rate`` samples a second.

    >>> left = np.array([0.5, -0.5, 0.5, -0.5], np.float32)
    >>> mix_down(np.stack([left, -left], axis=1), rate=16).samples.tolist()
    [0.5, -0.5, 0.5, -0.5]
    """
    channels = np.nan_to_num(channels, nan=0.0, posinf=0.0, neginf=0.0)
    if not channels.size:
        return Mono(np.zeros(len(channels), np.float32))
    blocks = np.array_split(np.arange(len(channels)), max(1, round(len(channels) / rate / _BLOCK_SECONDS)))
    edges = np.array([block[0] for block in blocks] + [len(channels)])
    mono, cancelled = _mixed(channels, edges) if channels.shape[1] > 1 else (channels[:, 0], 0)
    return Mono(_limited(mono, edges), cancelled / rate)


def _mixed(channels: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the mix, not yet limited, and the number of samples in which the channels cancel."""
    count = channels.shape[1]
    covariance = _covariances(channels, edges)  # (B, C, C)
    power = np.diagonal(covariance, axis1=1, axis2=2)  # (B, C)
    mean_power = covariance.sum(axis=(1, 2)) / count**2
    lost = mean_power < _CANCELLED * power.sum(axis=1) / count**2
    preferred = np.where(np.arange(count) == power.sum(axis=0).argmax(), _PREFERENCE, 1.0)
    chosen = (power * preferred).argmax(axis=1)
    mixed_power = np.where(lost, power[np.arange(len(power)), chosen], mean_power)
    loudest = power.max(axis=1)
    gain = np.sqrt(np.divide(loudest, mixed_power, out=np.ones_like(loudest), where=mixed_power > 0))
    if not lost.any():
        return channels.mean(axis=1) * _between(gain, edges), 0
    weights = np.where(lost[:, None], np.eye(count)[chosen], 1 / count) * gain[:, None]
    mono = np.zeros(len(channels), np.float32)
    for channel, weight in zip(channels.T, weights.T, strict=True):
        mono += channel * _between(weight, edges)
    return mono, int(np.diff(edges)[lost].sum())


def _covariances(channels: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the channels' covariance in each block, (B, C, C), with a share of that of the whole."""
    scale = np.float32(max(1.0, float(np.abs(channels).max())))
    blocks = []
    for first, last in pairwise(edges):
        block = channels[first:last] / scale
        block -= block.mean(axis=0)
        blocks.append(block.T @ block / len(block))
    covariances = np.stack(blocks).astype(np.float64)
    return np.asarray(covariances + _WHOLE * covariances.mean(axis=0))


def _limited(mono: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Turn down what exceeds the full scale, and its surroundings as far as one block."""
    peaks = np.maximum.reduceat(np.abs(mono), edges[:-1])
    if peaks.max() <= 1:
        return mono
    around = np.pad(peaks, 1)
    limits = 1 / np.maximum(1, np.maximum(np.maximum(around[:-2], around[2:]), peaks))
    return np.asarray(mono * _between(limits, edges))


def _between(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return a value for each sample, (n,) float32: that of its block in the block's middle, linear in between."""
    middles = (edges[:-1] + edges[1:] - 1) / 2
    if (values == values[0]).all():
        return np.full(edges[-1], values[0], np.float32)
    return np.asarray(np.interp(np.arange(edges[-1]), middles, values), np.float32)
