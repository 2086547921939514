"""Batch norm statistics of the pictures that a network will see, in place of those it was trained on."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def recalibrate_batch_norm(backbone: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of every batch norm by those of ``batches``, each row counting the same.

    After training on views of which parts were dropped or zoomed into, running statistics describe such views; a
    network that is used on plain frames wants theirs. Nothing but the statistics changes.

    Mean and variance are those of all rows together, summed in float64, however the rows are cut into batches. Only
    what reaches a deeper norm depends on the cut: there, as in training, earlier norms have used each batch's own
    statistics, so take large batches that mix sources.

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
