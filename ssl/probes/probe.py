"""Probes: measure how well a frozen backbone's features tell classes apart."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from framegate.media.evenly_spaced import evenly_spaced
from framegate.ssl.probes.accuracy import grouped_accuracy
from framegate.ssl.probes.knn import knn_predict
from framegate.ssl.probes.linear_probe import centred_unit, choose_c, fit_linear, nearest_mean
from framegate.ssl.probes.probe_split import UNKNOWN, LevelSplit, ProbeError, ProbeFrames, level_splits

__all__ = ["UNKNOWN", "ProbeError", "ProbeFrames", "ProbeRow", "few_shot_probe", "knn_probe", "linear_probe"]

Protocol = Literal["knn", "linear", "few_shot", "fine_tune"]


@dataclass(frozen=True, kw_only=True)
class ProbeRow:
    """One measured accuracy and its settings.

    Accuracies are 0–1; ``low`` and ``high`` bound the 95% interval of ``balanced_accuracy``.

    Args:
        protocol: how the frames were classified.
        level: of the taxonomy.
        classes: number of classes.
        k, tau: of kNN: neighbours and temperature.
        shots, draws: of few-shot: clips a class, and random choices of them over which the accuracy is a mean.
        c: of the linear probe: the C that was best on validation.
        steps: of fine-tuning: optimizer updates.
    """

    protocol: Protocol
    level: str
    classes: int
    accuracy: float
    balanced_accuracy: float
    low: float
    high: float
    k: int | None = None
    tau: float | None = None
    shots: int | None = None
    draws: int | None = None
    c: float | None = None
    steps: int | None = None


def knn_probe(
    features: Tensor, frames: ProbeFrames, *, k: int = 20, tau: float = 0.1, queries: Literal["val", "test"] = "test"
) -> list[ProbeRow]:
    """Measure kNN accuracy at each level: held-out frames are classified by their neighbours among training frames.

    Args:
        features: (N, dim), of ``frames``, row by row.
        frames: splits, programmes, sources and classes of the frames.
        k: number of neighbours that vote.
        tau: temperature of their weights.
        queries: the held-out split; ``val`` where the result decides about the training.

    Raises:
        ProbeError: no level has labelled frames in both the training and the held-out split.
    """
    rows = []
    for split in level_splits(frames, queries=queries)[0]:
        memory = torch.from_numpy(_memory(split, frames))
        test = torch.from_numpy(split.test)
        predicted = knn_predict(
            features[memory], torch.from_numpy(split.classes)[memory], features[test], k=k, temperature=tau
        )
        rows.append(probe_row("knn", split, frames, predicted.numpy(), k=k, tau=tau))
    return rows


def linear_probe(features: Tensor, frames: ProbeFrames, *, max_frames: int = 20_000) -> list[ProbeRow]:
    """Measure the accuracy of a linear classifier at each level, with a penalty chosen on the validation split.

    Args:
        features, frames: as for `knn_probe`.
        max_frames: number of training frames; of more, this many at even distances are taken.

    Raises:
        ProbeError: as for `knn_probe`.
    """
    array, rows = features.numpy(), []
    for split in level_splits(frames)[0]:
        train, val = np.flatnonzero(split.train), split.val
        train = train[evenly_spaced(len(train), max_frames)]
        c = 0.1
        if val.any():
            c = choose_c(array[train], split.classes[train], array[val], split.classes[val])
        model = fit_linear(array[train], split.classes[train], c=c)
        rows.append(probe_row("linear", split, frames, model.predict(array[split.test]), c=c))
    return rows


def few_shot_probe(
    features: Tensor, frames: ProbeFrames, *, shots: Sequence[int] = (1, 5, 20), draws: int = 10, seed: int = 0
) -> list[ProbeRow]:
    """Measure accuracy at each level with one frame of each of a few clips a class.

    The accuracy is a mean over random choices of clips. Features are centred on the mean of all training frames, which
    needs no labels. Of a class with fewer clips, all are taken.

    Args:
        features, frames: as for `knn_probe`.
        shots: numbers of clips of each class.
        draws: random choices of clips for each of ``shots``.
        seed: of these choices.

    Raises:
        ProbeError: as for `knn_probe`.
    """
    array, rows = features.numpy(), []
    unit = centred_unit(array, array[frames.split == "train"].mean(axis=0))
    for split in level_splits(frames)[0]:
        memory = _memory(split, frames)
        for count in shots:
            predicted = []
            for draw in range(draws):
                chosen = _draw_clips(split.classes, frames.video, memory, count, rng=[seed, count, draw])
                predicted.append(nearest_mean(unit[chosen], split.classes[chosen], unit[split.test]))
            rows.append(probe_row("few_shot", split, frames, *predicted, shots=count, draws=draws))
    return rows


def probe_row(
    protocol: Protocol, split: LevelSplit, frames: ProbeFrames, *predicted: np.ndarray, **settings: Any
) -> ProbeRow:
    """Return the row of one or several predictions (test frames,) of the split's test frames; of several, the mean."""
    times = len(predicted)
    accuracy = grouped_accuracy(
        np.concatenate(predicted),
        np.tile(split.classes[split.test], times),
        np.tile(frames.programme[split.test], times),
    )
    return ProbeRow(
        protocol=protocol,
        level=split.level,
        classes=len(split.names),
        accuracy=accuracy.plain,
        balanced_accuracy=accuracy.balanced,
        low=accuracy.low,
        high=accuracy.high,
        **settings,
    )


def _memory(split: LevelSplit, frames: ProbeFrames) -> np.ndarray:
    """Return all training frames, with those that the linear probe takes for validation."""
    memory: np.ndarray = split.train | (split.val & (frames.split == "train"))
    return memory


def _draw_clips(
    classes: np.ndarray, video: np.ndarray, memory: np.ndarray, count: int, *, rng: Sequence[int]
) -> np.ndarray:
    """Draw a random frame of each of ``count`` random clips of each class."""
    random = np.random.default_rng(rng)
    shuffled = random.permutation(np.flatnonzero(memory))
    _, first = np.unique(video[shuffled], return_index=True)  # of each clip the frame that came first
    clips = random.permutation(shuffled[first])
    return np.concatenate([clips[classes[clips] == name][:count] for name in np.unique(classes[clips])])
