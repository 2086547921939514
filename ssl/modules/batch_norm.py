"""Batch norm whose statistics do not show which key belongs to which query.

With plain batch norm on one device, query and key share the batch's statistics, and a network can match them by these
instead of by content (He et al. 2020, §3.3; it costs four points of kNN accuracy on CIFAR-10). The published remedy
divides the batch over GPUs and shuffles keys between them. `split` does the same on one device: statistics are computed
over groups of images, and keys are grouped by another permutation than queries.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from timm.layers import BatchNormAct2d, convert_sync_batchnorm
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

BatchNorm = Literal["split", "sync", "plain"]

GROUP = 64  # images that share statistics: a share in the published small-scale recipe, 512 split in 8
LEAST = 8  # smaller groups' statistics are noise; two groups still hide the pairing in a batch of 16


class _Split:
    """Mixed in before the class of a norm: in training, statistics over consecutive groups of about `GROUP` rows."""

    def forward(self: Any, x: Tensor) -> Tensor:
        groups = max(len(x) // GROUP, min(2, len(x) // LEAST)) if self.training else 1
        if groups < 2:
            out: Tensor = super().forward(x)  # type: ignore[misc]  # of the norm that this is mixed into
            return out
        # Each group moves the running statistics by its share, so that together they move as far as one batch does.
        momentum = self.momentum / groups
        out = _GroupNormalise.apply(
            x, self.weight, self.bias, self.running_mean, self.running_var, momentum, self.eps, groups
        )
        self.num_batches_tracked += 1
        activated: Tensor = _Split._activated(self, out) if isinstance(self, BatchNormAct2d) else out
        return activated

    def _activated(self: Any, x: Tensor) -> Tensor:
        """Apply timm's activation after a norm; a SiLU not in place, since autograd would copy its input first."""
        x = self.drop(x)
        active: Tensor = F.silu(x) if isinstance(self.act, nn.SiLU) and torch.is_grad_enabled() else self.act(x)
        return active


class _GroupNormalise(Function):
    """Batch norm group by group, each written where it belongs.

    Written with slices and a concatenation, autograd would fill and add a whole batch's gradient for every group, at
    several times the cost of the norm itself.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        running_mean: Tensor,
        running_var: Tensor,
        momentum: float,
        eps: float,
        groups: int,
    ) -> Tensor:
        out = torch.empty_like(x)
        statistics = running_mean.new_empty(2, groups, len(running_mean))
        parts = (x.tensor_split(groups), out.tensor_split(groups), *map(torch.unbind, statistics))
        for rows, place, mean, deviation in zip(*parts, strict=True):
            torch.ops.aten.native_batch_norm.out(
                rows, weight, bias, running_mean, running_var, True, momentum, eps,
                out=place, save_mean=mean, save_invstd=deviation,
            )  # fmt: skip
        ctx.save_for_backward(x, weight, statistics)
        ctx.eps, ctx.groups = eps, groups
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, statistics = ctx.saved_tensors
        of_x = torch.empty_like(x)
        scaled = weight is not None
        of_weight, of_bias = (torch.zeros_like(weight), torch.zeros_like(weight)) if scaled else (None, None)
        parts = (*(tensor.tensor_split(ctx.groups) for tensor in (gradient, x, of_x)), *map(torch.unbind, statistics))
        for outer, rows, place, mean, deviation in zip(*parts, strict=True):
            inner, scale, shift = torch.ops.aten.native_batch_norm_backward(
                outer, rows, weight, None, None, mean, deviation, True, ctx.eps, (True, scaled, scaled)
            )
            place.copy_(inner)
            if scaled:
                of_weight += scale
                of_bias += shift
        return of_x, of_weight, of_bias, None, None, None, None, None


def set_batch_norm(module: nn.Module, kind: BatchNorm) -> nn.Module:
    """Make every batch norm in ``module`` split or synchronised, or leave it plain; parameters and their names stay.

    Args:
        module: changed in place, except for ``sync``, where the result is another module.
        kind: ``split``: statistics over groups, safe on one device; ``sync``: over all processes, GPUs only; ``plain``:
            unchanged.

    Returns:
        The module to use from now on.

    Raises:
        ValueError: a norm cannot be split: it lacks running statistics or a momentum.
    """
    if kind == "sync":
        synchronised: nn.Module = convert_sync_batchnorm(module)  # timm's, for norms that hold their activation
        return synchronised
    if kind == "split":
        for norm in module.modules():
            if isinstance(norm, _BatchNorm) and not isinstance(norm, _Split):
                if norm.running_mean is None or norm.momentum is None:
                    raise ValueError(f"{norm} cannot be split: it needs running statistics and a momentum")
                norm.__class__ = _split_class(type(norm))
    return module


_SPLIT_CLASSES: dict[type, type] = {}


def _split_class(norm: type) -> type:
    if norm not in _SPLIT_CLASSES:
        _SPLIT_CLASSES[norm] = type(f"Split{norm.__name__}", (_Split, norm), {})
    return _SPLIT_CLASSES[norm]
