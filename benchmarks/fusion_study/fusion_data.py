"""The clips that `fusion.py` trains and tests on, as features that were computed before; clean, and broken."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from framegate.finetune.data.batch import MODALITIES, ClipBatch, Features, Modality
from framegate.finetune.data.corruption import NoiseBank

NOISY, SWAPPED = 1 / 6, 1 / 6  # of the hard variant's modalities, each clip's by itself
_NAMES: dict[Modality, str] = {"frames": "frames", "audio": "audio", "text": "tokens"}
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
        return {name: held.values[noise.masks[name]] for name, held in noise.content.items()}

    def take(self, rows: Tensor) -> Clips:
        return Clips(rows_of(self.whole, rows), rows_of(self.noise, rows), self.dims)


def load_data(folder: Path, backbone: str) -> dict[str, Clips]:
    """The clips of each split, with the features of the ``pretrained`` or the ``random`` frame backbone."""
    saved = load_file(folder / f"{backbone}.safetensors")
    whole, noise = (from_tensors(saved, kind) for kind in ("own", "noise"))
    frames, audio, text = (whole.content[name].values.shape[-1] for name in MODALITIES)
    dims = frames, audio, text
    everything = Clips(whole, noise, dims)
    return {
        split: everything.take((saved["split"] == number).nonzero().squeeze(1))
        for number, split in enumerate(("train", "val", "test"))
    }


def to_tensors(batch: ClipBatch, kind: str) -> dict[str, Tensor]:
    """The tensors of a batch of features, by their names in the files that :func:`load_data` reads."""
    content = {f"{kind}.{_NAMES[name]}": held.values for name, held in batch.content.items()}
    masks = {f"{kind}.{_NAMES[name]}_mask": mask for name, mask in batch.masks.items()}
    return {f"{kind}.labels": batch.labels, **content, **masks}


def from_tensors(saved: dict[str, Tensor], kind: str) -> ClipBatch:
    """The batch whose :func:`to_tensors` were saved."""
    return ClipBatch(
        labels=saved[f"{kind}.labels"],
        content={name: Features(saved[f"{kind}.{_NAMES[name]}"]) for name in MODALITIES},
        masks={name: saved[f"{kind}.{_NAMES[name]}_mask"] for name in MODALITIES},
    )


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

    def pick(name: Modality, ours: Tensor, theirs: Tensor) -> Tensor:
        taken = rows[:, MODALITIES.index(name)]
        return torch.where(taken.view(-1, *(1,) * (ours.dim() - 1)), theirs, ours)

    return replace(
        batch,
        content={
            name: Features(pick(name, held.values, other.content[name].values)) for name, held in batch.content.items()
        },
        masks={name: pick(name, mask, other.masks[name]) for name, mask in batch.masks.items()},
    )


def rows_of(batch: ClipBatch, rows: Tensor) -> ClipBatch:
    """Some clips of a batch."""
    return ClipBatch(
        labels=batch.labels[rows],
        content={name: replace(held, values=held.values[rows]) for name, held in batch.content.items()},
        masks={name: mask[rows] for name, mask in batch.masks.items()},
    )
