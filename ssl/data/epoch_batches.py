"""The batches of a whole training, one epoch's order after the other, from any step on."""

from collections.abc import Callable, Iterator

import numpy as np


def epoch_batches(
    order_of: Callable[[int], np.ndarray], *, batch_size: int, steps_per_epoch: int, epochs: int, first_step: int
) -> Iterator[tuple[int, np.ndarray]]:
    """All batches from ``first_step`` to the end, each with its epoch.

    Args:
        order_of: epoch → what comes in it, in order; asked once an epoch.
        batch_size: of one optimizer update.
        steps_per_epoch: full batches in an epoch; what is left over is not taken.
        epochs: in all.
        first_step: updates that are done already.
    """
    epoch, order = -1, np.empty(0, dtype=np.int64)
    for step in range(first_step, epochs * steps_per_epoch):
        if step // steps_per_epoch != epoch:
            epoch = step // steps_per_epoch
            order = order_of(epoch)
        start = (step % steps_per_epoch) * batch_size
        yield epoch, order[start : start + batch_size]
