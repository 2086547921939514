"""Features of a store's frames by a backbone in training, and kNN on those with labels."""

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from framegate.media import FrameStore
from framegate.media.evenly_spaced import evenly_spaced
from framegate.recipes.finetuning.labels import LabelError
from framegate.recipes.pretraining.probe_frames import probe_frames, video_levels
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.diagnostics import effective_rank, standard_deviation
from framegate.ssl.probes.features import frame_features
from framegate.ssl.probes.probe import UNKNOWN, ProbeError, knn_probe

_MAX_FRAMES = {"train": 8192, "val": 2048}
"""of a split; of more frames, evenly spaced ones are taken, so that a probe's time has a bound"""


@dataclass(frozen=True)
class FrameFeatures:
    """Frames of a store, their numbers (N,) int64, and a backbone's features of them (N, dim) float32."""

    frames: np.ndarray
    features: Tensor


class OnlineProbe:
    """Probes a backbone while it trains, always with the same frames.

    Labelled frames of the training and the validation split; in a store without labels, any of these splits; in one
    without these splits, any at all.

    Args:
        store: where they come from.
        max_frames: the largest number of frames of each split.

    Attributes:
        problem: why there is no kNN accuracy, or None.
    """

    def __init__(self, store: FrameStore, *, max_frames: dict[str, int] = _MAX_FRAMES):
        self.store = store
        self.problem: str | None = None
        split = store.videos["split"].to_numpy(zero_copy_only=False)
        try:
            levels = video_levels(store)
        except LabelError as error:
            self.problem, levels = str(error), {}
        known = np.zeros(len(split), dtype=bool)
        for classes in levels.values():
            known |= classes != UNKNOWN
        if not known.any():
            known[:] = True
        chosen = [
            _evenly(np.flatnonzero((known & (split == name))[store.video_of]), count)
            for name, count in max_frames.items()
        ]
        self.frames = np.concatenate(chosen)
        if len(self.frames) == 0:
            self.frames = _evenly(np.arange(len(store)), sum(max_frames.values()))
        self._probed = probe_frames(store, self.frames) if levels else None

    def compute_features(self, backbone: Backbone) -> FrameFeatures:
        """Compute the backbone's present features of the probe's frames."""
        features = frame_features(backbone, self.store, self.frames, image_size=backbone.image_size)
        return FrameFeatures(self.frames, features)

    def figures(self, seen: FrameFeatures) -> dict[str, float]:
        """Return ``knn_LEVEL``, the balanced accuracy on the validation split, ``feature_std`` and ``feature_rank``."""
        rows = F.normalize(seen.features, dim=1)
        found = {"feature_std": standard_deviation(rows).item(), "feature_rank": effective_rank(rows).item()}
        if self._probed is not None:
            try:
                probed = knn_probe(seen.features, self._probed, queries="val")
                found |= {f"knn_{row.level}": row.balanced_accuracy for row in probed}
            except ProbeError as error:
                self.problem, self._probed = str(error), None
        return found


def some_frames(backbone: Backbone, store: FrameStore, *, count: int = 512) -> FrameFeatures:
    """Compute features of at most ``count`` frames, evenly spaced over a store."""
    frames = _evenly(np.arange(len(store)), count)
    return FrameFeatures(frames, frame_features(backbone, store, frames, image_size=backbone.image_size))


def _evenly(frames: np.ndarray, count: int) -> np.ndarray:
    """Return at most ``count`` of ``frames``, at even distances."""
    chosen: np.ndarray = frames[evenly_spaced(len(frames), count, rounding="nearest")]
    return chosen
