"""What MoCo v2 and v3 share: a query encoder, a key encoder that follows it, and how views become queries and keys."""

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from framegate.ssl.backbones.backbone import Backbone
from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.info_nce import Rows
from framegate.ssl.methods.guided_views import encode_keys, guided_queries
from framegate.ssl.methods.method import AttentionShares, Method, MethodOutput, unit
from framegate.ssl.modules.batch_norm import BatchNorm, set_batch_norm
from framegate.ssl.modules.gather import gather_rows, own_rows
from framegate.ssl.modules.key_encoder import KeyEncoder


class Contrast(NamedTuple):
    """The queries of one view, and the keys of the frames' other view."""

    queries: Rows
    """(B, dim) unit rows of this process, with gradient"""
    positives: Tensor
    """(B, dim) unit rows: the key of each query's own frame"""
    keys: Rows
    """(processes × B, dim) unit rows of all processes, the positives among them"""


class MomentumContrast(Method):
    """Query encoder and key encoder in one module (He et al. 2020, §3.2); a subclass adds the loss.

    Args:
        backbone: the query encoder's backbone, which training changes.
        head: what projects its features.
        temperature: τ.
        symmetric: each view is once the query and once the key; twice the query images a step.
        batch_norm: see `framegate.ssl.modules.batch_norm`; without ``sync`` the key encoder gets its images shuffled.
    """

    def __init__(
        self, backbone: Backbone, head: nn.Module, *, temperature: float, symmetric: bool, batch_norm: BatchNorm
    ):
        super().__init__()
        self.query_encoder = set_batch_norm(nn.Sequential(backbone, head), batch_norm)
        self.key_encoder = KeyEncoder(self.query_encoder)
        self.temperature = temperature
        self.symmetric = symmetric
        self.shuffle = batch_norm != "sync"

    @property
    def backbone(self) -> Backbone:
        """The query encoder without its heads: what is exported."""
        return cast(Backbone, self.query_encoder.get_submodule("0"))

    def encode_queries(self, images: Tensor) -> Tensor:
        """Encode images (N, 3, S, S) to what is compared with keys: (N, dim), of any length."""
        return cast(Tensor, self.query_encoder(images))

    def contrasts(self, batch: ViewBatch, generator: torch.Generator, attention: AttentionShares) -> list[Contrast]:
        """Encode a micro-batch: the first view's queries with the second's keys, and where symmetric, the reverse.

        Arguments are those of `Method.forward`.
        """
        # Keys come first: where attention guides the query's view, it is the key encoder that says where it looked.
        views = [batch.first, batch.second] if self.symmetric else [batch.second]
        shuffled = generator if self.shuffle else None
        keys, maps = encode_keys(self.key_encoder, views, shuffled, with_maps=any(attention))
        images = guided_queries(batch, maps, attention, generator) if self.symmetric else batch.first
        queries = unit(self.encode_queries(images))

        sources = gather_rows(batch.source)
        own = own_rows(len(batch.source))
        halves = zip(queries.chunk(len(views)), keys.chunk(len(views))[::-1], strict=True)
        return [Contrast(Rows(query, batch.source), key[own], Rows(key, sources)) for query, key in halves]

    def update_key_encoder(self, momentum: float) -> None:
        """Move the key encoder towards the query encoder by one step of the moving average; see `Method`."""
        self.key_encoder.follow(self.query_encoder, momentum)


def contrast_output(loss: Tensor, contrasts: list[Contrast], *, keep_keys: bool) -> MethodOutput:
    """Put together what a forward gives; without ``keep_keys`` there are none for `Method.push`."""
    keys = torch.cat([contrast.keys.vectors for contrast in contrasts])
    key_sources = torch.cat([contrast.keys.sources for contrast in contrasts])
    return MethodOutput(
        loss=loss,
        queries=torch.cat([contrast.queries.vectors for contrast in contrasts]).detach(),
        positives=torch.cat([contrast.positives for contrast in contrasts]),
        sources=torch.cat([contrast.queries.sources for contrast in contrasts]),
        keys=keys if keep_keys else keys[:0],
        key_sources=key_sources if keep_keys else key_sources[:0],
    )
