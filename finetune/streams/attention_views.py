"""Frames seen with their most telling part hidden, or that part alone, where the backbone is trained (WS-DAN, 2019)."""

import torch
from torch import Generator

from framegate.augment import attention
from framegate.finetune.data.batch import ClipBatch, Raw
from framegate.ssl.backbones.backbone import Backbone


@torch.no_grad()
def look_again(
    batch: ClipBatch, backbone: Backbone, *, drop: float = 0.0, crop: float = 0.0, generator: Generator
) -> ClipBatch:
    """Hide the part of a picture that the backbone looks at, or zoom to it, each by its chance in 0..1.

    One further forward of all real pictures together says where the backbone looks. A batch of features, or without
    frames, stays as it is.
    """
    content = batch.content.get("frames")
    if not isinstance(content, Raw) or not (mask := batch.masks["frames"]).any():
        return batch
    pictures = content.values[mask]
    training = backbone.training
    backbone.eval()  # the second look must not count in the batch norms
    maps = attention.activation_map(backbone.feature_map(pictures, least=attention.LEAST_SIDE))
    backbone.train(training)
    pictures = attention.drop(pictures, maps, generator=generator, probability=drop)
    pictures, _ = attention.crop(pictures, maps, generator=generator, probability=crop)
    frames = content.values.clone()
    frames[mask] = pictures
    return batch.with_content("frames", Raw(frames))
