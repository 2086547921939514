"""From streams to an answer: what every multimodal classifier here shares, whatever its streams are made of."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from framegate.finetune.data.batch import MODALITIES, ClipBatch, Modality
from framegate.finetune.data.corruption import Corruptions
from framegate.finetune.data.mixup import Mixup
from framegate.finetune.evaluation.calibration import calibrated
from framegate.finetune.fusion.fusion import FusionConfig, StreamStates, make_fusion
from framegate.finetune.heads.experts import PathHead
from framegate.finetune.heads.heads import HeadConfig, make_head
from framegate.finetune.heads.multilabel import MultiLabelExperts, Questions
from framegate.finetune.losses.path_losses import count_labels, log_prior
from framegate.finetune.output import ClassifierOutput
from framegate.finetune.streams.gates import ContextGate
from framegate.finetune.streams.quality import QUALITIES
from framegate.finetune.taxonomy.hierarchy import Hierarchy, Part


class FusionNetwork(nn.Module):
    """Streams of a clip → log-probabilities over every node of a taxonomy.

        h_m = stream_m(x_m)                     for each modality present
        v, r = fusion(h, presence, quality, each stream's own prediction)
        log p(node) = experts(gate(v))

    Any subset of the modalities works; with none, the answer is the prior of the training labels. ``mean`` fusion has
    no experts: its answer is the mean of the present streams' own logits.

    Args:
        streams: by modality, each (content, mask) -> :class:`~framegate.finetune.streams.streams.StreamState`.
        hierarchy: the tree of categories.
        fusion: how the streams become one.
        head: how one vector becomes log-probabilities.
    """

    counts: Tensor
    temperature: Tensor

    def __init__(
        self, streams: Mapping[Modality, nn.Module], hierarchy: Hierarchy, *, fusion: FusionConfig, head: HeadConfig
    ) -> None:
        super().__init__()
        self.hierarchy, self.fusion_config, self.head_config = hierarchy, fusion, head
        self.streams = nn.ModuleDict({str(name): stream for name, stream in streams.items()})
        self.stream_heads = nn.ModuleDict({name: PathHead(fusion.width, hierarchy, rank=head.rank) for name in streams})
        self.fusion = make_fusion(fusion, len(MODALITIES), hierarchy)
        answers = fusion.name != "mean"  # whose streams answer for themselves
        self.gate = ContextGate(fusion.width) if answers else None
        self.dropout = nn.Dropout(0.3)
        self.head = make_head(head, fusion.width, hierarchy) if answers else None
        self.register_buffer("counts", torch.zeros(len(hierarchy)))
        self.register_buffer("temperature", torch.ones(hierarchy.depth))

    @property
    def corruptions(self) -> Corruptions:
        """What :func:`~framegate.finetune.data.corruption.corrupt` does to this model's training batches."""
        return self.fusion_config.corruptions

    def count_labels(self, labels: Tensor) -> None:
        """Learn the prior from the training labels (n, K), padded with -1."""
        self.counts.copy_(count_labels(labels.to(self.counts.device), self.hierarchy))
        if isinstance(self.head, MultiLabelExperts):
            self.head.learn_prior(labels)

    def forward(self, batch: ClipBatch, mixup: Mixup | None = None) -> ClassifierOutput:
        """Classify a batch, its clips' streams mixed with each other's by ``mixup``.

        In training, a model with ``head.rank`` answers over the families along the batch's labels alone (``part``).
        """
        part = self.hierarchy.part(batch.labels) if self.training and self.head_config.rank is not None else None
        return self.fuse(self.encode(batch, mixup, part), part)

    def fuse(self, states: StreamStates, part: Part | None = None) -> ClassifierOutput:
        """Classify from what the streams say; over ``part`` of the tree alone if one is given.

        In evaluation mode the answer is calibrated by ``temperature`` (D,), see ``calibration.py``; what the streams
        say by themselves is not.
        """
        fused = self.fusion(states)
        some = states.present.any(dim=1)
        vector = fused.vector if self.gate is None else self.gate(fused.vector, some)
        of_streams = states.log_probs if part is None else self.stream_log_probs(states.hidden, part)
        log_probs, questions = self._answer(vector, of_streams, states.present, part)
        prior = self.head.prior if isinstance(self.head, MultiLabelExperts) else states.prior
        return ClassifierOutput(
            log_probs=torch.where(some.unsqueeze(1), log_probs, prior if part is None else prior[part.nodes]),
            reliability=fused.reliability,
            score=fused.score,
            trust=fused.trust,
            verdict=None if fused.verdict is None else self._over_the_tree(fused.verdict),
            stream_log_probs=of_streams,
            present=states.present,
            embedding=vector,
            questions=questions,
            part=part,
        )

    def _answer(
        self, vector: Tensor, of_streams: Tensor, present: Tensor, part: Part | None
    ) -> tuple[Tensor, Questions | None]:
        """log p(node) (B, N) or (B, n), and of a multi-label head what it says to each node's question."""
        tree = self.hierarchy if part is None else part.hierarchy
        if isinstance(self.head, MultiLabelExperts):
            questions = self.head(self.dropout(vector), part)
            if not self.training:
                questions = questions.calibrated(self.temperature, self.hierarchy)
            return tree.along_paths(questions.yes), questions
        if self.head is None:
            log_probs = mean_of_logits(of_streams, present, tree)
        else:
            log_probs = self.head(self.dropout(vector), part)
        if not self.training:
            log_probs = calibrated(log_probs, self.temperature, self.hierarchy)
        return log_probs, None

    @property
    def multilabel(self) -> bool:
        """Whether a clip may have several labels: each node is a question of its own, and siblings share nothing."""
        return isinstance(self.head, MultiLabelExperts)

    def _over_the_tree(self, of_leaves: Tensor) -> Tensor:
        """log p(node) (B, N) from log p(leaf) (B, L)."""
        leaves = self.hierarchy.leaves
        return self.hierarchy.from_leaves(
            of_leaves.new_zeros(of_leaves.shape[0], len(self.hierarchy)).index_copy(-1, leaves, of_leaves)
        )

    def stream_log_probs(self, hidden: Tensor, part: Part | None = None) -> Tensor:
        """Each stream's own log p(node) (B, 3, N) from ``hidden`` (B, 3, W); 0 for streams that the model lacks."""
        each = [
            self.stream_heads[name](h, part) if name in self.stream_heads else None
            for name, h in zip(MODALITIES, hidden.unbind(dim=1), strict=True)
        ]
        nothing = next(torch.zeros_like(log_probs) for log_probs in each if log_probs is not None)
        return torch.stack([nothing if log_probs is None else log_probs for log_probs in each], dim=1)

    def encode(self, batch: ClipBatch, mixup: Mixup | None = None, part: Part | None = None) -> StreamStates:
        """Run the streams that the model and the batch both have, and mix what they give.

        Where the loss is over a ``part`` of the tree, the whole predictions carry no gradient: fusion needs none.
        """
        size, width = len(batch), self.fusion_config.width
        hidden, quality, present = [], [], []
        for modality in MODALITIES:
            if modality in self.streams and modality in batch.content:
                mask = batch.masks[modality]
                state = self.streams[modality](batch.content[modality], mask)
                vector = mixup.mix(state.hidden) if mixup is not None else state.hidden
                hidden.append(vector)
                quality.append(state.quality)
                present.append(mask.any(dim=1))
            else:
                hidden.append(self.counts.new_zeros(size, width))
                quality.append(self.counts.new_zeros(size, QUALITIES))
                present.append(torch.zeros(size, dtype=torch.bool, device=self.counts.device))
        together = torch.stack(hidden, dim=1), torch.stack(quality, dim=1), torch.stack(present, dim=1)
        return self.states(*together, predictions_learn=part is None)

    def states(
        self, hidden: Tensor, quality: Tensor, present: Tensor, *, predictions_learn: bool = True
    ) -> StreamStates:
        """All that fusion needs from what the streams gave: their own predictions, too, and the prior."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and predictions_learn):
            log_probs = self.stream_log_probs(hidden)
        return StreamStates(
            hidden=hidden,
            quality=quality,
            present=present,
            log_probs=log_probs,
            prior=log_prior(self.counts, self.hierarchy),
        )


def mean_of_logits(log_probs: Tensor, present: Tensor, hierarchy: Hierarchy) -> Tensor:
    """log p(node) (B, N) of the mean of the present streams' logits, from their own log p(node) (B, M, N).

    A softmax's logs are its logits up to a constant, which the next softmax does not see.
    """
    share = present / present.sum(dim=1, keepdim=True).clamp(min=1)
    return hierarchy.log_probs((hierarchy.conditional(log_probs) * share.unsqueeze(-1)).sum(dim=1))
