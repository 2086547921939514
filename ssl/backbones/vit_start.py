"""How MoCo v3 starts a vision transformer from random weights (Chen, Xie, He 2021, §4, and the code they released)."""

import math

import torch
import torch.nn.functional as F
from timm.layers import PatchEmbed, build_sincos2d_pos_embed
from timm.models.vision_transformer import VisionTransformer, init_weights_vit_moco
from torch import nn


@torch.no_grad()
def start_vit(model: VisionTransformer) -> None:
    """Give timm's vision transformer the initial values of MoCo v3, in place of timm's own.

    - Positions: sines and cosines of row and column, not trained; zeros for the class token and others beside the grid.
    - Linear layers: Xavier's uniform values, where the matrices of query, key and value count as three; zero biases.
    - Patch projection: the same, as a matrix from a patch's numbers to the width.
    - Class token: normal values with a standard deviation of 1e-6.

    Args:
        model: of random weights; what it had is lost.
    """
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            init_weights_vit_moco(module, name)
    if isinstance(model.patch_embed, PatchEmbed):  # else its place is taken by a convolutional network
        _start_patches(model.patch_embed.proj)
    if model.cls_token is not None:
        nn.init.normal_(model.cls_token, std=1e-6)
    if model.pos_embed is not None:
        _fix_positions(model.pos_embed, model.patch_embed.grid_size)


def _start_patches(projection: nn.Conv2d) -> None:
    width, *patch = projection.weight.shape
    bound = math.sqrt(6 / (math.prod(patch) + width))
    nn.init.uniform_(projection.weight, -bound, bound)
    if projection.bias is not None:
        nn.init.zeros_(projection.bias)


def _fix_positions(positions: nn.Parameter, grid: tuple[int, int]) -> None:
    rows_and_columns = build_sincos2d_pos_embed(list(grid), dim=positions.shape[-1], interleave_sin_cos=True)
    beside_grid = positions.shape[1] - len(rows_and_columns)
    positions.copy_(F.pad(rows_and_columns, (0, 0, beside_grid, 0))[None])
    positions.requires_grad_(False)
