"""Iterate over the batches of a whole training, epoch by epoch, from any step on."""

from collections.abc import Callable, Iterator

import numpy as np


def epoch_batches(
    order_of: Callable[[int], np.ndarray], *, batch_size: int, steps_per_epoch: int, epochs: int, first_step: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (epoch, batch) from ``first_step`` to the end.

    >>> batches = epoch_batches(lambda epoch: np.arange(5), batch_size=2, steps_per_epoch=2, epochs=2, first_step=3)
    >>> [(epoch, batch.tolist()) for epoch, batch in batches]
    [(1, [2, 3])]

    Args:
        order_of: returns the items of an epoch in order; called once for each epoch.
        batch_size: items of one optimizer update.
        steps_per_epoch: full batches in an epoch; items beyond them are not taken.
        epochs: number of epochs.
        first_step: number of updates that are done already.
    """
    epoch, order = -1, np.empty(0, dtype=np.int64)
    for step in range(first_step, epochs * steps_per_epoch):
        if step // steps_per_epoch != epoch:
            epoch = step // steps_per_epoch
            order = order_of(epoch)
        start = (step % steps_per_epoch) * batch_size
        yield epoch, order[start : start + batch_size]
