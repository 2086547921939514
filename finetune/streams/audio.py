"""Audio as windows of log-mel pictures, and a CNN over them."""

import math
from typing import cast

import timm
import torch
import torchaudio
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import is_timm_model

MAX_KERNEL = 1 << 22
"""Numbers in the filter that resamples audio: rates that share no large divisor need one for each pair of phases."""


def split_windows(wave: Tensor, rate: int, *, to_rate: int, seconds: float) -> Tensor | None:
    """Cut audio into windows of equal length.

    Args:
        wave: mono samples (n,) float32 in −1..1.
        rate: of ``wave``, in Hz.
        to_rate: of the result, in Hz.
        seconds: length of a window; the last is filled up with silence, or left out if it is less than half full
            and not alone.

    Returns:
        (W, samples) float32, or None for no samples at all.

    Raises:
        ValueError: the rates share so small a divisor that resampling would take gigabytes.
    """
    if not len(wave):
        return None
    if kernel_size(rate, to_rate) > MAX_KERNEL:
        raise ValueError(f"sound of {rate} Hz is not resampled to {to_rate} Hz: the two share no large divisor")
    if rate != to_rate:
        wave = torchaudio.functional.resample(wave, rate, to_rate)
    length = round(seconds * to_rate)
    windows = max(1, round(len(wave) / length))
    wave = nn.functional.pad(wave, (0, max(0, windows * length - len(wave))))[: windows * length]
    return wave.view(windows, length)


def kernel_size(rate: int, to_rate: int) -> int:
    """Return about how many numbers torchaudio's resampling filter has; 1 for equal rates."""
    shared = math.gcd(rate, to_rate)
    return (rate // shared) * (to_rate // shared)


class LogMel(nn.Module):
    """Log-mel pictures of audio windows, scaled so that −100 dB..0 dB become −1..1; silence is −1, never NaN.

    Shape: (n, samples) float in −1..1 -> (n, mels, steps).
    """

    def __init__(self, *, rate: int, mels: int, hop_seconds: float = 0.04) -> None:
        super().__init__()
        hop = round(hop_seconds * rate)
        with torch.device("cpu"):  # torchaudio looks at the filters' values, which a network on `meta` has not
            self.mel = torchaudio.transforms.MelSpectrogram(
                rate, n_fft=1 << (2 * hop - 1).bit_length(), hop_length=hop, n_mels=mels
            )
        # No top_db: it would clip a window by the loudest of its batch.
        self.decibel = torchaudio.transforms.AmplitudeToDB("power", top_db=None)

    def forward(self, windows: Tensor) -> Tensor:
        """Return the pictures of the windows."""
        decibels: Tensor = self.decibel(self.mel(windows))
        return decibels / 50 + 1


class AudioEncoder(nn.Module):
    """Log-mel, then a timm CNN with one input channel.

    Shape: waveforms (n, samples) float in −1..1 -> (n, dim).

    Raises:
        ValueError: timm has no such model; a name on a hub is none.
    """

    def __init__(self, backbone: str, *, pretrained: bool, rate: int, mels: int) -> None:
        super().__init__()
        if not is_timm_model(backbone):
            raise ValueError(f"streams.audio.backbone: timm has no model '{backbone[:100]}'")
        self.log_mel = LogMel(rate=rate, mels=mels)
        self.model = timm.create_model(backbone, in_chans=1, num_classes=0, pretrained=pretrained)
        self.dim = int(cast(int, self.model.num_features))

    def forward(self, windows: Tensor) -> Tensor:
        """Return a vector for each window."""
        with torch.no_grad():
            pictures = self.log_mel(windows)
        encoded: Tensor = self.model(pictures.unsqueeze(1))
        return encoded
