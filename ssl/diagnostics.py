"""Measure whether an embedding learns: distance of positives, uniformity, standard deviation, rank and collapse."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_MAX_ROWS = 1024  # of a batch, for what takes quadratic or cubic time
_MAX_SIMILARITIES = 2**17

BINS = 80
"""of a similarity histogram, over -1 … 1"""

COLLAPSED_STD = 0.1
COLLAPSED_RANK = 2.0
_ROWS_IN_A_ROW = 3


@dataclass(frozen=True)
class Similarities:
    """A sample of cosines: of queries with their positives, (N,), and with keys or queries of other sources, (M,)."""

    positive: Tensor
    negative: Tensor


@torch.no_grad()
def embedding_diagnostics(queries: Tensor, positives: Tensor, similarities: Similarities) -> dict[str, float]:
    """Compute the diagnostics of a batch of embeddings; empty for fewer than two.

    Args:
        queries: (N, dim) unit rows.
        positives: (N, dim) unit rows, the positive of each query.
        similarities: those of the batch, from `sample_similarities`.

    Returns:
        ``alignment``, ``uniformity``, ``embedding_std`` and ``embedding_rank``, as the functions here compute them, and
        quantiles of the similarities: ``positive_p05``, ``_p50``, ``_p95``, and ``negative_…`` if there are negatives.
    """
    if len(queries) < 2:
        return {}
    return {
        "alignment": alignment(queries, positives).item(),
        "uniformity": uniformity(queries).item(),
        "embedding_std": standard_deviation(queries).item(),
        "embedding_rank": effective_rank(queries).item(),
        **_quantiles("positive", similarities.positive),
        **_quantiles("negative", similarities.negative),
    }


def alignment(queries: Tensor, positives: Tensor) -> Tensor:
    """Return the mean squared distance of queries and positives (Wang & Isola 2020, §4.1, α = 2): 0 to 4, 2 by chance.

    >>> alignment(torch.eye(2), torch.eye(2).flip(0)).item()
    2.0

    Shape: unit rows (N, dim) twice → ().
    """
    return (queries.float() - positives.float()).square().sum(dim=1).mean()


def uniformity(rows: Tensor) -> Tensor:
    """Return log of the mean of exp(−2 × squared distance) over pairs of rows (Wang & Isola 2020, §4.1, t = 2).

    It is 0 if all rows are one point, and about −4 + 8 / dim for rows that are uniform on the sphere.

    Shape: unit rows (N, dim) → (); of more than 1,024 rows, 1,024 at even distances are taken.
    """
    rows = _choose_evenly(rows.float(), _MAX_ROWS)
    return torch.pdist(rows).square().mul(-2).exp().mean().log()


def standard_deviation(rows: Tensor) -> Tensor:
    """Return the mean standard deviation of the coordinates × √dim (Chen & He 2021, §4.1, there without √dim).

    It is near 1 for unit rows that are uniform on the sphere, and 0 if all rows are one point.

    Shape: unit rows (N, dim) → ().
    """
    return rows.float().std(dim=0).mean() * math.sqrt(rows.shape[1])


def effective_rank(rows: Tensor) -> Tensor:
    """Return exp of the entropy of the singular values (RankMe, Garrido et al. 2023, §3): 1 to min(N, dim).

    >>> round(effective_rank(torch.eye(4)).item(), 3)
    4.0

    Shape: (N, dim) → (); of more than 1,024 rows, 1,024 at even distances are taken.
    """
    singular = torch.linalg.svdvals(_choose_evenly(rows.float(), _MAX_ROWS))
    share = singular / singular.sum().clamp_min(1e-12)
    return torch.exp(-(share * share.clamp_min(1e-12).log()).sum())


@torch.no_grad()
def sample_similarities(
    queries: Tensor, positives: Tensor, sources: Tensor, keys: Tensor, key_sources: Tensor
) -> Similarities:
    """Return similarities of a batch: all positive ones, and at most some 130,000 negative ones.

    Args:
        queries, positives: (N, dim) unit rows.
        sources: (N,) int64, of the queries.
        keys: (K, dim) unit rows to compare with; if there are none, the queries are compared with each other.
        key_sources: (K,) int64. Keys of the same source as a query are no negatives of it.
    """
    if len(keys) == 0:
        keys, key_sources = queries, sources
    max_keys = max(1, _MAX_SIMILARITIES // max(1, len(queries)))
    keys, key_sources = _choose_evenly(keys, max_keys), _choose_evenly(key_sources, max_keys)
    similarity = queries.float() @ keys.float().T
    return Similarities((queries.float() * positives.float()).sum(dim=1), similarity[sources[:, None] != key_sources])


def similarity_histogram(similarities: Tensor) -> list[int]:
    """Count the similarities in each of `BINS` equal bins over −1 … 1; values beyond count in the outer bins."""
    return torch.histc(similarities.float().clamp(-1, 1).cpu(), bins=BINS, min=-1, max=1).long().tolist()


def queue_age(filled: int, keys_per_step: int) -> float:
    """Return the number of steps since the oldest of ``filled`` keys was pushed.

    >>> queue_age(4096, keys_per_step=256)
    16.0
    """
    return filled / keys_per_step


def collapse(rows: Sequence[dict[str, Any]]) -> str | None:
    """Return a sentence about a collapse of the embedding in the latest rows of metrics, or None.

    The last three rows have to agree, and the first row does not count, since one low value is no collapse.

    Args:
        rows: all rows of ``metrics.jsonl``.
    """
    latest = rows[1:][-_ROWS_IN_A_ROW:]
    if len(latest) < _ROWS_IN_A_ROW or not all("embedding_std" in row for row in latest):
        return None
    row = latest[-1]
    if all(row["embedding_std"] < COLLAPSED_STD for row in latest):
        return (
            f"The embedding has collapsed to a point at step {row['step']}: nearly all frames have the same vector "
            f"(embedding_std {row['embedding_std']:.3f}; alive is above {COLLAPSED_STD})."
        )
    if all(row["embedding_rank"] < COLLAPSED_RANK for row in latest):
        return (
            f"The embedding has collapsed to a line at step {row['step']}: frames differ in one direction only "
            f"(embedding_rank {row['embedding_rank']:.1f}; alive is above {COLLAPSED_RANK:.0f})."
        )
    return None


def _quantiles(name: str, values: Tensor) -> dict[str, float]:
    if len(values) == 0:
        return {}
    levels = torch.tensor([0.05, 0.5, 0.95], device=values.device)
    found = torch.quantile(values.float(), levels).tolist()
    return {f"{name}_p{round(100 * level):02d}": value for level, value in zip(levels.tolist(), found, strict=True)}


def _choose_evenly(rows: Tensor, max_rows: int) -> Tensor:
    """Return at most ``max_rows`` rows at even distances, chosen on the device of ``rows`` without a wait for it."""
    if len(rows) <= max_rows:
        return rows
    return rows[torch.linspace(0, len(rows) - 1, max_rows, device=rows.device).round().long()]
