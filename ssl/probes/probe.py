"""Probes: what a frozen backbone's features know of classes it was never told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

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
    """One figure and all it depends on. Accuracies are 0–1; ``low`` to ``high`` is the balanced one's 95% interval.

    Args:
        protocol: how the frames were classified.
        level: of the taxonomy.
        classes: how many there were to choose from.
        k, tau: of kNN.
        shots, draws: of few-shot: clips a class, and over how many draws of them the figure is a mean.
        c: of the linear probe: the inverse penalty that did best on validation.
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
    """kNN accuracy at each level: held-out frames classified by their neighbours among training frames.

    Args:
        features: (N, dim), row by row those of ``frames``.
        frames: what is known of them.
        k: neighbours that vote.
        tau: temperature of their weights.
        queries: the held-out split; ``val`` where the figure will decide something.

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
    """Accuracy of a linear classifier at each level, its penalty chosen on the validation split.

    Args:
        features, frames: as for `knn_probe`.
        max_frames: training frames at most, evenly chosen; the optimiser sees all of them in every iteration.
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
    """Accuracy at each level after a few clips a class, a frame of each; a mean over draws.

    Features are centred on the mean of all training frames, which takes no labels. A class of fewer clips gives all it
    has.

    Args:
        features, frames: as for `knn_probe`.
        shots: clips of each class.
        draws: of these clips.
        seed: of the draws.
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
    protocol: Protocol, split: LevelSplit, frames: ProbeFrames, *predicted: np.ndarray, **settings: float | None
) -> ProbeRow:
    """The row of one or several predictions (tests,) of the split's test frames; of several the mean."""
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
        **settings,  # type: ignore[arg-type]
    )


def _memory(split: LevelSplit, frames: ProbeFrames) -> np.ndarray:
    """What needs no validation learns from all training frames, those too that the linear probe sets aside."""
    return split.train | (split.val & (frames.split == "train"))


def _draw_clips(
    classes: np.ndarray, video: np.ndarray, memory: np.ndarray, count: int, *, rng: Sequence[int]
) -> np.ndarray:
    """A random frame of each of ``count`` random clips of each class."""
    random = np.random.default_rng(rng)
    shuffled = random.permutation(np.flatnonzero(memory))
    _, first = np.unique(video[shuffled], return_index=True)  # of each clip the frame that came first
    clips = random.permutation(shuffled[first])
    return np.concatenate([clips[classes[clips] == name][:count] for name in np.unique(classes[clips])])
