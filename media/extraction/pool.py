"""Worker processes that can be killed: a task that hangs or crashes affects no other worker."""

import multiprocessing as mp
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

GRACE = 10.0  # seconds between the time limit that a task keeps itself, and the kill
_TASKS_A_WORKER = 500  # decoders leave crumbs; a fresh process has none


class WorkerPool:
    """Runs ``task(number, item)`` in processes, one item at a time in each.

    Args:
        task: the function to run; picklable.
        workers: number of processes.
        timeout: seconds after which a process that has not finished its item is killed.
        memory_mb: megabytes of data that one process may allocate.
    """

    def __init__(self, task: Callable[[int, Any], None], *, workers: int, timeout: float, memory_mb: int) -> None:
        self._task = task
        self._count = workers
        self._timeout = timeout
        self._memory_mb = memory_mb

    def run(self, items: Iterable[tuple[int, Any]]) -> Iterator[tuple[int, str | None]]:
        """Run all items, and yield (number, error) as they finish; ``error`` is None, or a message."""
        queue = iter(items)
        workers = [_Worker(self._task, memory_mb=self._memory_mb) for _ in range(self._count)]
        try:
            idle, busy = workers, list[_Worker]()
            while True:
                while idle and (item := next(queue, None)) is not None:
                    worker = idle.pop()
                    worker.start(*item)
                    busy.append(worker)
                if not busy:
                    return
                wait([worker.pipe for worker in busy], timeout=max(0.0, min(w.killed_in(self._timeout) for w in busy)))
                for worker in [worker for worker in busy if worker.ended(self._timeout)]:
                    busy.remove(worker)
                    idle.append(worker if worker.usable else _Worker(self._task, memory_mb=self._memory_mb))
                    workers = [*idle, *busy]
                    yield worker.number, worker.error
        finally:
            for worker in workers:
                worker.kill()


class _Worker:
    """One process, and the item it works on."""

    def __init__(self, task: Callable[[int, Any], None], *, memory_mb: int) -> None:
        context = mp.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(task, theirs, memory_mb), daemon=True)
        self._process.start()
        theirs.close()
        self._began = 0.0
        self._tasks = 0
        self.number = -1
        self.error: str | None = None
        self.usable = True

    def start(self, number: int, item: Any) -> None:
        self.number, self.error = number, None
        self._tasks += 1
        self._began = time.monotonic()
        self.pipe.send((number, item))

    def killed_in(self, timeout: float) -> float:
        return self._began + timeout - time.monotonic()

    def ended(self, timeout: float) -> bool:
        """Tell whether the item is finished, failed or out of time; kill the process in the latter case."""
        try:
            if self.pipe.poll():
                self.error = self.pipe.recv()
                if self._tasks == _TASKS_A_WORKER:
                    self.kill()
                return True
        except (EOFError, ConnectionResetError):
            self._process.join()
            self.error = f"the decoding process died ({_exit_words(self._process.exitcode)})"
            self.kill()
            return True
        if self.killed_in(timeout) <= 0:
            self.error = f"killed after {timeout:g} s without an answer"
            self.kill()
            return True
        return False

    def kill(self) -> None:
        self.usable = False
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(task: Callable[[int, Any], None], pipe: Connection, memory_mb: int) -> None:
    """Run a worker process until its pipe is closed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # some decoders print past FFmpeg's log
    with limited_memory(memory_mb):
        _serve_items(task, pipe)


def _serve_items(task: Callable[[int, Any], None], pipe: Connection) -> None:
    while True:
        try:
            number, item = pipe.recv()
        except EOFError:
            return
        try:
            task(number, item)
        except Exception as error:  # whatever a file provokes is that file's failure
            pipe.send(f"{type(error).__name__}: {error}")
        else:
            pipe.send(None)


@contextmanager
def limited_memory(megabytes: int) -> Iterator[None]:
    """Let this process allocate at most ``megabytes`` of data inside the block; beyond, Python raises `MemoryError`."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit = megabytes << 20
    if before[1] != resource.RLIM_INFINITY:
        limit = min(limit, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _exit_words(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
