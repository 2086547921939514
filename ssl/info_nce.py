"""The contrastive loss that every method here shares."""

import torch
import torch.nn.functional as F
from torch import Tensor

from framegate.ssl.queue import EMPTY


def info_nce(query: Tensor, key: Tensor, negatives: Tensor, excluded: Tensor, *, temperature: float) -> Tensor:
    """InfoNCE (van den Oord et al. 2018; He et al. 2020, eq. 1), with some negatives left out per query.

    Args:
        query: (B, dim) unit rows, with gradient.
        key: (B, dim) unit rows, the positive of each query.
        negatives: (K, dim) unit rows.
        excluded: (B, K) bool, True where a negative does not count for a query.
        temperature: τ > 0.

    Returns:
        The mean over the batch, a scalar. A query without any negative contributes zero.
    """
    positive = (query * key).sum(dim=1, keepdim=True)  # (B, 1)
    negative = (query @ negatives.T).masked_fill(excluded, float("-inf"))  # (B, K)
    logits = torch.cat([positive, negative], dim=1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long, device=query.device))


def same_source(query_sources: Tensor, negative_sources: Tensor) -> Tensor:
    """Which negatives to leave out: those of the query's own source, and empty slots.

    Two frames of one video are positives in all but name; with 30 frames a video and a queue of 65,536 about six of a
    query's negatives would be of its own video.

    Shape: (B,) and (K,) int64 → (B, K) bool.
    """
    return (query_sources[:, None] == negative_sources[None, :]) | (negative_sources == EMPTY)[None, :]
