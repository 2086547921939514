"""The contrastive loss that every method here shares."""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from framegate.ssl.modules.key_queue import EMPTY

CHUNK = 4096  # keys whose similarities are in memory, and on a CPU in its cache, at a time


class Rows(NamedTuple):
    """Unit rows (N, dim) and the source (N,) int64 that each is of, -1 for empty slots of a queue."""

    vectors: Tensor
    sources: Tensor


def info_nce(query: Rows, key: Tensor, batch: Rows, queue: Rows | None = None, *, temperature: float) -> Tensor:
    """InfoNCE (van den Oord et al. 2018; He et al. 2020, eq. 1) with other sources' rows as negatives.

    Rows of a query's own source are left out of its negatives: two frames of one video are positives in all but name,
    and with 30 frames a video and a queue of 65,536 about six of a query's negatives would be of its own video.

    Args:
        query: B of them, with gradient.
        key: (B, dim) unit rows, the positive of each query.
        batch: the batch's rows, of all processes; a gradient flows to them where they have one.
        queue: further rows, without gradient. They are never joined with the batch's: that would copy the queue.
        temperature: τ > 0.

    Returns:
        The mean over the queries, a scalar. A query without any negative contributes zero.
    """
    with torch.autocast(query.vectors.device.type, enabled=False):  # half precision is too coarse to be divided by τ
        scaled = query.vectors / temperature
        positive = (scaled * key).sum(dim=1)  # (B,)
        unlike = batch.vectors @ scaled.T  # (N, B): a column for each query
        terms = [positive[None], unlike.masked_fill_(same_source(batch.sources, query.sources), float("-inf"))]
        if queue is not None:
            terms.append(_QueueLogSumExp.apply(scaled, query.sources, *queue)[None])
        return (torch.cat(terms).logsumexp(dim=0) - positive).mean()


def same_source(negative_sources: Tensor, query_sources: Tensor) -> Tensor:
    """Which negatives to leave out: those of the query's own source, and empty slots.

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
