"""Clips as the model takes them: what each holds of each modality, one by one and padded to a batch with masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Modality = Literal["frames", "audio", "text"]
MODALITIES: tuple[Modality, ...] = ("frames", "audio", "text")
"""Their order along every axis that is over modalities: in masks, outputs, saved weights and exported files."""


@dataclass(frozen=True, slots=True)
class Raw:
    """What an encoder reads; ``values`` are (T, …) of one clip, (B, T, …) of a batch, T the number of elements.

    An element is a picture (3, S, S) uint8 for ``frames``; a window (samples,) float32 in −1..1, or what a feature
    extractor makes of it, for ``audio``; a token id, int64, for ``text``.
    """

    values: Tensor


@dataclass(frozen=True, slots=True)
class Features:
    """What an encoder made of the elements: ``values`` float32, (T, D) of one clip, (B, T, D) of a batch."""

    values: Tensor


Content = Raw | Features


@dataclass(frozen=True, kw_only=True)
class ClipSample:
    """One clip, ready for the model.

    Attributes:
        content: by modality; one that the clip lacks is left out.
        labels: nodes of the taxonomy (K,); empty where unknown, several for multi-label.
    """

    content: Mapping[Modality, Content] = field(default_factory=dict)
    labels: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClipBatch:
    """B clips, each modality padded to its longest.

    Attributes:
        labels: (B, K) int64, padded with -1.
        content: by modality, (B, T, …); one that no clip has may be left out.
        masks: for each modality of ``content``, (B, T) bool, True where an element is real. A clip lacks a modality
            where its row is all False.
    """

    labels: Tensor
    content: Mapping[Modality, Content] = field(default_factory=dict)
    masks: Mapping[Modality, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.content.keys() != self.masks.keys():
            raise ValueError(f"content of {', '.join(self.content)}, and masks of {', '.join(self.masks)}")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def present(self) -> Tensor:
        """(B, 3) bool: which modalities each clip has, in the order of `MODALITIES`."""
        none = torch.zeros(len(self), dtype=torch.bool, device=self.labels.device)
        return torch.stack([self.masks[m].any(dim=1) if m in self.masks else none for m in MODALITIES], dim=1)

    def keep(self, kept: Tensor) -> Self:
        """Return the batch with only the modalities that are True in ``kept`` (B, 3)."""
        columns = dict(zip(MODALITIES, kept.unsqueeze(-1).unbind(dim=1), strict=True))  # (B, 1) each
        return replace(self, masks={modality: mask & columns[modality] for modality, mask in self.masks.items()})

    def with_content(self, modality: Modality, content: Content) -> Self:
        """Return the batch with other content (B, T, …) for a modality that it has, under the same mask."""
        return replace(self, content={**self.content, modality: content})

    def to(self, device: torch.device | str) -> Self:
        """Return the batch on ``device``."""
        return replace(
            self,
            labels=self.labels.to(device),
            content={
                name: replace(content, values=content.values.to(device)) for name, content in self.content.items()
            },
            masks={name: mask.to(device) for name, mask in self.masks.items()},
        )


def pad_labels(labels: Sequence[Sequence[int]]) -> Tensor:
    """Return the nodes that each of n clips is labelled with as (n, K) int64, padded with -1.

    >>> pad_labels([[3], [1, 2], []]).tolist()
    [[3, -1], [1, 2], [-1, -1]]
    """
    rows = [torch.tensor(nodes, dtype=torch.long) for nodes in labels]
    return pad_sequence(rows, batch_first=True, padding_value=-1)


def collate(samples: Sequence[ClipSample]) -> ClipBatch:
    """Pad samples to one batch.

    Raises:
        ValueError: of one modality, some samples hold raw elements and others features.
    """
    content: dict[Modality, Content] = {}
    masks: dict[Modality, Tensor] = {}
    for modality in MODALITIES:
        rows = [sample.content.get(modality) for sample in samples]
        kinds = {type(row) for row in rows if row is not None}
        if len(kinds) > 1:
            raise ValueError(f"{modality}: some samples of a batch hold raw elements, and some features")
        for kind in kinds:
            values, masks[modality] = _pad([None if row is None else row.values for row in rows])
            content[modality] = kind(values)
    return ClipBatch(labels=pad_labels([sample.labels for sample in samples]), content=content, masks=masks)


def _pad(rows: Sequence[Tensor | None]) -> tuple[Tensor, Tensor]:
    """Pad rows (T_i, …), of which None is empty, to (B, T, …) with a mask (B, T); T is at least 1."""
    like = next(row for row in rows if row is not None)
    filled = [like[:0] if row is None else row for row in rows]
    lengths = torch.tensor([len(row) for row in filled])
    mask = torch.arange(max(int(lengths.max()), 1)) < lengths.unsqueeze(1)
    padded = pad_sequence(filled, batch_first=True)
    if not padded.shape[1]:  # present but empty everywhere: one padded element keeps the shapes
        padded = padded.new_zeros(len(rows), 1, *padded.shape[2:])
    return padded, mask
