"""Gather rows of all processes."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function


def processes() -> int:
    """Return the number of processes in the process group; 1 without a group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Return the rank of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


@torch.no_grad()
def gather_rows(rows: Tensor) -> Tensor:
    """Return the rows of all processes in the order of ranks, without gradient: (B, …) → (processes × B, …)."""
    if processes() == 1:
        return rows.detach()
    rows = rows.detach().contiguous()
    gathered = [torch.empty_like(rows) for _ in range(processes())]
    dist.all_gather(gathered, rows)
    return torch.cat(gathered)


def gather_rows_with_gradient(rows: Tensor) -> Tensor:
    """Return the rows of all processes as `gather_rows` does, with gradients from the losses of all processes.

    The backward pass sums the gradients of a row over the losses of all processes. Without that sum, the gradient of a
    loss that contrasts with rows of other processes is wrong (by 27% of its length with two processes, in one project).
    """
    return rows if processes() == 1 else _GatherWithGradient.apply(rows)


def own_rows(rows_here: int) -> slice:
    """Return the slice of this process's rows in the result of `gather_rows`."""
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
