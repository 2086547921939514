"""The same rows on every process."""

import torch
import torch.distributed as dist
from torch import Tensor


@torch.no_grad()
def gather_rows(rows: Tensor) -> Tensor:
    """All processes' rows in the order of their ranks, without gradient: (B, …) → (processes × B, …).

    Alone, or where no process group was started, the rows themselves.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows.detach()
    gathered = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
    dist.all_gather(gathered, rows.detach().contiguous())
    return torch.cat(gathered)


def own_rows(rows_here: int) -> slice:
    """Where this process's rows stand in what `gather_rows` returns."""
    rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
    return slice(rank * rows_here, (rank + 1) * rows_here)
