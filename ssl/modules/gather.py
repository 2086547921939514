"""The same rows on every process."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function


def processes() -> int:
    """How many processes compute together; 1 where no process group was started."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


@torch.no_grad()
def gather_rows(rows: Tensor) -> Tensor:
    """All processes' rows in the order of their ranks, without gradient: (B, …) → (processes × B, …)."""
    if processes() == 1:
        return rows.detach()
    rows = rows.detach().contiguous()
    gathered = [torch.empty_like(rows) for _ in range(processes())]
    dist.all_gather(gathered, rows)
    return torch.cat(gathered)


def gather_rows_with_gradient(rows: Tensor) -> Tensor:
    """As `gather_rows`, but a loss of any process reaches the rows of all.

    The backward pass sums what all processes' losses want of a row. Without that sum, the gradient of a loss in which
    each process contrasts with the others' rows is wrong (by 27% of its length with two processes, in one project).
    """
    return rows if processes() == 1 else _GatherWithGradient.apply(rows)


def own_rows(rows_here: int) -> slice:
    """Where this process's rows stand in what `gather_rows` returns."""
    return slice(rank() * rows_here, (rank() + 1) * rows_here)


class _GatherWithGradient(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.rows_here = len(rows)
        return gather_rows(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous()
        dist.all_reduce(gradient)
        return gradient[own_rows(ctx.rows_here)]
