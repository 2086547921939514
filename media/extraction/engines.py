"""Where clips are extracted: processes of this machine, or a Ray cluster. Both run the same function."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from framegate.media.errors import MediaError
from framegate.media.extraction.pool import GRACE, WorkerPool, limited_memory
from framegate.media.options import ExtractOptions

Task = Callable[[int, Any], None]


def run_in_processes(
    task: Task, items: list[tuple[int, Any]], *, workers: int, options: ExtractOptions
) -> Iterator[tuple[int, str | None]]:
    """Run all items in processes of this machine, and yield (number, error) as they finish; see `WorkerPool.run`."""
    pool = WorkerPool(task, workers=workers, timeout=options.timeout + GRACE, memory_mb=options.memory_mb)
    yield from pool.run(items)


def run_on_ray(
    task: Task, items: list[tuple[int, Any]], *, workers: int, options: ExtractOptions
) -> Iterator[tuple[int, str | None]]:
    """Run all items on a Ray cluster, and yield (number, error) as they finish; ``error`` is None, or a message.

    Each item is one Ray task; at most ``workers`` run at a time. Ray replaces a worker that dies. A task that hangs is
    cancelled by force after the time limit and `GRACE`.

    Raises:
        MediaError: if Ray is not installed.
    """
    try:
        import ray
    except ImportError:
        raise MediaError("the engine 'ray' needs Ray: pip install 'framegate[ray]'") from None
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    remote = ray.remote(max_retries=0, num_cpus=1)(task_in_worker)
    shared = ray.put(task)
    queue, running = iter(items), dict[Any, tuple[int, float]]()
    while True:
        while len(running) < workers and (item := next(queue, None)) is not None:
            running[remote.remote(shared, options.memory_mb, *item)] = (
                item[0],
                time.monotonic() + options.timeout + GRACE,
            )
        if not running:
            return
        done, _ = ray.wait(list(running), num_returns=1, timeout=1.0)
        late = [ref for ref, (_, end) in running.items() if ref not in done and time.monotonic() > end]
        for ref in late:
            ray.cancel(ref, force=True)
        for ref in [*done, *late]:
            number, _ = running.pop(ref)
            try:
                ray.get(ref)
            except ray.exceptions.RayError as error:
                yield number, f"the Ray task failed: {str(error).splitlines()[0]}"
            else:
                yield number, None


def task_in_worker(task: Task, memory_mb: int, number: int, item: Any) -> None:
    """Run ``task`` in a Ray worker, with the memory limit of a local worker process."""
    with limited_memory(memory_mb):
        task(number, item)
