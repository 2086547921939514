"""A small text encoder, trained from scratch."""

import torch
from torch import Tensor, nn


class SmallTextEncoder(nn.Module):
    """Token and position embeddings, then pre-norm transformer layers: for corpora that no hub's encoder was made for.

    Shape: ``tokens`` (B, L) int64, ``mask`` (B, L) bool -> (B, L, dim). L is at most ``max_tokens``.
    """

    def __init__(
        self, vocabulary: int, *, dim: int, layers: int, heads: int, max_tokens: int, dropout: float = 0.1
    ) -> None:
        super().__init__()
        self.dim = dim
        self.words = nn.Embedding(vocabulary, dim)
        self.positions = nn.Embedding(max_tokens, dim)
        nn.init.normal_(self.positions.weight, std=0.02)
        block = nn.TransformerEncoderLayer(
            dim, heads, 2 * dim, dropout=dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, layers, norm=nn.LayerNorm(dim), enable_nested_tensor=False)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """A vector for each token in its context; those of padding mean nothing."""
        x = self.words(tokens) + self.positions.weight[: tokens.shape[1]]
        nothing = ~mask.any(dim=1, keepdim=True)  # a row to attend to nothing would be NaN
        encoded: Tensor = self.blocks(x, src_key_padding_mask=~(mask | nothing))
        return encoded


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean of the real rows: ``x`` (B, L, D), ``mask`` (B, L) bool -> (B, D), 0 where there are none."""
    weight = mask.unsqueeze(-1).to(x.dtype)
    return torch.where(mask.unsqueeze(-1), x, 0).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
