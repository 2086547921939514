"""The contrastive loss that every method here shares."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from framegate.ssl.modules.key_queue import EMPTY

CHUNK = 4096  # keys whose similarities are in memory, and on a CPU in its cache, at a time


class Rows(NamedTuple):
    """Unit rows (N, dim) and the source (N,) int64 of each, −1 for empty slots of a queue."""

    vectors: Tensor
    sources: Tensor


def info_nce(query: Rows, key: Tensor, batch: Rows, queue: Rows | None = None, *, temperature: float) -> Tensor:
    """Return the InfoNCE loss (van den Oord et al. 2018; He et al. 2020, eq. 1), with other sources' rows as negatives.

    Rows of the same source as a query are left out of its negatives, since two frames of one video are alike. With 30
    frames a video and a queue of 65,536 keys, about six of a query's negatives would be of the same video.

    >>> rows = Rows(torch.eye(3, 8), torch.tensor([0, 1, 2]))
    >>> loss = info_nce(rows, rows.vectors, rows, temperature=1.0)  # log(e + 2) − 1: one positive, two negatives
    >>> loss.shape, round(loss.item(), 4)
    (torch.Size([]), 0.5514)

    Args:
        query: B queries, with gradient.
        key: (B, dim) unit rows, the positive of each query.
        batch: (N, dim) rows of the batch, of all processes; with gradient, if they require it.
        queue: (K, dim) further rows, without gradient; they are not copied.
        temperature: τ > 0.

    Returns:
        The mean over the queries, a scalar. A query without negatives contributes zero.
    """
    with torch.autocast(query.vectors.device.type, enabled=False):  # half precision is too coarse to be divided by τ
        scaled = query.vectors / temperature
        positive = (scaled * key).sum(dim=1)  # (B,)
        return (log_sum_exp(Rows(scaled, query.sources), positive, batch, queue) - positive).mean()


def log_sum_exp(query: Rows, positive: Tensor, batch: Rows, queue: Rows | None) -> Tensor:
    """Return log Σ exp(query · key) over a query's own key and the rows of other sources, in ``batch`` and ``queue``.

    Args:
        query: B queries, divided by τ, with gradient.
        positive: (B,) query · own key, whatever the source.
        batch, queue: see `info_nce`.

    Shape: (B,).
    """
    unlike = batch.vectors @ query.vectors.T  # (N, B): a column for each query
    terms = [positive[None], unlike.masked_fill_(same_source(batch.sources, query.sources), float("-inf"))]
    if queue is not None:
        terms.append(_QueueLogSumExp.apply(*query, *queue)[None])
    return torch.cat(terms).logsumexp(dim=0)


def same_source(negative_sources: Tensor, query_sources: Tensor) -> Tensor:
    """Return which negatives to leave out: those of the same source as the query, and empty slots.

    >>> same_source(torch.tensor([0, 1, -1]), torch.tensor([1])).tolist()
    [[False], [True], [True]]

    Shape: (K,) and (B,) int64 → (K, B) bool.
    """
    return (negative_sources[:, None] == query_sources) | (negative_sources == EMPTY)[:, None]


class _QueueLogSumExp(Function):
    """log Σ exp(query · key) over a queue, (B,), -inf where every key is left out.

    The queue is passed once, a chunk at a time, with a running maximum (Milakov & Gimelshein 2018); the gradient, which
    is the softmax-weighted mean of the keys, is summed up on the way. Nothing of size B × K is ever held.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, query_sources: Tensor, keys: Tensor, sources: Tensor) -> Tensor:
        highest = query.new_full((len(query),), torch.finfo(query.dtype).min)
        total = torch.zeros_like(highest)
        weighted = torch.zeros_like(query)
        for chunk, chunk_sources in zip(torch.split(keys, CHUNK), torch.split(sources, CHUNK), strict=True):
            similarity = chunk @ query.T  # (chunk, B); on a CPU its transpose takes twice as long
            similarity.masked_fill_(same_source(chunk_sources, query_sources), float("-inf"))
            higher = torch.maximum(highest, similarity.amax(dim=0))
            faded = (highest - higher).exp_()
            share = similarity.sub_(higher).exp_()
            total.mul_(faded).add_(share.sum(dim=0))
            weighted.mul_(faded[:, None]).addmm_(share.T, chunk)
            highest = higher
        ctx.save_for_backward(weighted.div_(total.clamp_min(torch.finfo(total.dtype).tiny)[:, None]))
        return highest + total.log()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (weighted,) = ctx.saved_tensors
        return gradient[:, None] * weighted, None, None, None
