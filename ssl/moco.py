"""MoCo v2 (He et al. 2020; Chen, Fan, Girshick, He 2020), for frames of videos."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from lightly.models.modules.heads import MoCoProjectionHead
from torch import Tensor, nn

from framegate.ssl.backbone import Backbone
from framegate.ssl.batch_norm import BatchNorm, set_batch_norm
from framegate.ssl.gather import gather_rows, own_rows
from framegate.ssl.info_nce import info_nce, same_source
from framegate.ssl.key_encoder import KeyEncoder
from framegate.ssl.queue import KeyQueue


class MoCoOutput(NamedTuple):
    """What one forward gives: the loss, and what goes on to the queue once the gradient is taken."""

    loss: Tensor
    """() mean over the batch of this process."""
    queries: Tensor
    """(B or 2B, dim) unit rows, without gradient: for diagnostics."""
    keys: Tensor
    """(processes × B or 2B, dim) unit rows of all processes, the same on each."""
    sources: Tensor
    """The source of each of ``keys``, int64."""


class MoCo(nn.Module):
    """Query encoder, key encoder and queue in one module, with one forward for both views.

    The loss is InfoNCE between a query and the key of the frame's other view. Negatives are the queue and the batch's
    other keys, of all processes, less every key of the query's own source. So the first steps, while the queue is
    empty, have a gradient too, and frames of one video are not pushed apart.

    Args:
        backbone: the query encoder's backbone, which training changes.
        dim: length of a key.
        temperature: τ.
        queue: capacity in keys.
        symmetric: each view is once the query and once the key; twice the query images a step.
        batch_norm: see `framegate.ssl.batch_norm`.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        dim: int = 128,
        temperature: float = 0.2,
        queue: int = 4096,
        symmetric: bool = False,
        batch_norm: BatchNorm = "split",
    ):
        super().__init__()
        head = MoCoProjectionHead(backbone.dim, hidden_dim=backbone.dim, output_dim=dim)
        self.query_encoder = set_batch_norm(nn.Sequential(backbone, head), batch_norm)
        self.key_encoder = KeyEncoder(self.query_encoder)
        self.queue = KeyQueue(queue, dim)
        self.temperature = temperature
        self.symmetric = symmetric

    @property
    def backbone(self) -> Backbone:
        """The query encoder without its projection head: what is exported."""
        return self.query_encoder[0]  # type: ignore[index]

    def forward(self, first: Tensor, second: Tensor, source: Tensor, shuffle: Tensor) -> MoCoOutput:
        """The loss of a batch.

        Args:
            first: (B, 3, S, S) uint8, one view of each frame.
            second: (B, 3, S, S) uint8, the other view.
            source: (B,) int64, equal for frames of the same video.
            shuffle: (B,) int64, where symmetric (2B,), a permutation drawn anew for each step: the order in which the
                key encoder sees its images, so that its batch norm groups differ from the query encoder's.
        """
        # Keys come first: where attention guides the query's view, it is the key encoder that says where it looked.
        if self.symmetric:
            first_key, second_key = self._keys(torch.cat([first, second]), shuffle).chunk(2)
            first_query, second_query = self._queries(torch.cat([first, second])).chunk(2)
            pairs = [(first_query, second_key), (second_query, first_key)]
        else:
            second_key = self._keys(second, shuffle)
            pairs = [(self._queries(first), second_key)]

        sources = gather_rows(source)
        keys = [gather_rows(key) for _, key in pairs]
        # Every pair sees the same queue: pushing between them would make a frame's own key its negative.
        loss = torch.stack(
            [
                self._contrast(query, batch_keys, source, sources)
                for (query, _), batch_keys in zip(pairs, keys, strict=True)
            ]
        ).mean()
        queries = torch.cat([query for query, _ in pairs]).detach()
        return MoCoOutput(loss, queries, torch.cat(keys), sources.repeat(len(keys)))

    def push(self, output: MoCoOutput) -> None:
        """Put a batch's keys into the queue, after its backward pass, which still needs the queue as it was."""
        self.queue.push(output.keys, output.sources)

    def update_key_encoder(self, momentum: float) -> None:
        """One step of the moving average, after an optimizer update."""
        self.key_encoder.follow(self.query_encoder, momentum)

    def _queries(self, images: Tensor) -> Tensor:
        return self._unit(self.query_encoder(images))

    def _keys(self, images: Tensor, shuffle: Tensor) -> Tensor:
        return self._unit(self.key_encoder(images[shuffle]))[torch.argsort(shuffle)]

    def _unit(self, vectors: Tensor) -> Tensor:
        # Under autocast the head's output is half precision, too coarse for similarities divided by τ.
        return F.normalize(vectors.to(self.queue.keys.dtype), dim=1)

    def _contrast(self, query: Tensor, batch_keys: Tensor, source: Tensor, sources: Tensor) -> Tensor:
        """InfoNCE of this process's queries against all processes' keys and the queue."""
        negatives = torch.cat([batch_keys, self.queue.keys])
        excluded = same_source(source, torch.cat([sources, self.queue.sources]))
        return info_nce(query, batch_keys[own_rows(len(query))], negatives, excluded, temperature=self.temperature)
