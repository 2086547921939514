"""The method that a pretraining recipe names."""

import torch

from framegate.media import MediaError
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.methods.method import Method
from framegate.ssl.methods.moco import MoCo
from framegate.ssl.methods.moco_v3 import MoCoV3
from framegate.ssl.methods.programme_labels import Programme, ProgrammeLoss, WithProgramme
from framegate.ssl.methods.simclr import SimCLR


def make_method(config: PretrainConfig, *, programmes: int) -> Method:
    """The method, with a fresh backbone in it.

    Args:
        config: the recipe.
        programmes: how many programmes the store has.

    Raises:
        MediaError: programmes are to be told apart, and there are none to tell.
    """
    backbone = Backbone(config.backbone.name, weights=config.backbone.weights, image_size=config.backbone.image_size)
    method = _around(backbone, config, programmes)
    if config.compute.channels_last:
        method.to(memory_format=torch.channels_last)
    if config.compute.compile:
        # Networks alone: what changes from step to step around them would be compiled again and again.
        for module in method.modules():
            if isinstance(module, Backbone):
                module.compile()
    return method


def _around(backbone: Backbone, config: PretrainConfig, programmes: int) -> Method:
    chosen = config.method
    if chosen.name == "programme":
        loss = _programme_loss(backbone, config, programmes)
        return Programme(backbone, loss, symmetric=chosen.symmetric, batch_norm=chosen.batch_norm)
    method = _contrastive(backbone, config)
    if chosen.programme.weight > 0:
        return WithProgramme(method, _programme_loss(backbone, config, programmes), weight=chosen.programme.weight)
    return method


def _contrastive(backbone: Backbone, config: PretrainConfig) -> Method:
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
                dim=_length(chosen.dim),
                hidden=chosen.hidden,
                temperature=chosen.temperature,
                symmetric=chosen.symmetric,
                batch_norm=chosen.batch_norm,
                freeze_patches=chosen.freeze_patches,
            )
        case "simclr":
            return SimCLR(
                backbone, dim=_length(chosen.dim), temperature=chosen.temperature, batch_norm=chosen.batch_norm
            )
        case _:
            raise ValueError(f"{chosen.name} is no contrastive method")


def _length(dim: int | None) -> int:
    assert dim is not None, "the recipe's check lets no other method go without"
    return dim


def _programme_loss(backbone: Backbone, config: PretrainConfig, programmes: int) -> ProgrammeLoss:
    if programmes < 2:
        raise MediaError(
            f"{config.data.store}: its clips are of {programmes} programmes; there is nothing to tell apart"
        )
    chosen = config.method
    return ProgrammeLoss(
        backbone.dim,
        programmes,
        dim=_length(chosen.dim),
        sampled=chosen.programme.sampled,
        temperature=chosen.programme_temperature,
        margin=chosen.programme.margin,
        kind=chosen.programme.kind,
    )
