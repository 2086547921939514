"""MoCo v2 (He et al. 2020; Chen, Fan, Girshick, He 2020), for frames of videos."""

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
from framegate.ssl.modules.key_queue import KeyQueue


class MoCo(Method):
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
        super().__init__()
        head: nn.Module = nn.Identity()
        if dim is not None:
            head = MoCoProjectionHead(backbone.dim, hidden_dim=backbone.dim, output_dim=dim)
        self.query_encoder = set_batch_norm(nn.Sequential(backbone, head), batch_norm)
        self.key_encoder = KeyEncoder(self.query_encoder)
        self.queue = KeyQueue(queue, dim or backbone.dim)
        self.temperature = temperature
        self.symmetric = symmetric
        self.shuffle = batch_norm != "sync"

    @property
    def backbone(self) -> Backbone:
        """The query encoder without its projection head: what is exported."""
        return self.query_encoder[0]  # type: ignore[index]

    def forward(
        self, batch: ViewBatch, draws: torch.Generator, attention: AttentionShares = NO_ATTENTION
    ) -> MethodOutput:
        """The loss of a micro-batch; see `Method.forward`."""
        # Keys come first: where attention guides the query's view, it is the key encoder that says where it looked.
        views = [batch.first, batch.second] if self.symmetric else [batch.second]
        keys, maps = encode_keys(self.key_encoder, views, draws if self.shuffle else None, with_maps=any(attention))
        if self.symmetric:
            images = guided_queries(batch, maps, attention, draws)
            keys = keys.unflatten(0, (2, -1)).flip(0).flatten(0, 1)  # the first view's queries want the second's keys
        else:
            images = batch.first
        queries = unit(self.query_encoder(images))

        # Every query sees the same queue: pushing between the halves would make a frame's own key its negative.
        sources = gather_rows(batch.source)
        waiting = Rows(self.queue.keys, self.queue.sources)
        own = own_rows(len(batch.source))
        losses, positives = [], []
        for query, key in zip(queries.split(len(batch.source)), keys.split(len(sources)), strict=True):
            positives.append(key[own])
            loss = info_nce(
                Rows(query, batch.source), key[own], Rows(key, sources), waiting, temperature=self.temperature
            )
            losses.append(loss)
        return MethodOutput(
            loss=torch.stack(losses).mean(),
            queries=queries.detach(),
            positives=torch.cat(positives),
            sources=batch.source.repeat(len(losses)),
            keys=keys,
            key_sources=sources.repeat(len(losses)),
        )

    def push(self, output: MethodOutput) -> None:
        """Put a micro-batch's keys into the queue; see `Method.push`."""
        self.queue.push(output.keys, output.key_sources)

    def update_key_encoder(self, momentum: float) -> None:
        """One step of the moving average, after an optimizer update."""
        self.key_encoder.follow(self.query_encoder, momentum)
