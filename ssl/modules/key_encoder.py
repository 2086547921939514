"""The key encoder: an exponential moving average of the query encoder."""

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from framegate.ssl.modules.gather import gather_rows, processes, rank


class KeyEncoder(nn.Module):
    """A copy of the query encoder that follows it as an exponential moving average (He et al. 2020, eq. 2).

    It has no gradient. In training its batch norms use the batch's statistics and update the key encoder's running
    statistics, which are not part of the average. Dropout and stochastic depth stay off.

    Args:
        query_encoder: the module to copy.
    """

    def __init__(self, query_encoder: nn.Module):
        super().__init__()
        self.encoder = copy.deepcopy(query_encoder).requires_grad_(False)

    def train(self, mode: bool = True) -> "KeyEncoder":
        """Set the mode of the batch norms; everything else stays in evaluation mode."""
        super().train(False)
        for module in self.encoder.modules():
            if isinstance(module, _BatchNorm):
                module.training = mode
        return self

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return the encoder's output for ``images`` (B, 3, S, S), without gradient."""
        rows: Tensor = self.encoder(images)
        return rows

    @torch.no_grad()
    def with_map(self, images: Tensor, *, least: int) -> tuple[Tensor, Tensor]:
        """Return the output and the backbone's feature map (B, C, h, w), with at least ``least`` cells a side."""
        parts: list[Any] = list(self.encoder.children())  # a Backbone and its head
        backbone, head = parts
        features, feature_map = backbone.forward_with_map(images, least=least)
        return head(features), feature_map

    @torch.no_grad()
    def follow(self, query_encoder: nn.Module, momentum: float) -> None:
        """Move towards the query encoder: θ_k ← m θ_k + (1 − m) θ_q, once per optimizer update.

        Parameters must be float32, as under autocast: in bfloat16 a step with m = 0.999 would be rounded away.
        """
        torch._foreach_lerp_(list(self.encoder.parameters()), list(query_encoder.parameters()), 1 - momentum)


@torch.no_grad()
def encode_shuffled(
    encode: Callable[[Tensor], tuple[Tensor, ...]], views: Sequence[Tensor], generator: torch.Generator | None
) -> tuple[Tensor, ...]:
    """Encode the views of all processes in random order, so that batch norm does not group keys as it groups queries.

    This is shuffled batch norm (He et al. 2020, §3.3), which also works with the groups of
    `framegate.ssl.modules.batch_norm`: a random order of all views of all processes is drawn, each process encodes its
    share of it, and the results are put back in order. So batch statistics, of a process or of a group in it, do not
    show which key belongs to which query.

    Args:
        encode: takes images; returns tensors with one row for each image.
        views: this process's share (B, 3, S, S) of each view.
        generator: draws the order; in the same state on every process. With None the order stays and each process
            encodes the images it has, which is right where statistics are those of all processes anyway.

    Returns:
        For each tensor of ``encode``, the rows of all processes (len(views) × processes × B, …), the same everywhere:
        first those of the first view, in the order of ranks.
    """
    count, everywhere = len(views), processes()
    images = len(views[0]) * count * everywhere
    if generator is None:
        order = rearrange(torch.arange(images), "(view rank b) -> (rank view b)", view=count, rank=everywhere)
        mine = torch.cat(list(views))
    else:
        order = torch.randperm(images, generator=generator)
        everything = torch.cat([gather_rows(view) for view in views])
        mine = everything[order.chunk(everywhere)[rank()].to(everything.device)]
        if views[0].is_contiguous(memory_format=torch.channels_last):
            mine = mine.contiguous(memory_format=torch.channels_last)
    back = torch.argsort(order).to(mine.device)
    return tuple(gather_rows(rows)[back] for rows in encode(mine))
