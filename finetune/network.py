"""From streams to an answer: what every multimodal classifier here shares, whatever its streams are made of."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from framegate.finetune.alterations import Alterations
from framegate.finetune.batch import MODALITIES, ClipBatch
from framegate.finetune.experts import HeadConfig, PathHead, make_head
from framegate.finetune.fusion import FusionConfig, StreamStates, make_fusion
from framegate.finetune.gates import ContextGate
from framegate.finetune.hierarchy import Hierarchy, Part
from framegate.finetune.losses import count_labels, log_prior
from framegate.finetune.output import ClassifierOutput
from framegate.finetune.quality import QUALITIES


class FusionNetwork(nn.Module):
    """Streams of a clip → log-probabilities over every node of a taxonomy.

        h_m = stream_m(x_m)                     for each modality present
        v, r = fusion(h, presence, quality, each stream's own prediction)
        log p(node) = experts(gate(v))

    Any subset of the modalities works; with none, the answer is the prior of the training labels.

    Args:
        streams: by modality, each (content, mask) -> :class:`~framegate.finetune.streams.StreamState`.
        hierarchy: the tree of categories.
        fusion: how the streams become one.
        head: how one vector becomes log-probabilities.
    """

    counts: Tensor

    def __init__(
        self, streams: Mapping[str, nn.Module], hierarchy: Hierarchy, *, fusion: FusionConfig, head: HeadConfig
    ) -> None:
        super().__init__()
        self.hierarchy, self.fusion_config, self.head_config = hierarchy, fusion, head
        self.streams = nn.ModuleDict(streams)
        self.stream_heads = nn.ModuleDict({name: PathHead(fusion.width, hierarchy, rank=head.rank) for name in streams})
        self.fusion = make_fusion(fusion, len(MODALITIES), hierarchy)
        self.gate = ContextGate(fusion.width)
        self.dropout = nn.Dropout(0.3)
        self.head = make_head(head, fusion.width, hierarchy)
        self.register_buffer("counts", torch.zeros(len(hierarchy)))

    @property
    def alterations(self) -> Alterations:
        """What :func:`~framegate.finetune.alterations.alter` does to this model's training batches."""
        fusion = self.fusion_config
        return Alterations(dropout=fusion.modality_dropout, swap=fusion.swap, noise=fusion.noise)

    def count_labels(self, labels: Tensor) -> None:
        """Learn the prior from the training labels (n, K), padded with -1."""
        self.counts.copy_(count_labels(labels.to(self.counts.device), self.hierarchy))

    def forward(self, batch: ClipBatch) -> ClassifierOutput:
        """Classify a batch.

        In training, a model with ``head.rank`` answers over the families along the batch's labels alone (``part``).
        """
        part = self.hierarchy.part(batch.labels) if self.training and self.head_config.rank is not None else None
        return self.fuse(self.encode(batch, part), part)

    def fuse(self, states: StreamStates, part: Part | None = None) -> ClassifierOutput:
        """Classify from what the streams say; over ``part`` of the tree alone if one is given."""
        fused = self.fusion(states)
        some = states.present.any(dim=1)
        vector = self.gate(fused.vector, some)
        log_probs = self.head(self.dropout(vector), part)
        prior = log_prior(self.counts, self.hierarchy)
        return ClassifierOutput(
            log_probs=torch.where(some.unsqueeze(1), log_probs, prior if part is None else prior[part.nodes]),
            reliability=fused.reliability,
            score=fused.score,
            stream_log_probs=states.log_probs if part is None else self.stream_log_probs(states.hidden, part),
            present=states.present,
            embedding=vector,
            part=part,
        )

    def stream_log_probs(self, hidden: Tensor, part: Part | None = None) -> Tensor:
        """Each stream's own log p(node) (B, 3, N) from ``hidden`` (B, 3, W); 0 for streams that the model lacks."""
        each = [
            self.stream_heads[name](h, part) if name in self.stream_heads else None
            for name, h in zip(MODALITIES, hidden.unbind(dim=1), strict=True)
        ]
        nothing = next(torch.zeros_like(log_probs) for log_probs in each if log_probs is not None)
        return torch.stack([nothing if log_probs is None else log_probs for log_probs in each], dim=1)

    def encode(self, batch: ClipBatch, part: Part | None = None) -> StreamStates:
        """Run the streams that the model and the batch both have.

        Where the loss is over a ``part`` of the tree, the whole predictions carry no gradient: fusion needs none.
        """
        size, width = len(batch), self.fusion_config.width
        hidden, quality, present = [], [], []
        for name, content, mask in zip(
            MODALITIES, (batch.frames, batch.audio, batch.tokens), batch.masks(), strict=True
        ):
            if name in self.streams and content is not None and mask is not None:
                state = self.streams[name](content, mask)
                hidden.append(state.hidden)
                quality.append(state.quality)
                present.append(mask.any(dim=1))
            else:
                hidden.append(self.counts.new_zeros(size, width))
                quality.append(self.counts.new_zeros(size, QUALITIES))
                present.append(torch.zeros(size, dtype=torch.bool, device=self.counts.device))
        together = torch.stack(hidden, dim=1)
        with torch.set_grad_enabled(torch.is_grad_enabled() and part is None):
            log_probs = self.stream_log_probs(together)
        return StreamStates(
            hidden=together,
            quality=torch.stack(quality, dim=1),
            log_probs=log_probs,
            present=torch.stack(present, dim=1),
        )
