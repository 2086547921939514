"""The frames that a run trains on, and batch norm statistics of them without augmentation."""

import numpy as np
import torch

from framegate.augment import plain_view
from framegate.media import FrameStore
from framegate.media.evenly_spaced import evenly_spaced
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.recalibrate import recalibrate_batch_norm

_MAX_FRAMES, _BATCH = 2048, 128


def training_frames(config: PretrainConfig, store: FrameStore) -> np.ndarray:
    """Return the numbers (N,) of the store's frames in the recipe's split."""
    split = store.videos["split"].to_numpy(zero_copy_only=False)
    chosen = np.ones(len(split), dtype=bool) if config.data.split == "all" else split == config.data.split
    return np.flatnonzero(chosen[store.video_of])


def describe_plain_frames(
    backbone: Backbone, store: FrameStore, frames: np.ndarray, *, device: torch.device | str = "cpu"
) -> None:
    """Estimate a backbone's batch norm statistics anew, on plain frames.

    In training they become those of augmented queries, with dropped and zoomed parts.

    Args:
        backbone: on ``device``; changed in place.
        store: where the frames are.
        frames: their numbers (N,); of more than 2048, evenly spaced ones are used.
        device: where the backbone is.
    """
    some = frames[evenly_spaced(len(frames), _MAX_FRAMES)]
    batches = (
        torch.from_numpy(np.stack([plain_view(store.jpeg(int(frame)), backbone.image_size) for frame in part]))
        for part in np.array_split(some, max(1, len(some) // _BATCH))
    )
    recalibrate_batch_norm(backbone, (batch.permute(0, 3, 1, 2).to(device) for batch in batches))
