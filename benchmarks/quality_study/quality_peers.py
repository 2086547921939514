"""What framegate is compared with in `ssl_quality.py`: lightly's MoCo, and training with labels."""

from __future__ import annotations

import copy
import io
import math

import numpy as np
import torch
import torch.nn.functional as F
from lightly.loss import NTXentLoss
from lightly.models.batchnorm import SplitBatchNorm
from lightly.models.modules.heads import MoCoProjectionHead
from lightly.models.utils import batch_shuffle, batch_unshuffle, deactivate_requires_grad, update_momentum
from lightly.transforms import MoCoV2Transform
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from framegate.media import FrameStore
from framegate.ssl.backbones.backbone import Backbone

BATCH, LR, WEIGHT_DECAY = 128, 0.06, 5e-4
WORKERS = 2


def train_lightly(
    store: FrameStore, *, image_size: int, epochs: int, frames_per_epoch: int, seed: int, bf16: bool
) -> Backbone:
    """MoCo wired from lightly's parts as its own CIFAR-10 benchmark wires them, around timm's ResNet-18.

    Batch norm split in 8, momentum 0.99 updated before the forward, keys shuffled, two halves of the symmetric loss
    each of which pushes its keys to the memory bank of 4096, τ 0.1, SGD, cosine stepped once an epoch.
    """
    torch.manual_seed(seed)
    backbone = Backbone("resnet18", image_size=image_size)
    encoder = _split_batch_norm(backbone.model)
    head = MoCoProjectionHead(512, 512, 128)
    slow_encoder, slow_head = copy.deepcopy(encoder), copy.deepcopy(head)
    deactivate_requires_grad(slow_encoder)
    deactivate_requires_grad(slow_head)
    criterion = NTXentLoss(temperature=0.1, memory_bank_size=(4096, 128))
    optimizer = torch.optim.SGD(
        [*encoder.parameters(), *head.parameters()], LR, momentum=0.9, weight_decay=WEIGHT_DECAY
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    transform = MoCoV2Transform(input_size=image_size, gaussian_blur=0.0)

    def half(first: Tensor, second: Tensor) -> Tensor:
        second, shuffle = batch_shuffle(second)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            query = head(encoder(first))
            with torch.no_grad():
                key = slow_head(slow_encoder(second))
        return criterion(query.float(), batch_unshuffle(key.float(), shuffle))

    for epoch in range(epochs):
        for (first, second), _ in _loader(store, transform, epoch=epoch, seed=seed, per_clip=frames_per_epoch):
            update_momentum(encoder, slow_encoder, 0.99)
            update_momentum(head, slow_head, 0.99)
            loss = 0.5 * (half(first, second) + half(second, first))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    encoder.eval()  # gathers the statistics of the eight groups
    backbone.model.load_state_dict(_whole_batch_norm(encoder.state_dict(), backbone.model))
    return backbone


def train_supervised(
    store: FrameStore, *, image_size: int, epochs: int, frames_per_epoch: int, seed: int, bf16: bool
) -> Backbone:
    """Cross-entropy on the labels, with as many pictures and the same views; the classifier is thrown away."""
    torch.manual_seed(seed)
    backbone = Backbone("resnet18", image_size=image_size)
    labels = [int(label[1:]) for label in store.videos["label"].to_pylist()]
    model = nn.Sequential(backbone.model, nn.Linear(backbone.dim, max(labels) + 1)).train()
    optimizer = torch.optim.SGD(model.parameters(), LR, momentum=0.9, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    transform = MoCoV2Transform(input_size=image_size, gaussian_blur=0.0)
    for epoch in range(epochs):
        for views, classes in _loader(store, transform, epoch=epoch, seed=seed, per_clip=frames_per_epoch):
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = model(torch.cat(views))
            loss = F.cross_entropy(logits.float(), torch.cat([classes, classes]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        schedule.step()
    return backbone


class _Frames(Dataset):
    """Frames of training clips, drawn anew each epoch, as two views and a class."""

    def __init__(self, store: FrameStore, transform: MoCoV2Transform, *, epoch: int, seed: int, per_clip: int) -> None:
        rng = np.random.default_rng([seed, epoch])
        videos = np.flatnonzero(store.videos["split"].to_numpy(zero_copy_only=False) == "train")
        ranges = [np.array(store.frame_range(int(video))) for video in videos]
        self.frames = np.concatenate([rng.permutation(frames)[:per_clip] for frames in ranges])
        self.labels = [int(label[1:]) for label in store.videos["label"].to_pylist()]
        self.store, self.transform = store, transform

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, item: int) -> tuple[list[Tensor], int]:
        frame = int(self.frames[item])
        picture = Image.open(io.BytesIO(self.store.jpeg(frame))).convert("RGB")
        return self.transform(picture), self.labels[self.store.video_of[frame]]


def _loader(store: FrameStore, transform: MoCoV2Transform, *, epoch: int, seed: int, per_clip: int) -> DataLoader:
    return DataLoader(
        _Frames(store, transform, epoch=epoch, seed=seed, per_clip=per_clip),
        batch_size=BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
    )


def _split_batch_norm(model: nn.Module, splits: int = 8) -> nn.Module:
    """A copy with lightly's split batch norm in place of every batch norm, activations as timm has them."""
    model = copy.deepcopy(model)
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent = model.get_submodule(name.rpartition(".")[0])
            split = SplitBatchNorm(module.num_features, splits, eps=module.eps, momentum=module.momentum)
            split.load_state_dict(
                {
                    key: value.repeat(splits) if key.startswith("running") else value
                    for key, value in module.state_dict().items()
                }
            )
            setattr(parent, name.rpartition(".")[2], split)
    return model.train()


def _whole_batch_norm(state: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a split network for the ordinary one: of equal statistics the first group's."""
    wanted = model.state_dict()
    return {key: state[key][: len(wanted[key])] if state[key].ndim else state[key] for key in wanted}


def query_images(clips: int, *, epochs: int, frames_per_epoch: int) -> int:
    """How many pictures go through the query encoder with a gradient: both views of every frame in whole batches."""
    return 2 * epochs * math.floor(clips * frames_per_epoch / BATCH) * BATCH
