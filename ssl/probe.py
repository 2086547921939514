"""Probes: what a frozen backbone's features know of classes it was never told."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from framegate.ssl.accuracy import grouped_accuracy
from framegate.ssl.knn import knn_predict

UNKNOWN = -1


class ProbeError(ValueError):
    """Labels or splits from which nothing can be measured."""


@dataclass(frozen=True, kw_only=True)
class ProbeRow:
    """One figure and all it depends on. Accuracies are 0–1; ``low`` to ``high`` is the balanced one's 95% interval."""

    protocol: Literal["knn"]
    k: int
    tau: float
    shots: int | None
    level: str
    accuracy: float
    balanced_accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class ProbeFrames:
    """Frames to probe with.

    Shape: ``split`` (N,) str; ``programme`` (N,) str; ``levels`` maps a level's name to classes (N,) int64, -1 where
    a frame's class at that level is unknown.
    """

    split: np.ndarray
    programme: np.ndarray
    levels: Mapping[str, np.ndarray]


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
    for level, classes in frames.levels.items():
        memory = (frames.split == "train") & (classes != UNKNOWN)
        test = (frames.split == queries) & (classes != UNKNOWN)
        if not memory.any() or not test.any():
            continue
        predicted = knn_predict(
            features[memory], torch.from_numpy(classes[memory]), features[test], k=k, temperature=tau
        )
        accuracy = grouped_accuracy(predicted.numpy(), classes[test], frames.programme[test])
        rows.append(
            ProbeRow(
                protocol="knn",
                k=k,
                tau=tau,
                shots=None,
                level=level,
                accuracy=accuracy.plain,
                balanced_accuracy=accuracy.balanced,
                low=accuracy.low,
                high=accuracy.high,
            )
        )
    if not rows:
        raise ProbeError(f"no level has labelled frames in both splits, train and {queries}: label some clips of each")
    return rows
