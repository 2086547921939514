"""Worker processes that can be killed: a clip that hangs or crashes costs its own worker, never its neighbours'."""

import multiprocessing as mp
import os
import resource
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

Task = Callable[[int], None]
GRACE = 10.0  # seconds between a task's own time limit and the kill


class WorkerPool:
    """Runs ``task(number)`` for many numbers, one at a time in each process.

    Args:
        task: picklable.
        timeout: seconds after which a process that has not finished its number is killed.
        memory_mb: data that one process may allocate.
    """

    def __init__(self, task: Task, *, workers: int, timeout: float, memory_mb: int) -> None:
        self._spawn = lambda: _Worker(task, memory_mb=memory_mb)
        self._count = workers
        self._timeout = timeout

    def run(self, numbers: Iterable[int]) -> Iterator[tuple[int, str | None]]:
        """Yield each number when it is done, with None, or with what ended its process."""
        queue = iter(numbers)
        workers: list[_Worker] = []
        try:
            while True:
                for number in self._free(workers, queue):
                    idle = next((worker for worker in workers if worker.number is None), None)
                    if idle is None:
                        workers.append(idle := self._spawn())
                    idle.start(number)
                busy = [worker for worker in workers if worker.number is not None]
                if not busy:
                    return
                wait([worker.pipe for worker in busy], timeout=1.0)
                for worker in busy:
                    assert worker.number is not None
                    number, ended = worker.number, worker.poll(self._timeout)
                    if ended is not None:
                        if not worker.alive:
                            workers.remove(worker)
                        yield number, ended or None
        finally:
            for worker in workers:
                worker.kill()

    def _free(self, workers: list["_Worker"], queue: Iterator[int]) -> Iterator[int]:
        for _ in range(self._count - sum(worker.number is not None for worker in workers)):
            number = next(queue, None)
            if number is not None:
                yield number


class _Worker:
    def __init__(self, task: Task, *, memory_mb: int) -> None:
        context = mp.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(task, theirs, memory_mb), daemon=True)
        self._process.start()
        theirs.close()
        self.number: int | None = None
        self.alive = True
        self._began = 0.0
        self._warm = False

    def start(self, number: int) -> None:
        self.number, self._began = number, time.monotonic()
        self.pipe.send(number)

    def poll(self, timeout: float) -> str | None:
        """None while at work; "" once done; else what ended the process."""
        ended = None
        try:
            if self.pipe.poll():
                self.pipe.recv()
                ended = ""
        except (EOFError, ConnectionResetError):
            self._process.join()
            ended = f"the worker died ({_exit_words(self._process.exitcode)})"
        if ended is None and time.monotonic() - self._began > timeout:
            ended = f"timed out after {timeout:g} s"
        if ended:
            self.kill()
        if ended is not None:
            self.number = None
        return ended

    def kill(self) -> None:
        self.alive = False
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _serve(task: Task, pipe: Connection, memory_mb: int) -> None:
    limit = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)  # decoders that print past FFmpeg's log
    while True:
        try:
            number: Any = pipe.recv()
        except EOFError:
            return
        task(number)
        pipe.send(number)


def _exit_words(code: int | None) -> str:
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
