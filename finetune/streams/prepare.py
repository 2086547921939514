"""From decoded media to the model's inputs: pictures of one size, audio windows, token ids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase, SequenceFeatureExtractor

from framegate.augment import find_layout, mask_layout
from framegate.augment.crops import centre_square
from framegate.finetune.data.batch import ClipSample, Modality, Raw
from framegate.finetune.encoders.hub import window_features
from framegate.finetune.streams.audio import split_windows
from framegate.finetune.streams.tokenizer import encode
from framegate.media import Layout


@dataclass(frozen=True, kw_only=True)
class ClipInput:
    """One clip as decoded; what is None or empty is absent.

    Attributes:
        frames: RGB pictures, each (H, W, 3) uint8, evenly spaced over the clip.
        audio: mono samples (n,) float32 in −1..1, at ``rate`` Hz.
        text: title and description.
    """

    frames: Sequence[np.ndarray] | np.ndarray | None = None
    audio: np.ndarray | None = None
    rate: int = 16_000
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """How this model's inputs are made; saved with the model, so that training and prediction agree.

    ``image_size`` in pixels; ``mask_overlays``: hide those found in the frames; ``rate`` in Hz; ``extractor`` makes of
    audio windows what a Hugging Face encoder reads, None leaves them waveforms. None marks a modality that the model
    has no stream for: it is left out.
    """

    image_size: int | None
    mask_overlays: bool
    rate: int | None
    window_seconds: float
    tokenizer: PreTrainedTokenizerBase | None
    max_tokens: int
    extractor: SequenceFeatureExtractor | None = None

    def __call__(self, clip: ClipInput, *, labels: tuple[int, ...] = ()) -> ClipSample:
        """Return the sample of a clip; ``labels`` are nodes of the taxonomy."""
        made: dict[Modality, Tensor | None] = {
            "frames": self.pictures(clip.frames) if clip.frames is not None else None,
            "audio": self.windows(clip.audio, clip.rate) if clip.audio is not None else None,
            "text": self.tokens(clip.text),
        }
        return ClipSample(
            content={modality: Raw(values) for modality, values in made.items() if values is not None}, labels=labels
        )

    def pictures(self, frames: Iterable[np.ndarray], layout: Layout | None = None) -> Tensor | None:
        """Cut the largest centred square of each frame, (T, 3, S, S) uint8; with a layout, one frame is held at a time.

        ``layout``: of the clip's overlays, where a store knows it; None: found in these frames, if it is wanted.
        """
        if self.image_size is None:
            return None
        if self.mask_overlays:
            if layout is None:
                frames = list(frames)
                layout = _layout_of(frames)
            frames = (mask_layout(frame, layout) for frame in frames)
        squares = [centre_square(frame, self.image_size) for frame in frames]
        return torch.from_numpy(np.stack(squares)).permute(0, 3, 1, 2).contiguous() if squares else None

    def windows(self, audio: np.ndarray, rate: int) -> Tensor | None:
        """Cut audio into windows (W, samples) float32 at the model's rate, or what its extractor makes of them."""
        if self.rate is None:
            return None
        wave = torch.from_numpy(np.ascontiguousarray(audio, dtype=np.float32))
        windows = split_windows(wave, rate, to_rate=self.rate, seconds=self.window_seconds)
        if windows is None or self.extractor is None:
            return windows
        return window_features(self.extractor, windows, self.rate)

    def tokens(self, text: str) -> Tensor | None:
        """Return the token ids of ``text``, (L,) int64; None for a text of white space."""
        return None if self.tokenizer is None else encode(self.tokenizer, text, max_tokens=self.max_tokens)


def _layout_of(frames: Sequence[np.ndarray] | np.ndarray) -> Layout:
    """What overlays the frames of a clip carry; of pictures of different sizes nothing is known."""
    return find_layout(list(frames)) if len({frame.shape for frame in frames}) == 1 else Layout()
