"""The key encoder: a slowly following copy of the query encoder."""

import copy
from collections.abc import Callable, Sequence

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from framegate.ssl.modules.gather import gather_rows, processes, rank


class KeyEncoder(nn.Module):
    """A copy of the query encoder that follows it as an exponential moving average (He et al. 2020, eq. 2).

    It has no gradient. In training its batch norms use the batch's statistics and keep running ones of their own, which
    are never averaged; dropout and stochastic depth stay off, for a key should say all that its picture holds.

    Args:
        query_encoder: what to copy.
    """

    def __init__(self, query_encoder: nn.Module):
        super().__init__()
        self.encoder = copy.deepcopy(query_encoder).requires_grad_(False)

    def train(self, mode: bool = True) -> "KeyEncoder":
        """Batch norms as asked for, everything else as in evaluation."""
        super().train(False)
        for module in self.encoder.modules():
            if isinstance(module, _BatchNorm):
                module.training = mode
        return self

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """What the encoder makes of ``images``, without gradient."""
        return self.encoder(images)

    @torch.no_grad()
    def with_map(self, images: Tensor, *, least: int) -> tuple[Tensor, Tensor]:
        """The same, and the backbone's feature map (B, C, h, w) on the way there, at least ``least`` cells a side."""
        backbone, head = self.encoder.children()
        features, feature_map = backbone.forward_with_map(images, least=least)  # type: ignore[operator]
        return head(features), feature_map

    @torch.no_grad()
    def follow(self, query_encoder: nn.Module, momentum: float) -> None:
        """θ_k ← m θ_k + (1 − m) θ_q, once per optimizer update, on float32 parameters.

        In bfloat16 a momentum of 0.999 would round to no movement at all; under autocast parameters stay float32.
        """
        torch._foreach_lerp_(list(self.encoder.parameters()), list(query_encoder.parameters()), 1 - momentum)


@torch.no_grad()
def encode_shuffled(
    encode: Callable[[Tensor], tuple[Tensor, ...]], views: Sequence[Tensor], generator: torch.Generator | None
) -> tuple[Tensor, ...]:
    """Encode all processes' views in an order drawn anew, so that batch norm groups them otherwise than the queries.

    This is shuffled batch norm (He et al. 2020, §3.3) over the groups of `framegate.ssl.modules.batch_norm`, too: the
    order is drawn over all views of all processes, each encodes its share of it, and the results are put back in
    order. With it statistics say nothing of which key belongs to which query, whether they are of a process or of a
    group in it.

    Args:
        encode: images → some tensors with a row an image each.
        views: this process's share (B, 3, S, S) of each view.
        generator: draws the order; in the same state on every process. With None the order stays and each process
            encodes the images it has, which is right where statistics are those of all processes anyway.

    Returns:
        For each tensor that ``encode`` gives, all processes' rows (len(views) × processes × B, …), the same on each
        process: first the first view's, in the order of ranks.
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
