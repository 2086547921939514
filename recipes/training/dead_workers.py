"""Batches that go on for the rest of a step when a data worker dies."""

import signal
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from torch.utils.data import DataLoader


def batches_despite_deaths(loader: DataLoader[Any], *, on_death: Callable[[], None]) -> Iterator[Any]:
    """The loader's batches; when one of its workers dies, after ``on_death``, the rest are made here.

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
    """Whether a loader's error means that a worker is gone: by its own finding, or by what it left half sent."""
    if isinstance(error, RuntimeError):
        return str(error).startswith("DataLoader worker (pid")
    return not str(error).startswith("Caught ")  # so begins what a dataset raised inside a worker
