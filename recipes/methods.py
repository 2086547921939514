"""The method that a pretraining recipe names."""

import torch

from framegate.recipes.pretrain_config import PretrainConfig
from framegate.ssl.backbone import Backbone
from framegate.ssl.method import Method
from framegate.ssl.moco import MoCo
from framegate.ssl.moco_v3 import MoCoV3
from framegate.ssl.simclr import SimCLR


def make_method(config: PretrainConfig, *, programmes: int) -> Method:
    """The method, with a fresh backbone in it.

    Args:
        config: the recipe.
        programmes: how many programmes the store has.
    """
    backbone = Backbone(config.backbone.name, weights=config.backbone.weights, image_size=config.backbone.image_size)
    method = _around(backbone, config)
    if config.compute.channels_last:
        method.to(memory_format=torch.channels_last)
    if config.compute.compile:
        # Networks alone: what changes from step to step around them would be compiled again and again.
        for module in method.modules():
            if isinstance(module, Backbone):
                module.compile()
    return method


def _around(backbone: Backbone, config: PretrainConfig) -> Method:
    chosen = config.method
    match chosen.name:
        case "moco_v2":
            return MoCo(
                backbone,
                dim=chosen.dim,
                temperature=chosen.temperature,
                queue=chosen.queue,
                symmetric=chosen.symmetric,
                batch_norm=chosen.batch_norm,
            )
        case "moco_v3":
            return MoCoV3(
                backbone,
                dim=chosen.dim,
                hidden=chosen.hidden,
                temperature=chosen.temperature,
                symmetric=chosen.symmetric,
                batch_norm=chosen.batch_norm,
                freeze_patches=chosen.freeze_patches,
            )
        case "simclr":
            return SimCLR(backbone, dim=chosen.dim, temperature=chosen.temperature, batch_norm=chosen.batch_norm)
        case "programme":
            raise ValueError("programme")
