"""MoCo v2 (He et al. 2020; Chen, Fan, Girshick, He 2020), for frames of videos."""

import torch
from lightly.models.modules.heads import MoCoProjectionHead
from torch import nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.info_nce import Rows, info_nce
from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, MethodOutput
from framegate.ssl.methods.momentum_contrast import MomentumContrast, contrast_output
from framegate.ssl.modules.batch_norm import BatchNorm
from framegate.ssl.modules.key_queue import KeyQueue


class MoCo(MomentumContrast):
    """Query encoder, key encoder and queue in one module, with one forward for both views.

    The loss is InfoNCE between a query and the key of the frame's other view. Negatives are the queue and the batch's
    other keys, of all processes, less every key of the query's own source. So the first steps, while the queue is
    empty, have a gradient too, and frames of one video are not pushed apart.

    Args:
        backbone: the query encoder's backbone, which training changes.
        dim: length of a key; None: there is no projection head, and keys are the backbone's features. A head takes on
            itself what the loss wants invariant, and leaves the features with it (Chen et al. 2020, §4.2): good where
            views differ in what features should tell, such as colour, bad where they differ in overlays.
        temperature: τ.
        queue: capacity in keys.
        symmetric: each view is once the query and once the key; twice the query images a step.
        batch_norm: see `framegate.ssl.modules.batch_norm`.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        dim: int | None = 128,
        temperature: float = 0.2,
        queue: int = 4096,
        symmetric: bool = False,
        batch_norm: BatchNorm = "split",
    ):
        head: nn.Module = nn.Identity()
        if dim is not None:
            head = MoCoProjectionHead(backbone.dim, hidden_dim=backbone.dim, output_dim=dim)
        super().__init__(backbone, head, temperature=temperature, symmetric=symmetric, batch_norm=batch_norm)
        self.queue = KeyQueue(queue, dim or backbone.dim)

    def forward(
        self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """Compute the loss of a micro-batch; see `Method.forward`."""
        contrasts = self.contrasts(batch, generator, attention)
        # Every query sees the same queue: pushing between the halves would make a frame's own key its negative.
        queue = Rows(self.queue.keys, self.queue.sources)
        losses = [
            info_nce(half.queries, half.positives, half.keys, queue, temperature=self.temperature) for half in contrasts
        ]
        return contrast_output(torch.stack(losses).mean(), contrasts, keep_keys=True)

    def push(self, output: MethodOutput) -> None:
        """Put a micro-batch's keys into the queue; see `Method.push`."""
        self.queue.push(output.keys, output.key_sources)
