"""Linear classification of features that stay as they are, by an optimiser without chance: L-BFGS."""

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
    """Multinomial logistic regression on standardised features, every class weighing the same.

    Args:
        features: (N, dim) float.
        classes: (N,) int, at least two different ones.
        c: inverse strength of the L2 penalty, as in scikit-learn.

    Returns:
        A model whose ``predict`` takes (M, dim) and gives (M,) classes.
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
    """The C under which validation frames are classified best (balanced); of equals the strongest penalty."""
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
    """The class (M,) whose mean is nearest to each query: the few-shot classifier of Wang et al. 2019 (SimpleShot).

    ``features`` and ``queries`` should be centred and of length 1, as `centred_unit` makes them.
    """
    names = np.unique(classes)
    means = np.stack([features[classes == name].mean(axis=0) for name in names])
    distances = (means**2).sum(axis=1) - 2 * queries @ means.T  # less the query's own length, the same for all
    nearest: np.ndarray = names[distances.argmin(axis=1)]
    return nearest


def centred_unit(features: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Rows less ``mean`` (dim,), scaled to length 1."""
    centred = features - mean
    unit: np.ndarray = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    return unit
