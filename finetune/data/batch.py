"""A batch of clips: padded tensors with masks. The order of modalities is the same everywhere."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Modality = Literal["frames", "audio", "text"]
MODALITIES: tuple[Modality, ...] = ("frames", "audio", "text")


@dataclass(frozen=True, kw_only=True)
class ClipSample:
    """One clip, ready for the model; None is an absent modality.

    Attributes:
        frames: pictures (T, 3, S, S) uint8, or cached features of the backbone (T, D) float32.
        audio: audio windows (W, samples) float32 in −1..1, or their log-mels (W, mels, steps) float32; or features.
        tokens: token ids (L,) int64, or features (L, D) float32.
        labels: nodes of the taxonomy (K,) int64; empty where unknown, several for multi-label.
    """

    frames: Tensor | None = None
    audio: Tensor | None = None
    tokens: Tensor | None = None
    labels: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClipBatch:
    """B clips, each modality padded to its longest, with True in the masks where the content is real.

    A modality that no clip has is None; a clip lacks a modality where its row of the mask is all False.

    Attributes:
        frames: (B, T, 3, S, S) uint8 or (B, T, D) float32; ``frames_mask`` (B, T).
        audio: (B, W, samples), (B, W, mels, steps) or (B, W, D) float32; ``audio_mask`` (B, W).
        tokens: (B, L) int64 or (B, L, D) float32; ``tokens_mask`` (B, L).
        labels: (B, K) int64, padded with -1.
    """

    labels: Tensor
    frames: Tensor | None = None
    frames_mask: Tensor | None = None
    audio: Tensor | None = None
    audio_mask: Tensor | None = None
    tokens: Tensor | None = None
    tokens_mask: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def masks(self) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """The masks of frames, audio and text."""
        return self.frames_mask, self.audio_mask, self.tokens_mask

    @property
    def present(self) -> Tensor:
        """(B, 3) bool: which of frames, audio, text each clip has."""
        none = torch.zeros(len(self), dtype=torch.bool, device=self.labels.device)
        return torch.stack([none if mask is None else mask.any(dim=1) for mask in self.masks()], dim=1)

    def keep(self, kept: Tensor) -> Self:
        """The batch with only the modalities that are True in ``kept`` (B, 3)."""
        masks = [None if mask is None else mask & kept[:, m : m + 1] for m, mask in enumerate(self.masks())]
        return replace(self, frames_mask=masks[0], audio_mask=masks[1], tokens_mask=masks[2])

    def to(self, device: torch.device | str) -> Self:
        """The batch on ``device``."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        moved: dict[str, Any] = {name: tensor.to(device) for name, tensor in held.items() if tensor is not None}
        return replace(self, **moved)


def pad_labels(labels: Sequence[Sequence[int]]) -> Tensor:
    """The nodes that each of n clips is labelled with, (n, K) int64, padded with -1."""
    rows = [torch.tensor(nodes, dtype=torch.long) for nodes in labels]
    return pad_sequence(rows, batch_first=True, padding_value=-1)


def collate(samples: Sequence[ClipSample]) -> ClipBatch:
    """Pad samples to one batch. Absent modalities become rows without a real element."""
    frames, frames_mask = _pad([sample.frames for sample in samples])
    audio, audio_mask = _pad([sample.audio for sample in samples])
    tokens, tokens_mask = _pad([sample.tokens for sample in samples])
    return ClipBatch(
        labels=pad_labels([sample.labels for sample in samples]),
        frames=frames,
        frames_mask=frames_mask,
        audio=audio,
        audio_mask=audio_mask,
        tokens=tokens,
        tokens_mask=tokens_mask,
    )


def _pad(rows: Sequence[Tensor | None]) -> tuple[Tensor | None, Tensor | None]:
    like = next((row for row in rows if row is not None), None)
    if like is None:
        return None, None
    filled = [like[:0] if row is None else row for row in rows]
    lengths = torch.tensor([len(row) for row in filled])
    mask = torch.arange(max(int(lengths.max()), 1)) < lengths.unsqueeze(1)
    padded = pad_sequence(filled, batch_first=True)
    if not padded.shape[1]:  # present but empty everywhere: one padded element keeps the shapes
        padded = padded.new_zeros(len(rows), 1, *padded.shape[2:])
    return padded, mask
