"""NeXtVLAD: a set of any number of frame features as one vector."""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from framegate.finetune.streams.gates import SqueezeExciteGate
from framegate.finetune.streams.norm import MaskedBatchNorm


class NeXtVLAD(nn.Module):
    """Split features into groups, and sum each group's residuals to soft cluster centres (Lin et al. 2018).

        ẋ = W₁x + b₁                                        (λN), cut into G groups x̃^g of λN/G
        α_g = σ(W_g ẋ + b_g) · mask                         attention of a frame over groups
        α_gk = softmax_k(BN(ẋ W))                           assignment to clusters
        y_k = Σ_{frames, g} α_g α_gk (x̃^g − c_k)            then L2 per cluster
        out = SE(BN(W_h · dropout(BN(flatten(y)))))

    Padded frames take no part, in the batch statistics neither: a longer padding changes nothing.

    Args:
        dim: N, length of a frame's feature.
        out: H, length of the result; divisible by ``reduction``.
        clusters: K.
        groups: G; λN must be divisible by it.
        expansion: λ.
        dropout: share of the descriptor dropped in training, 0..1.
        reduction: r of the squeeze-and-excite gate.

    Shape: ``x`` (B, M, N), ``mask`` (B, M) bool -> (B, H), 0 for a row without frames.
    Parameters: λN(N + G + K(G + (H + 1)/G)), and biases, batch norms and the gate.
    """

    def __init__(
        self,
        dim: int,
        out: int = 1024,
        *,
        clusters: int = 64,
        groups: int = 8,
        expansion: int = 2,
        dropout: float = 0.5,
        reduction: int = 8,
    ) -> None:
        super().__init__()
        wide = expansion * dim
        if wide % groups:
            raise ValueError(f"{wide} features (expansion × dim) cannot be cut into {groups} groups")
        self.groups, self.clusters, self.group_dim = groups, clusters, wide // groups
        self.expand = nn.Linear(dim, wide)
        self.attend = nn.Linear(wide, groups)
        self.assign = nn.Linear(wide, groups * clusters, bias=False)
        self.assign_norm = MaskedBatchNorm(groups * clusters)
        self.centres = nn.Parameter(torch.randn(clusters, self.group_dim) / self.group_dim**0.5)
        self.descriptor_norm = MaskedBatchNorm(clusters * self.group_dim)
        self.dropout = nn.Dropout(dropout)
        self.hidden = nn.Linear(clusters * self.group_dim, out, bias=False)
        self.hidden_norm = MaskedBatchNorm(out)
        self.gate = SqueezeExciteGate(out, reduction=reduction)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Aggregate the real frames of each row."""
        some = mask.any(dim=1)
        descriptor = self.descriptor_norm(self.describe(x, mask), some)
        hidden = self.hidden_norm(self.hidden(self.dropout(descriptor)), some)
        gated: Tensor = self.gate(hidden, some)
        return gated * some.unsqueeze(-1)

    def attention(self, x: Tensor, mask: Tensor) -> Tensor:
        """How much of each frame goes into the descriptor: the mean over groups of α_g, (B, M) in 0..1."""
        return torch.sigmoid(self.attend(self.expand(x))).mean(dim=-1) * mask

    def describe(self, x: Tensor, mask: Tensor) -> Tensor:
        """The VLAD descriptor (B, K · λN/G), of unit length per cluster."""
        wide = self.expand(x)
        attention = torch.sigmoid(self.attend(wide)) * mask.unsqueeze(-1)
        scores = rearrange(self.assign_norm(self.assign(wide), mask), "b m (g k) -> b (m g) k", g=self.groups)
        weight = scores.softmax(dim=-1) * rearrange(attention, "b m g -> b (m g) 1")  # α_g α_gk
        parts = rearrange(wide, "b m (g d) -> b (m g) d", g=self.groups)  # x̃^g
        residual = weight.transpose(1, 2) @ parts - weight.sum(dim=1).unsqueeze(-1) * self.centres
        descriptor: Tensor = rearrange(F.normalize(residual, dim=-1), "b k d -> b (k d)")
        return descriptor
