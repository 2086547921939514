import math

import pytest
import torch

from framegate.finetune.streams.audio import AudioEncoder, LogMel, split_windows


def test_silence_and_full_scale_are_finite():
    pictures = LogMel(rate=16_000, mels=64)(torch.stack([torch.zeros(16_000), torch.ones(16_000)]))
    assert torch.isfinite(pictures).all()
    assert pictures[0].eq(pictures[0, 0, 0]).all()
    assert pictures[0, 0, 0] == pytest.approx(-1)


def test_a_tone_lights_the_band_of_its_pitch():
    log_mel = LogMel(rate=16_000, mels=64)
    time = torch.arange(16_000) / 16_000
    low, high = (log_mel(torch.sin(2 * math.pi * pitch * time).unsqueeze(0))[0].mean(dim=1) for pitch in (300, 3_000))
    assert low.argmax() < high.argmax()


def test_a_windows_picture_does_not_depend_on_its_neighbours():
    log_mel = LogMel(rate=16_000, mels=32)
    quiet, loud = 1e-4 * torch.randn(1, 16_000), torch.randn(1, 16_000)
    torch.testing.assert_close(log_mel(torch.cat([quiet, loud]))[:1], log_mel(quiet))


@pytest.mark.parametrize(
    ("samples", "windows"), [(1, 1), (4_000, 1), (8_000, 1), (11_000, 1), (13_000, 2), (40_000, 5)]
)
def test_windows_have_one_length(samples, windows):
    cut = split_windows(torch.ones(samples), 8_000, to_rate=8_000, seconds=1.0)
    assert cut.shape == (windows, 8_000)
    assert cut.sum() == min(samples, windows * 8_000)


def test_audio_is_resampled_and_nothing_stays_nothing():
    assert split_windows(torch.randn(44_100), 44_100, to_rate=16_000, seconds=1.0).shape == (1, 16_000)
    assert split_windows(torch.empty(0), 44_100, to_rate=16_000, seconds=1.0) is None


def test_an_encoder_sees_the_log_mels_of_waveforms():
    torch.manual_seed(0)
    encoder = AudioEncoder("test_resnet", pretrained=False, rate=16_000, mels=64).eval()
    waves = torch.randn(3, 16_000)
    out = encoder(waves)
    assert out.shape == (3, encoder.dim)
    torch.testing.assert_close(encoder.model(encoder.log_mel(waves).unsqueeze(1)), out)
