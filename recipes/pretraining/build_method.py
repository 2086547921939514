"""The method that a pretraining recipe names."""

import torch

from framegate.media import MediaError
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.methods.method import Method
from framegate.ssl.modules.teacher import Teacher


def make_method(config: PretrainConfig, *, programmes: int) -> Method:
    """Build the method that the recipe names around a fresh backbone.

    Args:
        config: the recipe.
        programmes: how many programmes the store has.

    Raises:
        MediaError: the store has nothing that the method can learn from, such as several programmes to tell apart.
    """
    backbone = Backbone(config.backbone.name, weights=config.backbone.weights, image_size=config.backbone.image_size)
    try:
        method = config.method.build(backbone, programmes=programmes)
    except MediaError as error:
        raise MediaError(f"{config.data.store}: {error}") from error
    if config.compute.channels_last:
        method.to(memory_format=torch.channels_last)
    if config.compute.compile:
        # Networks alone: what changes from step to step around them would be compiled again and again.
        for module in method.modules():
            if isinstance(module, Backbone | Teacher):
                module.compile()
    return method
