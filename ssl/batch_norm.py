"""Batch norm that cannot tell a query which key is its own.

With plain batch norm on one device, query and key share the batch's statistics, and the pair can be recognised by them
instead of by content (He et al. 2020, §3.3; four points of kNN accuracy on CIFAR-10). The published cure spreads the
batch over GPUs and shuffles keys between them; `split` does the same on one device: statistics over groups of images,
and the groups of the keys are drawn by another permutation than those of the queries.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

BatchNorm = Literal["split", "sync", "plain"]

GROUP = 32  # images that share statistics: a GPU's share of the batch in He et al. 2020
LEAST = 8  # smaller groups' statistics are noise; two groups still hide the pairing in a batch of 16


class _Split:
    """Mixed in before a norm's own class: in training, statistics over consecutive groups of about `GROUP` rows."""

    training: bool
    momentum: float

    def forward(self, x: Tensor) -> Tensor:
        groups = max(len(x) // GROUP, min(2, len(x) // LEAST)) if self.training else 1
        if groups < 2:
            return super().forward(x)  # type: ignore[misc]
        momentum = self.momentum
        # Each group moves the running statistics by its share, so that together they move as far as one batch does.
        self.momentum = momentum / groups
        try:
            return torch.cat([super(_Split, self).forward(group) for group in x.tensor_split(groups)])  # type: ignore[misc]
        finally:
            self.momentum = momentum


def set_batch_norm(module: nn.Module, kind: BatchNorm) -> nn.Module:
    """Make every batch norm in ``module`` split or synchronised, or leave it plain; parameters and their names stay.

    Args:
        module: changed in place, except for ``sync``, where the result is another module.
        kind: ``split``: safe on one device; ``sync``: statistics over all processes, GPUs only; ``plain``: as it is.

    Returns:
        The module to use from here on.
    """
    if kind == "sync":
        return nn.SyncBatchNorm.convert_sync_batchnorm(module)
    if kind == "split":
        for norm in module.modules():
            if isinstance(norm, _BatchNorm) and not isinstance(norm, _Split):
                norm.__class__ = _split_class(type(norm))
    return module


_SPLIT_CLASSES: dict[type, type] = {}


def _split_class(norm: type) -> type:
    if norm not in _SPLIT_CLASSES:
        _SPLIT_CLASSES[norm] = type(f"Split{norm.__name__}", (_Split, norm), {})
    return _SPLIT_CLASSES[norm]
