"""The frames that a backbone finds most alike."""

import torch
import torch.nn.functional as F
from torch import Tensor


@torch.no_grad()
def nearest_of_other_sources(features: Tensor, sources: Tensor, queries: Tensor, *, k: int) -> tuple[Tensor, Tensor]:
    """The ``k`` most similar rows of each query that are of other sources; its own video would only show itself.

    Args:
        features: (N, dim), any scale.
        sources: (N,) int64.
        queries: (Q,) int64, rows of ``features``.
        k: neighbours; no more than rows there are.

    Returns:
        Rows (Q, k) int64, the most similar first, -1 where there are no more of other sources; and cosines (Q, k).
    """
    features = F.normalize(features.float(), dim=1)
    similarity = features[queries] @ features.T
    similarity.masked_fill_(sources[queries][:, None] == sources, float("-inf"))
    best, rows = similarity.topk(min(k, len(features)), dim=1)
    return rows.masked_fill(best.isinf(), -1), best
