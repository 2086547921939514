"""The dictionary of keys that MoCo contrasts its queries with."""

import torch
from torch import Tensor, nn

EMPTY = -1


class KeyQueue(nn.Module):
    """The newest keys and the source of each: MoCo's dictionary (He et al. 2020, §3.2).

    Unlike in the usual ring of random vectors, slots start empty and stay out of the loss until filled; and by the
    source ids the loss leaves out keys of the same source as the query, which would be false negatives.

    >>> queue = KeyQueue(4, dim=2)
    >>> queue.push(torch.eye(2), torch.tensor([7, 8]))
    >>> queue.sources.tolist(), queue.position.item()
    ([7, 8, -1, -1], 2)

    Args:
        size: capacity in keys; need not be a multiple of the batch.
        dim: length of a key.

    Shape: ``keys`` (size, dim) float, unit rows; ``sources`` (size,) int64, -1 where empty; ``position`` () int64, the
    slot to be written next. All are persistent buffers, so that a resumed run continues with the same queue.
    """

    keys: Tensor
    sources: Tensor
    position: Tensor

    def __init__(self, size: int, dim: int):
        super().__init__()
        self.register_buffer("keys", torch.zeros(size, dim))
        self.register_buffer("sources", torch.full((size,), EMPTY))
        self.register_buffer("position", torch.zeros((), dtype=torch.int64))

    @property
    def size(self) -> int:
        """Capacity in keys."""
        return len(self.sources)

    @torch.no_grad()
    def push(self, keys: Tensor, sources: Tensor) -> None:
        """Overwrite the oldest slots with ``keys`` (B, dim), equal on all ranks; of more than ``size``, the last."""
        keys, sources = keys[-self.size :], sources[-self.size :]
        slots = (self.position + torch.arange(len(keys), device=self.position.device)) % self.size
        self.keys[slots] = keys.to(self.keys.dtype)
        self.sources[slots] = sources
        self.position.copy_((self.position + len(keys)) % self.size)
