"""LeJEPA (Balestriero & LeCun 2025): views agree, and embeddings are a standard Gaussian; for frames of videos."""

from typing import cast

import torch
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.sigreg import random_directions, sigreg
from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, Method, MethodOutput, unit
from framegate.ssl.modules.batch_norm import BatchNorm, set_batch_norm
from framegate.ssl.modules.gather import processes
from framegate.ssl.modules.projection import projection_head

PUBLISHED_BATCH = 256  # images of a view that λ is meant for


class LeJEPA(Method):
    """One encoder, with one forward for both views; no negatives, no key encoder, no queue.

    The loss is (1 − λ) · invariance + λ · SIGReg (§5). Both views are what the paper calls global: each is drawn to
    the mean of both, and SIGReg tests each by itself, along directions that are new in each micro-batch. There are no
    local views, small crops that the paper draws to that mean, too.

    The published statistic has the number N of frames as a factor, so a larger batch would shift the balance from
    invariance to SIGReg. Here that factor is 256 for any N: with 256 frames the loss is the published one, with another
    number λ is the same compromise between the same two quantities, and a recipe holds when its batch changes. Only
    their noise still depends on N, the number of frames in a micro-batch of all processes together.

    Args:
        backbone: which training changes.
        dim: length of an embedding.
        hidden: width of the head.
        weight: λ, between 0 and 1.
        directions: how many are drawn.
        knots: see `framegate.ssl.losses.sigreg.sigreg`.
        batch_norm: ``sync`` or ``plain``. Nothing here could be matched by a batch's statistics, so nothing is split.

    Raises:
        ValueError: for a split batch norm.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        dim: int = 64,
        hidden: int = 2048,
        weight: float = 0.05,
        directions: int = 1024,
        knots: int = 17,
        batch_norm: BatchNorm = "sync",
    ):
        if batch_norm == "split":
            raise ValueError("lejepa has nothing to hide by split batch norm: choose sync or plain")
        super().__init__()
        head = projection_head([backbone.dim, hidden, hidden, dim], last_norm=None)
        self.encoder = set_batch_norm(nn.Sequential(backbone, head), batch_norm)
        self.dim = dim
        self.weight = weight
        self.directions = directions
        self.knots = knots

    @property
    def backbone(self) -> Backbone:
        """The encoder without its projection head: what is exported."""
        return cast(Backbone, self.encoder.get_submodule("0"))

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """Compute the loss of a micro-batch; see `Method.forward`. ``attention`` is not used."""
        embeddings = self.encoder(torch.cat([batch.first, batch.second]))
        views = torch.stack(embeddings.chunk(2))
        if views.dtype != torch.float64:
            views = views.float()
        directions = random_directions(self.directions, self.dim, generator=generator)
        statistic = sigreg(views, directions.to(views.device, non_blocking=True), knots=self.knots)
        gaussian = PUBLISHED_BATCH / (processes() * len(batch.first)) * statistic
        rows = unit(embeddings.detach())
        return MethodOutput(
            loss=(1 - self.weight) * invariance(views) + self.weight * gaussian,
            queries=rows,
            positives=rows.roll(len(batch.first), dims=0),
            sources=batch.source.repeat(2),
            keys=rows[:0],
            key_sources=batch.source[:0],
        )


def invariance(views: Tensor) -> Tensor:
    """Return the mean squared distance, over coordinates too, of each view's embeddings to the mean of all views.

    >>> invariance(torch.tensor([[[0.0, 0.0]], [[2.0, 4.0]]])).item()  # (1² + 2²) / 2 from either view
    2.5

    Shape: (V, B, dim) → ().
    """
    return (views - views.mean(dim=0)).square().mean()
