"""Whether an embedding learns: how near positives are, how far everything else spreads, and whether it is alive."""

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
    """Cosines of queries with their positives, (N,), and with keys or queries of other sources, (M,): a sample."""

    positive: Tensor
    negative: Tensor


@torch.no_grad()
def embedding_diagnostics(queries: Tensor, positives: Tensor, similarities: Similarities) -> dict[str, float]:
    """Figures of a batch of embeddings; empty where there are fewer than two.

    Args:
        queries: (N, dim) unit rows.
        positives: (N, dim) unit rows, the positive of each query.
        similarities: of these, see `sample_similarities`.

    Returns:
        ``alignment``, ``uniformity``, ``embedding_std`` and ``embedding_rank`` (see the functions here), and quantiles
        of the similarities: ``positive_p05``, ``_p50``, ``_p95``, and ``negative_…`` where there are negatives.
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
    """Mean squared distance between a query and its positive (Wang & Isola 2020, §4.1, α = 2): 0 is best, 2 is chance.

    Shape: unit rows (N, dim) twice → ().
    """
    return (queries.float() - positives.float()).square().sum(dim=1).mean()


def uniformity(rows: Tensor) -> Tensor:
    """log of the mean of exp(−2 × squared distance) over pairs of rows (Wang & Isola 2020, §4.1, t = 2).

    0 where all rows are one point; about −4 + 8 / dim for rows spread evenly over the sphere.

    Shape: unit rows (N, dim) → (); of more than 1,024 an even choice.
    """
    rows = _choose_evenly(rows.float(), _MAX_ROWS)
    return torch.pdist(rows).square().mul(-2).exp().mean().log()


def standard_deviation(rows: Tensor) -> Tensor:
    """Mean standard deviation of a coordinate × √dim: near 1 where unit rows fill the sphere, 0 where all are one.

    Chen & He 2021, §4.1 look at the same figure without the √dim. Shape: unit rows (N, dim) → ().
    """
    return rows.float().std(dim=0).mean() * math.sqrt(rows.shape[1])


def effective_rank(rows: Tensor) -> Tensor:
    """exp of the entropy of the singular values (RankMe, Garrido et al. 2023, §3): between 1 and min(N, dim).

    Shape: (N, dim) → (); of more than 1,024 rows an even choice.
    """
    singular = torch.linalg.svdvals(_choose_evenly(rows.float(), _MAX_ROWS))
    share = singular / singular.sum().clamp_min(1e-12)
    return torch.exp(-(share * share.clamp_min(1e-12).log()).sum())


@torch.no_grad()
def sample_similarities(
    queries: Tensor, positives: Tensor, sources: Tensor, keys: Tensor, key_sources: Tensor
) -> Similarities:
    """Positive and negative similarities of a batch, at most some 130,000 of the latter.

    Args:
        queries, positives: (N, dim) unit rows.
        sources: (N,) int64, of the queries.
        keys: (K, dim) unit rows to compare with; where there are none, the queries themselves serve.
        key_sources: (K,) int64. What shares a query's source is no negative of it.
    """
    if len(keys) == 0:
        keys, key_sources = queries, sources
    max_keys = max(1, _MAX_SIMILARITIES // max(1, len(queries)))
    keys, key_sources = _choose_evenly(keys, max_keys), _choose_evenly(key_sources, max_keys)
    similarity = queries.float() @ keys.float().T
    return Similarities((queries.float() * positives.float()).sum(dim=1), similarity[sources[:, None] != key_sources])


def similarity_histogram(similarities: Tensor) -> list[int]:
    """How many similarities fall into each of `BINS` equal bins over -1 … 1; rounding beyond counts at the ends."""
    return torch.histc(similarities.float().clamp(-1, 1).cpu(), bins=BINS, min=-1, max=1).long().tolist()


def queue_age(filled: int, keys_per_step: int) -> float:
    """Steps since the oldest of ``filled`` keys was pushed: by so much its encoder is out of date."""
    return filled / keys_per_step


def collapse(rows: Sequence[dict[str, Any]]) -> str | None:
    """A sentence about the collapse that the latest rows of metrics show, or None.

    A single low figure is no collapse, nor is a network's first look at its pictures: the last three rows have to
    agree, and the first row does not count.

    Args:
        rows: of ``metrics.jsonl``, from the first on.
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
