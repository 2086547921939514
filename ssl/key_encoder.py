"""The key encoder: a slowly following copy of the query encoder."""

import copy

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


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
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """What the encoder makes of ``images``, without gradient."""
        return self.encoder(images)

    @torch.no_grad()
    def follow(self, query_encoder: nn.Module, momentum: float) -> None:
        """θ_k ← m θ_k + (1 − m) θ_q, once per optimizer update, on float32 parameters.

        In bfloat16 a momentum of 0.999 would round to no movement at all; under autocast parameters stay float32.
        """
        torch._foreach_lerp_(list(self.encoder.parameters()), list(query_encoder.parameters()), 1 - momentum)
