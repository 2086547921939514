"""Whether an embedding is alive: figures that show collapse while there is still time."""

import torch
from torch import Tensor


@torch.no_grad()
def embedding_diagnostics(queries: Tensor, keys: Tensor) -> dict[str, Tensor]:
    """Spread and rank of a batch of embeddings.

    Args:
        queries: (B, dim) unit rows.
        keys: (K, dim) unit rows.

    Returns:
        ``embedding_std``: mean standard deviation of a query's coordinates × √dim, near 1 when rows fill the sphere and
        0 when they have collapsed to a point; ``embedding_rank``: exp of the entropy of the queries' singular values
        (Garrido et al. 2023), between 1 and dim; ``similarity``: mean cosine between a query and the keys, near 0 when
        rows are spread and 1 when collapsed.
    """
    queries, keys = queries.float(), keys.float()
    singular = torch.linalg.svdvals(queries)
    share = singular / singular.sum().clamp_min(1e-12)
    return {
        "embedding_std": queries.std(dim=0).mean() * queries.shape[1] ** 0.5,
        "embedding_rank": torch.exp(-(share * share.clamp_min(1e-12).log()).sum()),
        "similarity": queries.mean(dim=0) @ keys.mean(dim=0),
    }
