"""The clips that `fusion.py` trains and tests on, as features that were computed before; clean, and broken."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from framegate.finetune.data.batch import MODALITIES, ClipBatch
from framegate.finetune.data.corruption import NoiseBank

NOISY, SWAPPED = 1 / 6, 1 / 6  # of the hard variant's modalities, each clip's by itself
HARD_TRAIN, HARD_TEST = 1000, 2000  # seeds of what breaks, plus the training's own seed


@dataclass(frozen=True)
class Clips:
    """Features of some clips, and of the same number of clips whose every modality is noise."""

    whole: ClipBatch
    noise: ClipBatch
    dims: tuple[int, int, int]

    def __len__(self) -> int:
        return len(self.whole)

    @property
    def bank(self) -> NoiseBank:
        noise = self.noise
        return NoiseBank(
            frames=noise.frames[noise.frames_mask],
            audio=noise.audio[noise.audio_mask],
            tokens=noise.tokens[noise.tokens_mask],
        )

    def take(self, rows: Tensor) -> Clips:
        return Clips(rows_of(self.whole, rows), rows_of(self.noise, rows), self.dims)


def load_data(folder: Path, backbone: str) -> dict[str, Clips]:
    """The clips of each split, with the features of the ``pretrained`` or the ``random`` frame backbone."""
    saved = load_file(folder / f"{backbone}.safetensors")
    whole, noise = (
        ClipBatch(**{field.name: saved[f"{kind}.{field.name}"] for field in fields(ClipBatch)})
        for kind in ("own", "noise")
    )
    assert whole.frames is not None and whole.audio is not None and whole.tokens is not None
    dims = whole.frames.shape[-1], whole.audio.shape[-1], whole.tokens.shape[-1]
    everything = Clips(whole, noise, dims)
    return {
        split: everything.take((saved["split"] == number).nonzero().squeeze(1))
        for number, split in enumerate(("train", "val", "test"))
    }


def hard(clips: Clips, *, seed: int) -> ClipBatch:
    """The hard variant: each modality of each clip is noise or another clip's by chance, and nothing says so."""
    generator = torch.Generator().manual_seed(seed)
    others, noisy = draw_broken(clips, generator)
    return chosen(swapped(clips.whole, others, generator), clips.noise, noisy)


def draw_broken(clips: Clips, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which modalities the hard variant swaps, and which it makes noise, (B, 3) each."""
    draw = torch.rand(len(clips), len(MODALITIES), generator=generator)
    present = clips.whole.present
    return (draw < SWAPPED) & present, (draw >= SWAPPED) & (draw < SWAPPED + NOISY) & present


def swapped(batch: ClipBatch, rows: Tensor, generator: torch.Generator) -> ClipBatch:
    """The modalities at ``rows`` (B, 3) taken from another clip that has them, of any label."""
    for modality in range(len(MODALITIES)):
        having = batch.present[:, modality].nonzero().squeeze(1)
        order = having[torch.randperm(len(having), generator=generator)]
        other = torch.arange(len(batch))
        other[order] = order.roll(1)
        only = torch.zeros_like(rows)
        only[:, modality] = rows[:, modality]
        batch = chosen(batch, rows_of(batch, other), only)
    return batch


def chosen(batch: ClipBatch, other: ClipBatch, rows: Tensor) -> ClipBatch:
    """``batch`` with the modalities at ``rows`` (B, 3) of ``other``."""
    held = {}
    for modality, names in enumerate((("frames", "frames_mask"), ("audio", "audio_mask"), ("tokens", "tokens_mask"))):
        for name in names:
            ours, theirs = getattr(batch, name), getattr(other, name)
            held[name] = torch.where(rows[:, modality].view(-1, *(1,) * (ours.dim() - 1)), theirs, ours)
    return replace(batch, **held)


def rows_of(batch: ClipBatch, rows: Tensor) -> ClipBatch:
    """Some clips of a batch."""
    held = {field.name: getattr(batch, field.name) for field in fields(batch)}
    return ClipBatch(**{name: None if values is None else values[rows] for name, values in held.items()})
