"""The batches of a whole training, epoch by epoch, from any step on."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class EpochOrder(ABC):
    """Which items come when: a function of (seed, epoch), whatever the number of workers and processes.

    Args:
        batch_size: items of one optimizer update, over all processes and accumulated micro-batches.
        epochs: number of epochs.
        seed: with the epoch, decides the order.
    """

    batch_size: int
    epochs: int
    seed: int

    @property
    @abstractmethod
    def items_per_epoch(self) -> int:
        """Number of items that `epoch_items` gives."""

    @abstractmethod
    def epoch_items(self, epoch: int) -> np.ndarray:
        """Return the items of an epoch in order, (items_per_epoch,) int64."""

    @property
    def steps_per_epoch(self) -> int:
        """Number of full batches in one epoch (the last, short one is dropped)."""
        return self.items_per_epoch // self.batch_size

    @property
    def total_steps(self) -> int:
        """Number of optimizer updates of the whole training."""
        return self.epochs * self.steps_per_epoch

    def batches(self, first_step: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (epoch, items (batch_size,)) from ``first_step`` to the end."""
        epoch, order = -1, np.empty(0, dtype=np.int64)
        for step in range(first_step, self.total_steps):
            if step // self.steps_per_epoch != epoch:
                epoch = step // self.steps_per_epoch
                order = self.epoch_items(epoch)
            start = (step % self.steps_per_epoch) * self.batch_size
            yield epoch, order[start : start + self.batch_size]
