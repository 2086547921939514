"""MoCo v3 (Chen, Xie, He 2021): a predictor and in-batch negatives, no queue; for frames of videos."""

from typing import cast

import torch
from lightly.models.modules.heads import MoCoProjectionHead
from torch import Tensor

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.info_nce import info_nce
from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, MethodOutput
from framegate.ssl.methods.momentum_contrast import MomentumContrast, contrast_output
from framegate.ssl.modules.batch_norm import BatchNorm, set_batch_norm


class MoCoV3(MomentumContrast):
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
        projector = MoCoProjectionHead(backbone.dim, hidden, dim, num_layers=3, batch_norm=True)
        super().__init__(backbone, projector, temperature=temperature, symmetric=symmetric, batch_norm=batch_norm)
        predictor = MoCoProjectionHead(dim, hidden, dim, num_layers=2, batch_norm=True)
        self.predictor = set_batch_norm(predictor, batch_norm)
        if freeze_patches and backbone.patch_embedding is not None:
            backbone.patch_embedding.requires_grad_(False)

    def encode_queries(self, images: Tensor) -> Tensor:
        """Encode images (N, 3, S, S) and predict their keys (N, dim); the predictor has no copy in the key encoder."""
        return cast(Tensor, self.predictor(self.query_encoder(images)))

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """Compute the loss of a micro-batch; see `Method.forward`."""
        contrasts = self.contrasts(batch, generator, attention)
        losses = [info_nce(half.queries, half.positives, half.keys, temperature=self.temperature) for half in contrasts]
        return contrast_output(2 * self.temperature * torch.stack(losses).sum(), contrasts, keep_keys=False)
