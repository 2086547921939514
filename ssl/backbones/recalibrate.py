"""Recompute batch norm statistics on the pictures that a network will be used on."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def recalibrate_batch_norm(backbone: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of every batch norm by those of ``batches``, with equal weight for all rows.

    After training on views with dropped or enlarged parts, running statistics describe such views, but the network is
    used on plain frames. Nothing else changes.

    Mean and variance are computed over all rows, in float64, and do not depend on the division into batches. Only the
    inputs of deeper norms do, since earlier norms use the statistics of each batch, as in training; so take large
    batches that mix sources.

    Args:
        backbone: changed in place, and left in the mode it was in.
        batches: images as ``backbone`` takes them, a few thousand in all.

    Raises:
        ValueError: ``batches`` is empty.
    """
    norms = [module for module in backbone.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return
    modes = {module: module.training for module in backbone.modules()}
    sums = {norm: _Moments() for norm in norms}
    hooks = [norm.register_forward_pre_hook(lambda norm, inputs: sums[norm].add(inputs[0])) for norm in norms]
    backbone.eval()  # no dropout, no stochastic depth
    for norm in norms:
        norm.train()
    try:
        for images in batches:
            backbone(images)
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    for norm, moments in sums.items():
        mean, variance = moments.result()
        for statistic, value in ((norm.running_mean, mean), (norm.running_var, variance)):
            assert statistic is not None
            statistic.copy_(value)


class _Moments:
    """Sums over batch and places, for each channel."""

    count = 0
    total: Tensor | float = 0.0
    squares: Tensor | float = 0.0

    def add(self, x: Tensor) -> None:
        rows = x.detach().double().movedim(1, -1).flatten(0, -2)
        self.count += len(rows)
        self.total = self.total + rows.sum(dim=0)
        self.squares = self.squares + rows.square().sum(dim=0)

    def result(self) -> tuple[Tensor, Tensor]:
        """Mean and unbiased variance, as batch norm keeps them."""
        if not isinstance(self.total, Tensor) or not isinstance(self.squares, Tensor):
            raise ValueError("no batches to take statistics of")
        mean = self.total / self.count
        return mean, (self.squares - self.count * mean.square()) / max(1, self.count - 1)
