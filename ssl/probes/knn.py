"""Weighted k-nearest-neighbour classification, which measures features without training."""

import torch
import torch.nn.functional as F
from torch import Tensor


def knn_predict(
    memory: Tensor, labels: Tensor, queries: Tensor, *, k: int = 20, temperature: float = 0.1, chunk: int = 1024
) -> Tensor:
    """Classify each query by a vote of its ``k`` nearest rows of ``memory``, with weights exp(cosine / τ).

    Wu et al. 2018, §3.4.

    >>> knn_predict(torch.eye(2), torch.tensor([0, 1]), torch.tensor([[0.9, 0.1], [0.2, 0.8]]), k=1).tolist()
    [0, 1]

    Args:
        memory: (N, dim) features of known classes; any scale.
        labels: (N,) int64 classes, 0 … C−1.
        queries: (M, dim) features to classify.
        k: number of neighbours; of a smaller memory all vote.
        temperature: τ > 0.
        chunk: queries compared at a time; needs memory for N × chunk floats.

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
