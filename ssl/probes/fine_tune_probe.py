"""Fine-tuning at a small budget: measures how good a start the weights are."""

import copy
import random

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framegate.augment import plain_view
from framegate.augment.crops import cut, random_crop, whole_pixels
from framegate.media import FrameStore
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.probes.features import frame_features
from framegate.ssl.probes.probe import ProbeRow, probe_row
from framegate.ssl.probes.probe_split import ProbeFrames, level_splits


def fine_tune_probe(
    backbone: Backbone,
    store: FrameStore,
    numbers: np.ndarray,
    frames: ProbeFrames,
    *,
    steps: int,
    level: str = "leaf",
    batch_size: int = 64,
    lr: float = 3e-4,
    seed: int = 0,
) -> list[ProbeRow]:
    """Measure the accuracy on the held-out split after a few updates of the whole network with a linear head.

    A copy is trained; the backbone does not change. AdamW, cosine schedule to zero, crops of at least half the view,
    flips; all classes are drawn equally often, since the accuracy is balanced.

    Args:
        backbone: where training starts from.
        store: where frames come from.
        numbers: (N,) the number in the store of each of ``frames``.
        frames: splits, programmes, sources and classes of the frames.
        steps: optimizer updates.
        level: the level whose classes are learnt.
        batch_size: frames in an update.
        lr: learning rate of the backbone at the start; that of the head is ten times higher.
        seed: of the head's weights, the order and the views.

    Returns:
        One row; an empty list if the level cannot be measured.
    """
    splits = [split for split in level_splits(frames)[0] if split.level == level]
    if not splits:
        return []
    split = splits[0]
    device = next(backbone.parameters()).device
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the head's weights, and dropout
        tuned = copy.deepcopy(backbone).train()
        head = nn.Linear(backbone.dim, len(split.names)).to(device)
        optimizer = torch.optim.AdamW(
            [{"params": tuned.parameters(), "lr": lr}, {"params": head.parameters(), "lr": 10 * lr}], weight_decay=0.05
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        train = np.flatnonzero(split.train | (split.val & (frames.split == "train")))
        share = 1 / np.bincount(split.classes[train])[split.classes[train]]
        for step in range(steps):
            chosen = np.random.default_rng([seed, step]).choice(train, batch_size, p=share / share.sum())
            images = _views(store, numbers[chosen], backbone.image_size, seed=f"{seed}:{step}").to(device)
            classes = torch.from_numpy(split.classes[chosen]).to(device)
            torch.autograd.backward(F.cross_entropy(head(tuned(images)), classes))
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        features = frame_features(tuned, store, numbers[split.test], image_size=backbone.image_size)
    with torch.no_grad():
        predicted = head(features.to(device)).argmax(dim=1).cpu().numpy()
    return [probe_row("fine_tune", split, frames, predicted, steps=steps)]


def _views(store: FrameStore, numbers: np.ndarray, size: int, *, seed: str) -> Tensor:
    """Randomly cropped and flipped views (B, 3, S, S) uint8."""
    views = []
    for place, number in enumerate(numbers):
        rng = random.Random(f"{seed}:{place}")
        view = plain_view(store.jpeg(int(number)), size)
        crop = whole_pixels(random_crop(rng, aspect=1.0, min_scale=0.5), size, size)
        view = cut(view, crop, size)
        views.append(cv2.flip(view, 1) if rng.random() < 0.5 else view)
    return torch.from_numpy(np.stack(views)).permute(0, 3, 1, 2)
