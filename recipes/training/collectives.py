"""Decisions that all processes of a training share."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from framegate.media.errors import exit_code_of


class Collectives:
    """Small numbers that the processes of a training exchange besides gradients, between CPUs.

    They go through process groups of their own (gloo), so that nothing waits for a GPU and nothing mixes with the order
    of the gradients. With one process nothing is sent.

    Args:
        processes: how many there are.
    """

    def __init__(self, *, processes: int):
        self._group: Any = dist.new_group(backend="gloo") if processes > 1 else None
        self._patient: Any = dist.new_group(backend="gloo", timeout=timedelta(days=2)) if processes > 1 else None
        self._answer: torch.Tensor | None = None
        self._pending: dist.Work | None = None

    def maximum(self, here: int, *, patient: bool = False) -> int:
        """Return the largest of all processes' numbers. Waits for all of them, for two days if ``patient``."""
        if self._group is None:
            return here
        number = torch.tensor(here)
        dist.all_reduce(number, op=dist.ReduceOp.MAX, group=self._patient if patient else self._group)
        return int(number)

    def any(self, here: bool) -> bool:
        """Return whether ``here`` is true on any process. Waits for all of them."""
        return bool(self.maximum(int(here)))

    def any_before(self, here: bool) -> bool:
        """Return whether ``here`` was true on any process at the previous call, and send this call's value.

        Answers travel while a step is computed, so nothing waits. The first call returns False; with one process it is
        this call's ``here`` that returns.
        """
        if self._group is None:
            return here
        answer = self._receive()
        self._answer = torch.tensor(int(here))
        self._pending = dist.all_reduce(self._answer, op=dist.ReduceOp.MAX, group=self._group, async_op=True)
        return answer

    def attempt(self, work: Callable[[], object], *, patient: bool = False) -> None:
        """Run ``work`` on every process; raise on all of them if it failed on one.

        Args:
            work: what this process has to do.
            patient: it may take hours on one process; the others wait up to two days.

        Raises:
            Exception: what ``work`` raised on this process.
            SystemExit: it failed on another process, which reports why; with the exit code of that error.
        """
        failure: Exception | None = None
        try:
            work()
        except Exception as error:
            failure = error
        code = self.maximum(0 if failure is None else exit_code_of(failure), patient=patient)
        if failure is not None:
            raise failure
        if code:
            raise SystemExit(code)

    def close(self) -> None:
        """Receive the last answer, so that no process leaves while another waits for it."""
        self._receive()

    def _receive(self) -> bool:
        if self._pending is None or self._answer is None:
            return False
        self._pending.wait()
        self._pending = None
        return bool(self._answer)
