"""Indices at even distances: how frames, clips and rows are thinned everywhere."""

from typing import Literal

import numpy as np


def evenly_spaced(count: int, at_most: int, *, rounding: Literal["down", "nearest"] = "down") -> np.ndarray:
    """Return indices of ``count`` items at even distances, the first and the last included.

    >>> evenly_spaced(10, 4).tolist()
    [0, 3, 6, 9]
    >>> evenly_spaced(6, 4), evenly_spaced(6, 4, rounding="nearest")
    (array([0, 1, 3, 5]), array([0, 2, 3, 5]))
    >>> evenly_spaced(3, 4).tolist()
    [0, 1, 2]

    Args:
        count: number of items.
        at_most: number of indices, where there are more items; of fewer items all are taken. 1 takes the first.
        rounding: how a place between two items becomes an index. Stores, checkpoints and reports depend on the choice
            of each caller, so neither may take the place of the other.

    Returns:
        (min(count, at_most),) int64, rising, without repetitions.
    """
    places = np.linspace(0, max(count - 1, 0), min(count, at_most))
    return (places.round() if rounding == "nearest" else places).astype(np.int64)
