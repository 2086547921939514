"""SimCLR (Chen, Kornblith, Norouzi, Hinton 2020): both views through one encoder, for frames of videos."""

from typing import cast

import torch
from lightly.models.modules.heads import SimCLRProjectionHead
from torch import nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.info_nce import Rows, info_nce
from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, Method, MethodOutput, unit
from framegate.ssl.modules.batch_norm import BatchNorm, set_batch_norm
from framegate.ssl.modules.gather import gather_rows, gather_rows_with_gradient, own_rows


class SimCLR(Method):
    """The encoder and NT-Xent (Chen et al. 2020, eq. 1), with one forward for both views.

    A view's positive is the frame's other view. Negatives are both views of the batch's other frames, of all processes,
    less those of the view's own source. A view has a gradient as query, positive and negative, across processes too.

    Args:
        backbone: which training changes.
        dim: length of a projection.
        temperature: τ.
        batch_norm: ``sync`` or ``plain``. Groups of a split norm would hold the same frames for both views and give
            the pairing away: there is no key encoder whose order could be shuffled.

    Raises:
        ValueError: for a split batch norm.
    """

    def __init__(self, backbone: Backbone, *, dim: int = 128, temperature: float = 0.5, batch_norm: BatchNorm = "sync"):
        if batch_norm == "split":
            raise ValueError("simclr cannot hide its pairs by split batch norm: choose sync or plain")
        super().__init__()
        head = SimCLRProjectionHead(backbone.dim, backbone.dim, dim)
        self.encoder = set_batch_norm(nn.Sequential(backbone, head), batch_norm)
        self.temperature = temperature

    @property
    def backbone(self) -> Backbone:
        """The encoder without its projection head: what is exported."""
        return cast(Backbone, self.encoder.get_submodule("0"))

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """Compute the loss of a micro-batch; see `Method.forward`. ``generator`` and ``attention`` are not used."""
        views = unit(self.encoder(torch.cat([batch.first, batch.second])))
        first, second = views.chunk(2)
        everyone = torch.cat([gather_rows_with_gradient(first), gather_rows_with_gradient(second)])
        sources = gather_rows(batch.source)
        positives = torch.cat([half[own_rows(len(first))] for half in everyone.chunk(2)[::-1]])
        loss = info_nce(
            Rows(views, batch.source.repeat(2)),
            positives,
            Rows(everyone, sources.repeat(2)),
            temperature=self.temperature,
        )
        return MethodOutput(
            loss=loss,
            queries=views.detach(),
            positives=positives.detach(),
            sources=batch.source.repeat(2),
            keys=views.detach()[:0],
            key_sources=batch.source[:0],
        )
