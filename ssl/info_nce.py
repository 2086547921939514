"""The contrastive loss that every method here shares."""

from typing import NamedTuple

import torch
from torch import Tensor

from framegate.ssl.queue import EMPTY


class Negatives(NamedTuple):
    """Rows that queries are to be unlike, and the queries that each of them does not count for."""

    keys: Tensor
    """(K, dim) unit rows."""
    excluded: Tensor
    """(B, K) bool, True where a row is no negative of a query."""


def info_nce(query: Tensor, key: Tensor, *negatives: Negatives, temperature: float) -> Tensor:
    """InfoNCE (van den Oord et al. 2018; He et al. 2020, eq. 1), with some negatives left out per query.

    Args:
        query: (B, dim) unit rows, with gradient.
        key: (B, dim) unit rows, the positive of each query.
        negatives: any number of sets; together they are the sum in the denominator, beside the positive. They stay
            apart, for putting the batch's keys and a long queue into one tensor would copy the queue at each step.
        temperature: τ > 0.

    Returns:
        The mean over the batch, a scalar. A query without any negative contributes zero.
    """
    with torch.autocast(query.device.type, enabled=False):  # half precision is too coarse to be divided by τ
        query = query / temperature
        positive = (query * key).sum(dim=1, keepdim=True)  # (B, 1)
        unlike = [
            (query @ keys.T).masked_fill_(excluded, float("-inf")).logsumexp(dim=1, keepdim=True)
            for keys, excluded in negatives
        ]
        return (torch.cat([positive, *unlike], dim=1).logsumexp(dim=1) - positive[:, 0]).mean()


def same_source(query_sources: Tensor, negative_sources: Tensor) -> Tensor:
    """Which negatives to leave out: those of the query's own source, and empty slots.

    Two frames of one video are positives in all but name; with 30 frames a video and a queue of 65,536 about six of a
    query's negatives would be of its own video.

    Shape: (B,) and (K,) int64 → (B, K) bool.
    """
    return (query_sources[:, None] == negative_sources[None, :]) | (negative_sources == EMPTY)[None, :]
