"""Gates that let a vector re-weigh its own features (Miech et al. 2017; Hu et al. 2018)."""

import torch
from torch import Tensor, nn

from framegate.finetune.streams.norm import MaskedBatchNorm


class ContextGate(nn.Module):
    """y = σ(BN(W x)) ⊙ x: each feature is let through in the context of all the others.

    Shape: ``x`` (B, F), ``mask`` (B,) bool, False for rows that hold nothing -> (B, F). F² + 2F parameters.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Linear(dim, dim, bias=False)
        self.norm = MaskedBatchNorm(dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Gate the rows of ``x``."""
        return torch.sigmoid(self.norm(self.weight(x), mask)) * x


class SqueezeExciteGate(nn.Module):
    """y = σ(W₂ ReLU(BN(W₁ x))) ⊙ x with a bottleneck of F/r: the context gate at 2F²/r weights.

    Shape: ``x`` (B, F), ``mask`` (B,) bool -> (B, F). 2F²/r + 2F/r + F parameters.
    """

    def __init__(self, dim: int, *, reduction: int = 8) -> None:
        super().__init__()
        if dim % reduction:
            raise ValueError(f"a gate of {dim} features cannot be reduced by {reduction}: it is no divisor")
        self.squeeze = nn.Linear(dim, dim // reduction, bias=False)
        self.norm = MaskedBatchNorm(dim // reduction)
        self.excite = nn.Linear(dim // reduction, dim)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Gate the rows of ``x``."""
        return torch.sigmoid(self.excite(torch.relu(self.norm(self.squeeze(x), mask)))) * x
