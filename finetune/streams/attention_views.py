"""Frames seen with their most telling part hidden, or that part alone, where the backbone is trained (WS-DAN, 2019)."""

from dataclasses import replace

import torch
from torch import Generator

from framegate.augment import attention
from framegate.finetune.data.batch import ClipBatch
from framegate.ssl.backbones.backbone import Backbone


@torch.no_grad()
def look_again(
    batch: ClipBatch, backbone: Backbone, *, drop: float = 0.0, crop: float = 0.0, generator: Generator
) -> ClipBatch:
    """Hide the part of a picture that the backbone looks at, or zoom to it, each by its chance in 0..1.

    ``batch.frames`` are pictures (B, T, 3, S, S) uint8; one further forward of all real ones together says where the
    backbone looks. A batch of features, or without frames, stays as it is.
    """
    if batch.frames is None or batch.frames_mask is None or batch.frames.dim() != 5 or not batch.frames_mask.any():
        return batch
    pictures = batch.frames[batch.frames_mask]
    training = backbone.training
    backbone.eval()  # the second look must not count in the batch norms
    maps = attention.activation_map(backbone.feature_map(pictures, least=attention.LEAST_SIDE))
    backbone.train(training)
    pictures = attention.drop(pictures, maps, generator=generator, probability=drop)
    pictures, _ = attention.crop(pictures, maps, generator=generator, probability=crop)
    frames = batch.frames.clone()
    frames[batch.frames_mask] = pictures
    return replace(batch, frames=frames)
