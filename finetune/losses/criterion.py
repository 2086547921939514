"""What a batch is trained on: the fused prediction, each stream's own, and trust in what belongs to the clip."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from framegate.finetune.data.mixup import Mixup
from framegate.finetune.losses.multilabel_loss import multilabel_loss
from framegate.finetune.losses.path_losses import LossConfig, hierarchical_loss
from framegate.finetune.output import ClassifierOutput
from framegate.finetune.taxonomy.hierarchy import Hierarchy, Part


@dataclass(frozen=True, kw_only=True)
class TrainingLoss:
    """``total`` is what to minimise; the others are its parts, unweighted: scalars, and ``streams`` (3,).

    ``corrupted``, no part: by modality, the sum of ``fused`` over the clips of which it alone was corrupted, and their
    number, (2, 3), for :class:`~framegate.finetune.data.corruption.SwapRates`.
    """

    total: Tensor
    fused: Tensor
    streams: Tensor
    trust: Tensor
    corrupted: Tensor


def training_loss(
    output: ClassifierOutput,
    labels: Tensor,
    intact: Tensor,
    hierarchy: Hierarchy,
    config: LossConfig,
    *,
    counts: Tensor | None = None,
    mixup: Mixup | None = None,
) -> TrainingLoss:
    """total = fused + auxiliary · Σ_m w_m streams_m + trust · trust, each the mean over the clips that it concerns.

    w_m is 1, or with ``config.adaptive`` :func:`laziness` of stream m.

    Args:
        output: of a batch from :func:`~framegate.finetune.data.corruption.corrupt`.
        labels: nodes (B, K), -1 where a clip has fewer.
        intact: (B, 3) bool, True where a modality is present and the clip's own; streams learn from these alone.
        hierarchy: the tree.
        config: kind and weights.
        counts: training clips at or below each node (N,), for the class balance.
        mixup: how the clips were mixed; their labels' losses are mixed alike.
    """
    labelled = (labels >= 0).any(dim=1)

    def mixed(loss: Callable[[Tensor, Part | None], Tensor], part: Part | None) -> Tensor:
        if mixup is None:
            return loss(labels, part)
        partners = None if part is None else replace(part, labels=part.labels[mixup.partner])
        return mixup.share * loss(labels, part) + (1 - mixup.share) * loss(labels[mixup.partner], partners)

    def loss_of(log_probs: Tensor, part: Part | None) -> Tensor:
        def of(nodes: Tensor, part: Part | None) -> Tensor:
            return hierarchical_loss(log_probs, nodes, hierarchy, config, counts=counts, part=part)

        return mixed(of, part)

    questions = output.questions
    if questions is None:
        each = loss_of(output.log_probs, output.part)
    else:
        each = mixed(lambda nodes, part: multilabel_loss(questions, nodes, hierarchy, config, part=part), output.part)
    answered = labelled & output.present.any(dim=1)
    fused = _mean(each, answered)
    streams = torch.stack(
        [
            _mean(loss_of(log_probs, output.part), labelled & intact[:, m])
            for m, log_probs in enumerate(output.stream_log_probs.unbind(dim=1))
        ]
    )
    trust = _trust_loss(output, intact, loss_of, labelled)
    weights = laziness(streams) if config.adaptive else torch.ones_like(streams)
    total = fused + config.auxiliary * (weights * streams).sum() + config.trust * trust
    corrupted = _of_corrupted(each.detach(), output.present & ~intact, answered)
    return TrainingLoss(total=total, fused=fused, streams=streams, trust=trust, corrupted=corrupted)


def laziness(streams: Tensor) -> Tensor:
    """Weights of mean 1 over the streams that are there, in the ratio of their losses (M,); no gradient.

    Joint training stops teaching a stream once the others explain the labels (Wang et al. 2020). Whoever is behind gets
    more of its own loss; a stream that nobody has in this batch, whose loss is 0, gets none.
    """
    losses = streams.detach()
    return losses * (losses > 0).sum() / losses.sum().clamp(min=torch.finfo(losses.dtype).tiny)


def _trust_loss(
    output: ClassifierOutput, intact: Tensor, loss_of: Callable[[Tensor, None], Tensor], labelled: Tensor
) -> Tensor:
    """Compute the loss that teaches which modalities to trust.

    A modality that was corrupted here is to be distrusted: −log(1 − trust). One that was not may still be broken, so
    nobody is told to trust it; trust is what makes the verdict right, and the label tells that. A fusion without
    trust learns to leave its reliability to what was not corrupted.
    """
    corrupted = output.present & ~intact
    if output.trust is not None and output.verdict is not None:
        verdict = _mean(loss_of(output.verdict, None), labelled & output.present.any(dim=1))
        return verdict + _mean(-(1 - output.trust).clamp(min=1e-4).log(), corrupted)
    trusted = (output.reliability * intact).sum(dim=1).clamp(min=1e-4)
    return _mean(-trusted.log(), corrupted.any(dim=1) & intact.any(dim=1))


def _of_corrupted(each: Tensor, corrupted: Tensor, answered: Tensor) -> Tensor:
    alone = corrupted & (corrupted.sum(dim=1) == 1).unsqueeze(1) & answered.unsqueeze(1)
    return torch.stack([(each.unsqueeze(1) * alone).sum(dim=0), alone.sum(dim=0).to(each.dtype)])


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    return (values * rows).sum() / rows.sum().clamp(min=1)
