"""Compare two classifiers on the same clips: which of them only one gets right."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from framegate.finetune.evaluation.bootstrap import ratio_interval


@dataclass(frozen=True)
class Comparison:
    """Rows of the store's ``videos`` that only the new classifier gets right (``corrected``), or only the old.

    ``difference`` is the new top-1 accuracy less the old, with its 95% interval over programmes.
    """

    corrected: np.ndarray
    spoilt: np.ndarray
    old_top1: float
    difference: float
    low: float
    high: float

    def as_json(self, ids: list[str]) -> dict[str, Any]:
        """Return plain values, with ids in the place of rows; ``ids`` are those of the store's videos."""
        return {
            "top1": self.old_top1,
            "difference": self.difference,
            "low": self.low,
            "high": self.high,
            "corrected": [ids[row] for row in self.corrected],
            "spoilt": [ids[row] for row in self.spoilt],
        }


def compare(rows: np.ndarray, new: np.ndarray, old: np.ndarray, programmes: np.ndarray) -> Comparison:
    """Compare two classifiers' hits (n,) on the same ``rows``: 1 right, 0 wrong, NaN unknown."""
    known = ~np.isnan(new) & ~np.isnan(old)
    rows, new, old = rows[known], new[known], old[known]
    low, high = ratio_interval(new - old, np.ones(len(rows)), programmes[known])
    return Comparison(
        corrected=rows[(new == 1) & (old == 0)],
        spoilt=rows[(new == 0) & (old == 1)],
        old_top1=float(old.mean()),
        difference=float((new - old).mean()),
        low=low,
        high=high,
    )
