"""Weighted k-nearest-neighbour classification: how well a backbone's features sort frames, with nothing trained."""

import torch
import torch.nn.functional as F
from torch import Tensor


def knn_predict(
    memory: Tensor, labels: Tensor, queries: Tensor, *, k: int = 20, temperature: float = 0.1, chunk: int = 1024
) -> Tensor:
    """The class that the ``k`` most similar rows of ``memory`` vote for, each with weight exp(similarity / τ).

    Wu et al. 2018, §3.4; similarities are cosines.

    Args:
        memory: (N, dim) features of known classes; any scale.
        labels: (N,) int64 classes, 0 … C−1.
        queries: (M, dim) features to classify.
        k: neighbours; of a smaller memory all vote.
        temperature: τ > 0.
        chunk: queries compared at a time, which bounds memory at N × chunk floats.

    Returns:
        (M,) int64 classes.
    """
    memory, queries = F.normalize(memory, dim=1), F.normalize(queries, dim=1)
    classes = int(labels.max()) + 1
    predictions = []
    for part in torch.split(queries, chunk):
        similarity, neighbour = (part @ memory.T).topk(min(k, len(memory)), dim=1)
        # Less the best one, weights cannot overflow; the ranking is the same.
        weight = ((similarity - similarity[:, :1]) / temperature).exp()
        votes = torch.zeros(len(part), classes, dtype=weight.dtype).scatter_add_(1, labels[neighbour], weight)
        predictions.append(votes.argmax(dim=1))
    return torch.cat(predictions)
