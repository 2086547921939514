"""Batch normalisation that sees real rows only."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class MaskedBatchNorm(nn.Module):
    """BatchNorm over the last axis, with statistics from the real rows alone, so that padding changes nothing.

    A training batch with fewer than two real rows has no variance: it is normalised by the running statistics.

    Shape: ``x`` (..., C), ``mask`` (...) bool, True where real -> (..., C), 0 where not.
    """

    def __init__(self, channels: int, *, affine: bool = True) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels, affine=affine)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Normalise the real rows of ``x``."""
        if self.training and int(mask.sum()) >= 2:
            rows = self.norm(x[mask])
            return torch.zeros(x.shape, dtype=rows.dtype, device=x.device).masked_scatter(mask.unsqueeze(-1), rows)
        norm = self.norm
        rows = F.batch_norm(x.flatten(0, -2), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)
        return rows.view(x.shape) * mask.unsqueeze(-1)
