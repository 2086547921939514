"""MoCo v3 (Chen, Xie, He 2021): a predictor and in-batch negatives, no queue; for frames of videos."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.backbones.vit_start import start_vit
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.info_nce import info_nce
from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, MethodOutput
from framegate.ssl.methods.momentum_contrast import MomentumContrast, contrast_output
from framegate.ssl.modules.batch_norm import BatchNorm, set_batch_norm
from framegate.ssl.modules.projection import projection_head


class MoCoV3(MomentumContrast):
    """Query encoder, predictor and key encoder, with one forward for both views (Chen et al. 2021, algorithm 1).

    Each half of the loss is 2τ · InfoNCE, and the halves are added; the factor keeps one learning rate right for all
    temperatures. Negatives are the keys of the batch's other frames, of all processes, less those of the query's own
    source.

    A vision transformer of random weights starts as the paper's (`framegate.ssl.backbones.vit_start.start_vit`), with
    positions that stay; weights that were learned before are left as they are. Its patch projection stays where
    ``freeze_patches`` says so (§4.2: trained, it makes training unstable).

    Args:
        backbone: the query encoder's backbone, which training changes.
        dim: length of a key.
        hidden: width of the heads: of the projector's two hidden layers, and of the predictor's one. They are those
            that the paper has for transformers, for any backbone.
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
        if backbone.patch_embedding is not None:
            if isinstance(backbone.model, VisionTransformer) and not backbone.is_pretrained:
                start_vit(backbone.model)
            if freeze_patches:
                backbone.patch_embedding.requires_grad_(False)
        projector = _head(backbone.dim, hidden, hidden, dim)
        super().__init__(backbone, projector, temperature=temperature, symmetric=symmetric, batch_norm=batch_norm)
        self.predictor = set_batch_norm(_head(dim, hidden, dim), batch_norm)
        self.register_load_state_dict_pre_hook(_refuse_earlier_heads)  # type: ignore[no-untyped-call]

    @property
    def undecayed(self) -> Sequence[nn.Parameter]:
        """A transformer's class token, and its positions where they are trained."""
        return self.backbone.undecayed

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


def _head(*widths: int) -> nn.Module:
    """All layers have batch norm, the last without weights, after SimCLR's code and MoCo v3's."""
    return projection_head(widths, last_norm=nn.BatchNorm1d(widths[-1], affine=False))


def _refuse_earlier_heads(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """Refuse a state in which the last batch norms have weights: what is trained, and how it began, was another."""
    last = "predictor.layers.4"
    if f"{prefix}{last}.weight" in state and getattr(module.get_submodule(last), "weight", None) is None:
        raise RuntimeError(
            "MoCo v3 had weights in its heads' last batch norm in an earlier framegate, and has none now: start the "
            "run anew under another name (framegate export still writes this run's backbone)"
        )
