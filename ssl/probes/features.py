"""Compute a backbone's features of frames in a store."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from framegate.augment import mask_layout, plain_view
from framegate.augment.crops import centre_square
from framegate.media import FrameStore, decode_jpeg
from framegate.ssl.data.data_workers import usable_workers


class PlainFrames(Dataset[Tensor]):
    """Frames as a backbone sees them outside of training: resized, centre-cropped, raw pixels.

    Args:
        store: where frames come from.
        frames: numbers in the store.
        image_size: pixels a side, S.
        mask_overlays: hide the overlays that extraction found, see `mask_layout`.

    Shape of an item: (3, S, S) uint8.
    """

    def __init__(
        self, store: FrameStore, frames: Sequence[int] | np.ndarray, *, image_size: int, mask_overlays: bool = False
    ):
        self.store = store
        self.frames = frames
        self.image_size = image_size
        self.mask_overlays = mask_overlays

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, item: int) -> Tensor:
        number = int(self.frames[item])
        jpeg = self.store.jpeg(number)
        if self.mask_overlays:
            layout = self.store.video(int(self.store.video_of[number])).layout
            view = centre_square(mask_layout(decode_jpeg(jpeg), layout), self.image_size)
        else:
            view = plain_view(jpeg, self.image_size)
        return torch.from_numpy(view).permute(2, 0, 1)


@torch.no_grad()
def frame_features(
    backbone: nn.Module,
    store: FrameStore,
    frames: Sequence[int] | np.ndarray,
    *,
    image_size: int,
    mask_overlays: bool = False,
    batch_size: int = 128,
    workers: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Compute pooled features (len(frames), dim) float32 on the CPU, in the order of ``frames``.

    Args:
        backbone: (B, 3, S, S) uint8 → (B, dim); used in evaluation mode and left in the mode it was in.
        store: where frames come from.
        frames: numbers in the store.
        image_size: pixels a side.
        mask_overlays: hide the overlays that extraction found.
        batch_size: frames a forward.
        workers: processes that decode; 0: this one.
        on_progress: called with the number of frames done.
    """
    was_training = backbone.training
    device = next(backbone.parameters()).device
    loader = DataLoader(
        PlainFrames(store, frames, image_size=image_size, mask_overlays=mask_overlays),
        batch_size=batch_size,
        num_workers=usable_workers(workers),
        generator=torch.Generator(),  # features computed during training leave its random state unchanged
    )
    features = []
    backbone.eval()
    try:
        for images in loader:
            features.append(backbone(images.to(device)).float().cpu())
            if on_progress:
                on_progress(min(len(features) * batch_size, len(frames)))
    finally:
        backbone.train(was_training)
    return torch.cat(features)
