"""What a batch is trained on: the fused prediction, each stream's own, and trust in what belongs to the clip."""

from dataclasses import dataclass

import torch
from torch import Tensor

from framegate.finetune.hierarchy import Hierarchy
from framegate.finetune.losses import LossConfig, hierarchical_loss
from framegate.finetune.output import ClassifierOutput


@dataclass(frozen=True, kw_only=True)
class TrainingLoss:
    """``total`` is what to minimise; the others are its parts, unweighted: scalars, and ``streams`` (3,)."""

    total: Tensor
    fused: Tensor
    streams: Tensor
    trust: Tensor


def training_loss(
    output: ClassifierOutput,
    labels: Tensor,
    own: Tensor,
    hierarchy: Hierarchy,
    config: LossConfig,
    *,
    counts: Tensor | None = None,
) -> TrainingLoss:
    """total = fused + auxiliary · Σ_m streams_m + trust · trust, each the mean over the clips that it concerns.

    Args:
        output: of a batch from :func:`~framegate.finetune.alterations.alter`.
        labels: nodes (B, K), -1 where a clip has fewer.
        own: (B, 3) bool, True where a modality is present and the clip's own; streams learn from these alone.
        hierarchy: the tree.
        config: kind and weights.
        counts: training clips at or below each node (N,), for the class balance.
    """
    labelled = (labels >= 0).any(dim=1)
    fused = _mean(
        hierarchical_loss(output.log_probs, labels, hierarchy, config, counts=counts, part=output.part),
        labelled & output.present.any(dim=1),
    )
    streams = torch.stack(
        [
            _mean(
                hierarchical_loss(log_probs, labels, hierarchy, config, counts=counts, part=output.part),
                labelled & own[:, m],
            )
            for m, log_probs in enumerate(output.stream_log_probs.unbind(dim=1))
        ]
    )
    altered = output.present & ~own
    trusted = (output.reliability * own).sum(dim=1).clamp(min=1e-4)
    trust = _mean(-trusted.log(), altered.any(dim=1) & own.any(dim=1))
    total = fused + config.auxiliary * streams.sum() + config.trust * trust
    return TrainingLoss(total=total, fused=fused, streams=streams, trust=trust)


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    return (values * rows).sum() / rows.sum().clamp(min=1)
