"""Which clips come when, with rare classes as often as common ones: a function of (seed, epoch)."""

from dataclasses import dataclass

import numpy as np

from framegate.ssl.data.epoch_order import EpochOrder


@dataclass(frozen=True, kw_only=True)
class BalancedOrder(EpochOrder):
    """Batches of a whole training in which every class is drawn equally often, as one epoch after the other.

    An epoch is as long as one of all clips would be; a rare class's clips come several times in it, a common class's
    not all. A class's clips come in turns, so none is drawn again before all have been.

    Args (besides those of `EpochOrder`):
        rows: (n,) int64, the clips.
        classes: (n,) int, of each.
    """

    rows: np.ndarray
    classes: np.ndarray

    @property
    def items_per_epoch(self) -> int:
        """Number of clips in an epoch."""
        return len(self.rows)

    def epoch_items(self, epoch: int) -> np.ndarray:
        """Return the clips of an epoch in order."""
        rng = np.random.default_rng([self.seed, epoch])
        classes = np.unique(self.classes)
        share = -(-len(self.rows) // len(classes))
        turns = []
        for which in classes:
            members = self.rows[self.classes == which]
            times = -(-share // len(members))
            turns.append(np.concatenate([rng.permutation(members) for _ in range(times)])[:share])
        # One clip of each class after the other, the classes in another order each time.
        mixed = np.stack(turns, axis=1)
        return np.concatenate([row[rng.permutation(len(classes))] for row in mixed])[: len(self.rows)]
