"""Find the frames with the most similar features."""

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def nearest_of_other_sources(features: Tensor, sources: Tensor, queries: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    """Return the ``k`` rows of other sources that are most similar to each query.

    >>> rows, _ = nearest_of_other_sources(torch.eye(3), torch.tensor([0, 0, 1]), torch.tensor([0]), k=2)
    >>> rows.tolist()
    [[2, -1]]

    Args:
        features: (N, dim), any scale.
        sources: (N,) int64.
        queries: (Q,) int64, numbers of rows of ``features``.
        k: number of neighbours, at most N.

    Returns:
        Numbers of rows (Q, k) int64, the most similar first, −1 where no other row of another source is left; and
        cosines (Q, k), −inf there.
    """
    features = F.normalize(features.float(), dim=1)
    similarity = features[queries] @ features.T
    similarity.masked_fill_(sources[queries][:, None] == sources, float("-inf"))
    best, rows = similarity.topk(min(k, len(features)), dim=1)
    return rows.masked_fill(best.isinf(), -1), best


def shared_neighbours(first: Tensor, second: Tensor) -> Tensor:
    """Return which share of their neighbours two embeddings have in common, the mean over queries, 0 to 1.

    >>> shared_neighbours(torch.tensor([[4, 7], [1, 2]]), torch.tensor([[7, 9], [2, 1]])).item()
    0.75

    Shape: numbers of rows (Q, k) twice, −1 for none, as `nearest_of_other_sources` gives them → (). Queries that have
    no neighbour in ``first`` do not count.
    """
    both = (first[:, :, None] == second[:, None, :]).any(dim=2) & (first >= 0)
    counted = (first >= 0).sum(dim=1)
    shares = both.sum(dim=1) / counted.clamp_min(1)
    return shares[counted > 0].mean()
