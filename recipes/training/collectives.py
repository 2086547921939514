"""Decisions that all processes of a training take alike; alone, they are decisions like any others."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from framegate.media.errors import exit_code_of


class Together:
    """What the processes of a training tell each other, besides gradients: small numbers, between CPUs.

    The group is one of its own, so that nothing waits for a GPU and nothing mixes with the gradients' order.

    Args:
        processes: how many there are.
    """

    def __init__(self, *, processes: int):
        self._group: Any = dist.new_group(backend="gloo") if processes > 1 else None
        self._patient: Any = dist.new_group(backend="gloo", timeout=timedelta(days=2)) if processes > 1 else None
        self._said: torch.Tensor | None = None
        self._answer: dist.Work | None = None

    def most(self, here: int, *, patient: bool = False) -> int:
        """The largest of all processes' numbers; waits for all, for two days if ``patient``."""
        if self._group is None:
            return here
        number = torch.tensor(here)
        dist.all_reduce(number, op=dist.ReduceOp.MAX, group=self._patient if patient else self._group)
        return int(number)

    def any(self, here: bool) -> bool:
        """Whether any process says yes; waits for all."""
        return bool(self.most(int(here)))

    def any_before(self, here: bool) -> bool:
        """Whether any process said yes at the last call, without waiting: answers travel while a step is computed.

        Alone, whether this process says yes now.
        """
        if self._group is None:
            return here
        answer = self._heard()
        self._said = torch.tensor(int(here))
        self._answer = dist.all_reduce(self._said, op=dist.ReduceOp.MAX, group=self._group, async_op=True)
        return answer

    def attempt(self, work: Callable[[], object], *, patient: bool = False) -> None:
        """Do ``work`` on each process; if it fails on any, all leave. ``patient``: it may take hours on one of them.

        Raises:
            Exception: what ``work`` raised here.
            SystemExit: it failed elsewhere, and that process says why.
        """
        failure: Exception | None = None
        try:
            work()
        except Exception as error:
            failure = error
        code = self.most(0 if failure is None else exit_code_of(failure), patient=patient)
        if failure is not None:
            raise failure
        if code:
            raise SystemExit(code)

    def close(self) -> None:
        """Hear the last answer, so that no process leaves while another waits for it."""
        self._heard()

    def _heard(self) -> bool:
        if self._answer is None or self._said is None:
            return False
        self._answer.wait()
        self._answer = None
        return bool(self._said)
