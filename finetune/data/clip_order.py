"""Which clips come when, with rare classes as often as common ones: a function of (seed, epoch)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from framegate.ssl.data.epoch_batches import epoch_batches


@dataclass(frozen=True, kw_only=True)
class BalancedOrder:
    """Batches of a whole training in which every class is drawn equally often, as one epoch after the other.

    An epoch is as long as one of all clips would be; a rare class's clips come several times in it, a common class's
    not all. A class's clips come in turns, so none is drawn again before all have been.

    Args:
        rows: (n,) int64, the clips.
        classes: (n,) int, of each.
        batch_size: global, of one optimizer update.
        epochs: in all.
        seed: with the epoch, decides everything.
    """

    rows: np.ndarray
    classes: np.ndarray
    batch_size: int
    epochs: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Number of full batches in one epoch (the last, short one is dropped)."""
        return len(self.rows) // self.batch_size

    @property
    def total_steps(self) -> int:
        """Optimizer updates of the whole training."""
        return self.epochs * self.steps_per_epoch

    def batches(self, first_step: int) -> Iterator[tuple[int, np.ndarray]]:
        """All batches from ``first_step`` to the end, each with its epoch."""
        return epoch_batches(
            self._epoch,
            batch_size=self.batch_size,
            steps_per_epoch=self.steps_per_epoch,
            epochs=self.epochs,
            first_step=first_step,
        )

    def _epoch(self, epoch: int) -> np.ndarray:
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
