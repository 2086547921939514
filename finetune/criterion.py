"""What a batch is trained on: the fused prediction, each stream's own, and trust in what belongs to the clip."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from framegate.finetune.hierarchy import Hierarchy, Part
from framegate.finetune.losses import LossConfig, hierarchical_loss
from framegate.finetune.mixup import Mixup
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
    mixup: Mixup | None = None,
) -> TrainingLoss:
    """total = fused + auxiliary · Σ_m w_m streams_m + trust · trust, each the mean over the clips that it concerns.

    w_m is 1, or with ``config.adaptive`` :func:`laziness` of stream m.

    Args:
        output: of a batch from :func:`~framegate.finetune.alterations.alter`.
        labels: nodes (B, K), -1 where a clip has fewer.
        own: (B, 3) bool, True where a modality is present and the clip's own; streams learn from these alone.
        hierarchy: the tree.
        config: kind and weights.
        counts: training clips at or below each node (N,), for the class balance.
        mixup: how the clips were mixed; their labels' losses are mixed alike.
    """
    labelled = (labels >= 0).any(dim=1)

    def loss_of(log_probs: Tensor, nodes: Tensor, part: Part | None) -> Tensor:
        return hierarchical_loss(log_probs, nodes, hierarchy, config, counts=counts, part=part)

    def mixed(loss: Callable[[Tensor], Tensor]) -> Tensor:
        """``loss`` (…, B) of the labels, mixed as the clips were."""
        if mixup is None:
            return loss(labels)
        return mixup.share * loss(labels) + (1 - mixup.share) * loss(labels[mixup.partner])

    def of_streams(nodes: Tensor) -> Tensor:
        each = [loss_of(log_probs, nodes, output.part) for log_probs in output.stream_log_probs.unbind(dim=1)]
        losses = torch.stack(each)
        return losses * responsibility(output, nodes, hierarchy).T if config.responsible else losses

    some = labelled & output.present.any(dim=1)
    fused = _mean(mixed(lambda nodes: loss_of(output.log_probs, nodes, output.part)), some)
    streams = _mean(mixed(of_streams), labelled & own.T)
    trust = _trust_loss(output, own)
    if (verdict := output.verdict) is not None:
        trust = trust + _mean(mixed(lambda nodes: loss_of(verdict, nodes, None)), some)
    weights = laziness(streams) if config.adaptive else torch.ones_like(streams)
    total = fused + config.auxiliary * (weights * streams).sum() + config.trust * trust
    return TrainingLoss(total=total, fused=fused, streams=streams, trust=trust)


def responsibility(output: ClassifierOutput, labels: Tensor, hierarchy: Hierarchy) -> Tensor:
    """How likely each modality is the clip's own now that the label is known, (B, 3) in 0..1; no gradient.

        p(o_m | y) = σ(s_m + e_m(y)), of an inner node or several labels the mean over the leaves below by the verdict

    The E step of expectation-maximisation (Dempster et al. 1977) for the model of
    :class:`~framegate.finetune.fusion.ReliabilityFusion`: among clips of which some modalities are broken and nothing
    says so, a stream is not to learn this clip's label from another clip's sound. 1 for fusions without belief.
    """
    if output.belief is None or output.verdict is None:
        return torch.ones_like(output.score)
    below = hierarchy.leaves_below(labels)
    lowest = torch.finfo(output.verdict.dtype).min
    verdict = output.verdict[:, hierarchy.leaves].masked_fill(~below, lowest).softmax(dim=-1)
    return (output.belief.sigmoid() * verdict.unsqueeze(1)).sum(dim=-1).detach()


def laziness(streams: Tensor) -> Tensor:
    """Weights of mean 1 over the streams that are there, in the ratio of their losses (M,); no gradient.

    Joint training stops teaching a stream once the others explain the labels (Wang et al. 2020). Whoever is behind gets
    more of its own loss; a stream that nobody has in this batch, whose loss is 0, gets none.
    """
    losses = streams.detach()
    return losses * (losses > 0).sum() / losses.sum().clamp(min=torch.finfo(losses.dtype).tiny)


def _trust_loss(output: ClassifierOutput, own: Tensor) -> Tensor:
    """What teaches whom to distrust: what was altered here, −log(1 − trust).

    A modality that was not altered may be broken all the same, so nobody is told to trust it; trust is what makes the
    verdict right, and the label tells that. A fusion without trust learns to leave its reliability to what was not
    altered.
    """
    altered = output.present & ~own
    if output.trust is not None:
        return _mean(-(1 - output.trust).clamp(min=1e-4).log().flatten(), altered.flatten())
    trusted = (output.reliability * own).sum(dim=1).clamp(min=1e-4)
    return _mean(-trusted.log(), altered.any(dim=1) & own.any(dim=1))


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    """The mean of ``values`` (…, B) over the clips for which ``rows`` (…, B) is True; 0 where there is none."""
    return (values * rows).sum(dim=-1) / rows.sum(dim=-1).clamp(min=1)
