"""Losses over log p(node): along the path, level by level, or HXE; with label smoothing and class balance.

Each is a weighted sum of the cross-entropies of the softmaxes that a label's path passes:

    loss = Σ_l w_l · CE_l,   CE_l = −log p(node_l | node_{l−1}),   l = 1..K, K the label's own level

    path     w_l = 1              their sum is −log p(label): plain cross-entropy
    levels   w_l = (K − l + 1)/K  the mean over levels of −log p(node_l)
    hxe      w_l = e^{−α(l−1)}    Bertinetto et al. 2020, weighted by the distance from the root; α = 0 is `path`

A label that is an inner node ends the sum early, so partly labelled clips train what they know.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, NonNegativeFloat
from torch import Tensor

from framegate.finetune.taxonomy.hierarchy import Hierarchy, Part


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """How a clip's label becomes a loss.

    ``alpha``: HXE's discount a level, >= 0. ``balance``: ``logit_adjust`` adds log π(node | parent) to the scores in
    training (Menon et al. 2021); ``class_balanced`` weighs a clip by (1 − β)/(1 − βⁿ) of its label (Cui et al. 2019).
    ``auxiliary``: the weight of the streams' own losses; ``adaptive``: streams that are behind get more of it.
    ``trust``: the weight of the loss that teaches what not to trust, from what was corrupted in training.
    """

    __pydantic_config__: ClassVar = {"extra": "forbid"}
    hierarchy: Literal["path", "levels", "hxe"] = "path"
    alpha: NonNegativeFloat = 0.1
    balance: Literal["none", "logit_adjust", "class_balanced"] = "none"
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    auxiliary: NonNegativeFloat = 0.5
    adaptive: bool = False
    trust: NonNegativeFloat = 1.0


def path_terms(
    log_probs: Tensor,
    labels: Tensor,
    hierarchy: Hierarchy,
    *,
    label_smoothing: float = 0.0,
    log_prior: Tensor | None = None,
) -> Tensor:
    """CE_l of each label's path.

    Args:
        log_probs: log p(node), (B, N).
        labels: node indices (B, K), -1 where a clip has fewer labels.
        hierarchy: the tree.
        label_smoothing: share of each softmax's target given to all siblings alike, in 0..1.
        log_prior: log π(node) up to a constant a family, (N,), added to log p(node | parent) before renormalising.

    Returns:
        (B, K, D), 0 beyond a label's own level.
    """
    conditional = hierarchy.conditional(log_probs)
    if log_prior is not None:
        conditional = hierarchy.sibling_log_softmax(conditional + log_prior)
    path = hierarchy.paths[labels.clamp(min=0)]  # (B, K, D)
    known = (path >= 0) & (labels >= 0).unsqueeze(-1)
    term = -_at(conditional, path)
    if label_smoothing:
        uniform = -_at(hierarchy.sibling_mean(conditional), path)
        term = (1 - label_smoothing) * term + label_smoothing * uniform
    return term.masked_fill(~known, 0.0)


def _at(values: Tensor, nodes: Tensor) -> Tensor:
    """``values`` (B, N) at ``nodes`` (B, K, D); -1 takes any."""
    return values.gather(1, nodes.clamp(min=0).flatten(1)).view(nodes.shape)


def level_weights(labels: Tensor, hierarchy: Hierarchy, *, kind: str, alpha: float, dtype: torch.dtype) -> Tensor:
    """w_l (B, K, D) of each label (B, K); see the module's table."""
    step = torch.arange(hierarchy.depth, device=labels.device, dtype=dtype)
    label_level = hierarchy.level[labels.clamp(min=0)].unsqueeze(-1)
    if kind == "levels":
        return (label_level - step).clamp(min=0) / label_level
    discount = alpha if kind == "hxe" else 0.0
    return torch.exp(-discount * step).expand(*labels.shape, -1)


def hierarchical_loss(
    log_probs: Tensor,
    labels: Tensor,
    hierarchy: Hierarchy,
    config: LossConfig,
    *,
    counts: Tensor | None = None,
    part: Part | None = None,
) -> Tensor:
    """The loss of each clip (B,): the mean over its labels, 0 for a clip without any.

    Args:
        log_probs: log p(node), (B, N), or of the ``part`` alone (B, n).
        labels: node indices (B, K), -1 where a clip has fewer labels.
        hierarchy: the tree.
        config: which loss; its ``balance`` needs ``counts``.
        counts: training clips at or below each node (N,), from :func:`count_labels`.
        part: the part of the tree along ``labels`` that ``log_probs`` are of; None: the whole.
    """
    prior = (counts + 1).log() if config.balance == "logit_adjust" and counts is not None else None
    terms = path_terms(
        log_probs,
        labels if part is None else part.labels,
        hierarchy if part is None else part.hierarchy,
        label_smoothing=config.label_smoothing,
        log_prior=prior if prior is None or part is None else prior[part.nodes],
    )
    weights = level_weights(labels, hierarchy, kind=config.hierarchy, alpha=config.alpha, dtype=terms.dtype)
    each = (weights * terms).sum(dim=-1)
    if config.balance == "class_balanced" and counts is not None:
        each = each * class_balanced_weights(counts, hierarchy)[labels.clamp(min=0)]
    labelled = labels >= 0
    return (each * labelled).sum(dim=1) / labelled.sum(dim=1).clamp(min=1)


def count_labels(labels: Tensor, hierarchy: Hierarchy) -> Tensor:
    """Training clips labelled with each node or one below it, (N,) float32; ``labels`` (B, K) padded with -1."""
    at_nodes = torch.bincount(labels[labels >= 0], minlength=len(hierarchy)).float()
    return hierarchy.totals(at_nodes)


def class_balanced_weights(counts: Tensor, hierarchy: Hierarchy, *, beta: float = 0.999) -> Tensor:
    """(1 − β)/(1 − βⁿ) for each node (N,), scaled to mean 1 over the clips at leaves; 1 for nodes without clips."""
    seen = counts > 0
    raw = (1 - beta) / (1 - beta ** counts.clamp(min=1))
    leaf_counts = counts[hierarchy.leaves]
    mean = (raw[hierarchy.leaves] * leaf_counts).sum() / leaf_counts.sum().clamp(min=1)
    return torch.where(seen, raw / mean.clamp(min=torch.finfo(raw.dtype).tiny), 1.0)


def log_prior(counts: Tensor, hierarchy: Hierarchy) -> Tensor:
    """log p(node) (N,) of a clip that shows nothing: add-one estimates among siblings, multiplied along the path."""
    return hierarchy.log_probs((counts + 1).log())
