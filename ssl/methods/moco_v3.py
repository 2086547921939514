"""MoCo v3 (Chen, Xie, He 2021): a predictor and in-batch negatives, no queue; for frames of videos."""

import torch
from lightly.models.modules.heads import MoCoProjectionHead
from torch import nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.info_nce import Rows, info_nce
from framegate.ssl.methods.guided_views import encode_keys, guided_queries
from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, Method, MethodOutput, unit
from framegate.ssl.modules.batch_norm import BatchNorm, set_batch_norm
from framegate.ssl.modules.gather import gather_rows, own_rows
from framegate.ssl.modules.key_encoder import KeyEncoder


class MoCoV3(Method):
    """Query encoder, predictor and key encoder, with one forward for both views (Chen et al. 2021, algorithm 1).

    Each half of the loss is 2τ · InfoNCE, and the halves are added; the factor keeps one learning rate right for all
    temperatures. Negatives are the keys of the batch's other frames, of all processes, less those of the query's own
    source. A transformer's patch projection stays at its random values where ``freeze_patches`` says so (§4.2: trained,
    it makes training unstable).

    Args:
        backbone: the query encoder's backbone, which training changes.
        dim: length of a key.
        hidden: width of the heads.
        temperature: τ.
        symmetric: each view is once the query and once the key.
        batch_norm: see `framegate.ssl.modules.batch_norm`; the paper synchronises.
        freeze_patches: of a transformer; others have none.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        dim: int = 256,
        hidden: int = 4096,
        temperature: float = 0.2,
        symmetric: bool = True,
        batch_norm: BatchNorm = "sync",
        freeze_patches: bool = True,
    ):
        super().__init__()
        projector = MoCoProjectionHead(backbone.dim, hidden, dim, num_layers=3, batch_norm=True)
        predictor = MoCoProjectionHead(dim, hidden, dim, num_layers=2, batch_norm=True)
        self.query_encoder = set_batch_norm(nn.Sequential(backbone, projector), batch_norm)
        self.predictor = set_batch_norm(predictor, batch_norm)
        self.key_encoder = KeyEncoder(self.query_encoder)
        self.temperature = temperature
        self.symmetric = symmetric
        self.shuffle = batch_norm != "sync"
        if freeze_patches and backbone.patch_embedding is not None:
            backbone.patch_embedding.requires_grad_(False)

    @property
    def backbone(self) -> Backbone:
        """The query encoder without its heads: what is exported."""
        return self.query_encoder[0]  # type: ignore[index]

    def forward(
        self, batch: ViewBatch, draws: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """The loss of a micro-batch; see `Method.forward`."""
        views = [batch.first, batch.second] if self.symmetric else [batch.second]
        keys, maps = encode_keys(self.key_encoder, views, draws if self.shuffle else None, with_maps=any(attention))
        if self.symmetric:
            images = guided_queries(batch, maps, attention, draws)
            keys = keys.unflatten(0, (2, -1)).flip(0).flatten(0, 1)  # the first view's queries want the second's keys
        else:
            images = batch.first
        queries = unit(self.predictor(self.query_encoder(images)))

        sources = gather_rows(batch.source)
        own = own_rows(len(batch.source))
        losses, positives = [], []
        for query, key in zip(queries.split(len(batch.source)), keys.split(len(sources)), strict=True):
            positives.append(key[own])
            losses.append(
                info_nce(Rows(query, batch.source), key[own], Rows(key, sources), temperature=self.temperature)
            )
        return MethodOutput(
            loss=2 * self.temperature * torch.stack(losses).sum(),
            queries=queries.detach(),
            positives=torch.cat(positives),
            sources=batch.source.repeat(len(losses)),
            keys=keys[:0],
            key_sources=sources[:0],
        )

    def update_key_encoder(self, momentum: float) -> None:
        """One step of the moving average, after an optimizer update; the predictor has no copy."""
        self.key_encoder.follow(self.query_encoder, momentum)
