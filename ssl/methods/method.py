"""What every pretraining method has in common, as far as the training loop is concerned."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch


class AttentionShares(NamedTuple):
    """How likely the query's view is changed where the key encoder looked; see `framegate.ssl.methods.guided_views`."""

    drop: float = 0.0
    crop: float = 0.0


NO_ATTENTION = AttentionShares()


class MethodOutput(NamedTuple):
    """What one forward gives: the loss, and without gradient what diagnostics and the queue want."""

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
    """A method of pretraining: the backbone, whatever it trains it with, and one forward for both views.

    The loop calls, for each micro-batch, the module itself and then `push`; and after each optimizer update,
    `update_key_encoder`. All state is in parameters and persistent buffers.
    """

    @property
    def backbone(self) -> Backbone:
        """What is trained and exported."""
        raise AttributeError(f"{type(self).__name__} names no backbone")

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """Compute the loss of a micro-batch.

        Args:
            batch: this process's share of the views.
            generator: on the CPU, whose state is a function of (seed, step, micro-batch), the same on every process.
            attention: only for methods with a key encoder and a symmetric loss.
        """
        raise AttributeError(f"{type(self).__name__} has no forward")

    def push(self, output: MethodOutput) -> None:
        """Keep a micro-batch's keys for the next one's negatives."""

    def update_key_encoder(self, momentum: float) -> None:
        """One step of the moving average, after an optimizer update."""


def unit(vectors: Tensor) -> Tensor:
    """Rows of length 1, at least in float32: under autocast a head's output is too coarse to be divided by τ."""
    return nn.functional.normalize(vectors if vectors.dtype == torch.float64 else vectors.float(), dim=1)
