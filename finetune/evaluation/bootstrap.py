"""Confidence intervals for clips that come in programmes: episodes of a show are not independent."""

import numpy as np


def ratio_interval(
    numerator: np.ndarray,
    denominator: np.ndarray,
    groups: np.ndarray,
    *,
    confidence: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> tuple[float, float]:
    """The percentile interval of Σ numerator / Σ denominator, whole groups drawn with replacement.

    A mean over clips has a denominator of ones. NaN for both ends where there are fewer than two groups.

    Args:
        numerator: (n,) of each clip.
        denominator: (n,).
        groups: (n,) what is drawn together: the clips' programmes.
        confidence: share of the resamples inside, in 0..1.
        resamples: how many.
        seed: of the resampling; equal seeds and groups give equal resamples.
    """
    names, number = np.unique(groups, return_inverse=True)
    if len(names) < 2:
        return float("nan"), float("nan")
    sums = np.stack([np.bincount(number, weights=values) for values in (numerator, denominator)])  # (2, G)
    rng, even = np.random.default_rng(seed), np.full(len(names), 1 / len(names))
    above, below = np.stack([sums @ rng.multinomial(len(names), even) for _ in range(resamples)], axis=1)
    low, high = np.quantile(above[below > 0] / below[below > 0], [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
