"""Batches for the rest of a step when a data worker has died."""

import signal
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader


def batches_despite_deaths(loader: DataLoader[Any], *, on_death: Callable[[], None]) -> Iterator[Any]:
    """Yield the loader's batches. When one of its workers dies, call ``on_death`` and make the rest in this process.

    The loader's dataset and batch sampler must give the same whenever they are asked.
    """
    given = 0
    batches = iter(loader)
    # torch's handler would raise wherever the program is when a worker dies: in the middle of an update, or of a
    # save. Without it, the death is noticed where the next batch is awaited.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    try:
        for batch in batches:
            given += 1
            yield batch
        return
    except (RuntimeError, OSError, EOFError) as error:
        if not _is_of_dead_worker(error):
            raise
        on_death()
    assert loader.batch_sampler is not None and loader.collate_fn is not None
    for rows in islice(iter(loader.batch_sampler), given, None):
        yield loader.collate_fn([loader.dataset[row] for row in rows])


def _is_of_dead_worker(error: Exception) -> bool:
    """Return whether a loader's error means that a worker died: torch noticed it, or a batch arrived incomplete."""
    if isinstance(error, RuntimeError):
        return str(error).startswith("DataLoader worker (pid")
    return not str(error).startswith("Caught ")  # so begins what a dataset raised inside a worker
