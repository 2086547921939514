"""Balanced accuracy with a confidence interval by bootstrap over groups."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Shares of right answers, 0–1.

    Attributes:
        plain: over all rows.
        balanced: the mean over classes of the share within the class.
        low, high: bounds of the 95% interval of ``balanced``.
    """

    plain: float
    balanced: float
    low: float
    high: float


def grouped_accuracy(
    predicted: np.ndarray, true: np.ndarray, group: np.ndarray, *, resamples: int = 1000, seed: int = 0
) -> Accuracy:
    """Compute accuracy with a percentile interval (Efron 1979) over resampled groups.

    Frames of one programme are not independent: an interval over resampled frames would be too narrow.

    >>> found = grouped_accuracy(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([0, 1, 2]))
    >>> round(found.plain, 3), found.balanced
    (0.667, 0.75)

    Args:
        predicted: (N,) classes.
        true: (N,) classes, int ≥ 0.
        group: (N,) ids of independent groups, such as programmes.
        resamples: number of bootstrap samples.
        seed: of the bootstrap.

    Raises:
        ValueError: there are no rows.
    """
    if len(true) == 0:
        raise ValueError("no rows to measure accuracy on")
    _, group = np.unique(group, return_inverse=True)
    _, true_class = np.unique(true, return_inverse=True)
    right = np.zeros((group.max() + 1, true_class.max() + 1))
    total = np.zeros_like(right)
    np.add.at(right, (group, true_class), predicted == true)
    np.add.at(total, (group, true_class), 1)

    groups = len(right)
    weights = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=resamples)
    low, high = np.percentile(_balanced(weights @ right, weights @ total), [2.5, 97.5])
    balanced = _balanced(right.sum(0)[None], total.sum(0)[None])[0]
    return Accuracy(plain=float((predicted == true).mean()), balanced=float(balanced), low=float(low), high=float(high))


def _balanced(right: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Return the mean share right over the classes that have rows: (R, classes) counts → (R,)."""
    share = np.divide(right, total, out=np.zeros_like(right), where=total > 0)
    means: np.ndarray = share.sum(axis=1) / np.maximum(1, (total > 0).sum(axis=1))
    return means
