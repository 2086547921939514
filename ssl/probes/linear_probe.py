"""Linear classification of frozen features, by a deterministic optimiser (L-BFGS)."""

import warnings
from collections.abc import Sequence

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

GRID = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""values of C, the inverse strength of the penalty, that `choose_c` tries"""


def fit_linear(features: np.ndarray, classes: np.ndarray, *, c: float) -> Pipeline:
    """Fit multinomial logistic regression on standardised features, with equal weight for all classes.

    Args:
        features: (N, dim) float.
        classes: (N,) int, at least two different ones.
        c: inverse strength of the L2 penalty, as in scikit-learn.

    Returns:
        A model whose ``predict`` takes (M, dim) features and returns (M,) classes.
    """
    regression = LogisticRegression(C=c, class_weight="balanced", max_iter=200, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # with a weak penalty the last digits take for ever
        return make_pipeline(StandardScaler(), regression).fit(features, classes)


def choose_c(
    features: np.ndarray,
    classes: np.ndarray,
    val_features: np.ndarray,
    val_classes: np.ndarray,
    *,
    grid: Sequence[float] = GRID,
) -> float:
    """Return the C with the best balanced accuracy on validation features; of equal ones the strongest penalty.

    Args:
        features, classes: (N, dim) and (N,), to fit on.
        val_features, val_classes: (V, dim) and (V,), to measure on.
        grid: values of C to try, ascending.
    """
    accuracies = [
        recall_score(
            val_classes,
            fit_linear(features, classes, c=c).predict(val_features),
            labels=np.unique(val_classes),
            average="macro",
            zero_division=0,
        )
        for c in grid
    ]
    return grid[int(np.argmax(accuracies))]


def nearest_mean(features: np.ndarray, classes: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Classify each query by the nearest class mean: the few-shot classifier SimpleShot (Wang et al. 2019).

    >>> nearest_mean(np.eye(2), np.array([3, 5]), np.array([[0.9, 0.1]])).tolist()
    [3]

    Args:
        features: (N, dim), centred and of length 1, as from `centred_unit`.
        classes: (N,) int.
        queries: (M, dim), likewise.

    Returns:
        (M,) classes.
    """
    names = np.unique(classes)
    means = np.stack([features[classes == name].mean(axis=0) for name in names])
    distances = (means**2).sum(axis=1) - 2 * queries @ means.T  # less the query's own length, the same for all
    nearest: np.ndarray = names[distances.argmin(axis=1)]
    return nearest


def centred_unit(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Subtract ``mean`` (dim,) from rows (N, dim), and scale them to length 1.

    >>> centred_unit(np.array([[4.0, 1.0]]), np.array([1.0, 1.0])).tolist()
    [[1.0, 0.0]]
    """
    centred = features - mean
    unit: np.ndarray = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return unit
