"""What the training loop calls: the interface of every pretraining method."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch


class AttentionShares(NamedTuple):
    """Probabilities, 0 to 1, that a query's view is changed where the key encoder looked.

    See `framegate.ssl.methods.guided_views`.
    """

    drop: float = 0.0
    crop: float = 0.0


NO_ATTENTION = AttentionShares()


class MethodOutput(NamedTuple):
    """Output of one forward: the loss, and without gradient, what diagnostics and the queue need."""

    loss: Tensor
    """() mean over the micro-batch of this process."""
    queries: Tensor
    """(N, dim) unit rows of this process: B, or 2B where each view is a query."""
    positives: Tensor
    """(N, dim) unit rows: what each of ``queries`` is to be close to."""
    sources: Tensor
    """(N,) int64, the source of each of ``queries``."""
    keys: Tensor
    """(K, dim) unit rows of all processes, the same on each: what `Method.push` keeps; (0, dim) where it keeps none."""
    key_sources: Tensor
    """(K,) int64, the source of each of ``keys``."""


class Method(nn.Module):
    """A pretraining method: the backbone, the heads and memories that train it, and one forward for both views.

    For each micro-batch the loop calls the module itself and then `push`; after each optimizer update it calls
    `update_key_encoder`, if the recipe has a momentum. Checkpoints hold parameters and persistent buffers: whatever
    the next step depends on has to be one.
    """

    @property
    def backbone(self) -> Backbone:
        """The backbone that is trained and exported."""
        raise AttributeError(f"{type(self).__name__} names no backbone")

    @property
    def undecayed(self) -> Sequence[nn.Parameter]:
        """Parameters of two or more dimensions that take no weight decay; by default there are none."""
        return ()

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """Compute the loss of a micro-batch.

        Args:
            batch: this process's share of the views.
            generator: on the CPU, for all that is drawn; its state is a function of (seed, step, micro-batch), the same
                on every process.
            attention: other than zero only for methods with a key encoder and a symmetric loss.
        """
        raise AttributeError(f"{type(self).__name__} has no forward")

    def push(self, output: MethodOutput) -> None:
        """Keep a micro-batch's keys as negatives for the next ones; by default do nothing."""

    def update_key_encoder(self, momentum: float) -> None:
        """Move the key encoder towards the query encoder: θ_k ← m θ_k + (1 − m) θ_q; by default do nothing."""


def unit(vectors: Tensor) -> Tensor:
    """Scale rows (N, dim) to length 1, in float32 or float64: half precision is too coarse to be divided by τ."""
    return nn.functional.normalize(vectors if vectors.dtype == torch.float64 else vectors.float(), dim=1)
