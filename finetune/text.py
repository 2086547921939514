"""Text encoders: a small transformer trained from scratch, or any Hugging Face encoder."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedModel


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
        return self.blocks(x, src_key_padding_mask=~(mask | nothing))


class HubTextEncoder(nn.Module):
    """Any Hugging Face encoder with a ``last_hidden_state``.

    Shape: as :class:`SmallTextEncoder`, with ``dim`` the encoder's own.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.dim: int = model.config.hidden_size

    @classmethod
    def load(cls, reference: str) -> "HubTextEncoder":
        """Open a local folder or a hub name, with its weights."""
        return cls(AutoModel.from_pretrained(reference))

    @classmethod
    def build(cls, description: dict[str, Any]) -> "HubTextEncoder":
        """Build the architecture of ``description`` with random weights, to be filled from a state dict."""
        options = dict(description)
        return cls(AutoModel.from_config(AutoConfig.for_model(options.pop("model_type"), **options)))

    @property
    def description(self) -> dict[str, Any]:
        """What :meth:`build` needs."""
        config: dict[str, Any] = self.model.config.to_dict()
        return config

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """The encoder's last hidden state."""
        return self.model(input_ids=tokens, attention_mask=mask.long()).last_hidden_state


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean of the real rows: ``x`` (B, L, D), ``mask`` (B, L) bool -> (B, D), 0 where there are none."""
    weight = mask.unsqueeze(-1).to(x.dtype)
    return torch.where(mask.unsqueeze(-1), x, 0).sum(dim=1) / weight.sum(dim=1).clamp(min=1)
