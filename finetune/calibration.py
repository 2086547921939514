"""Calibration: one temperature a level, fitted on clips that were not trained on (Guo et al. 2017, level by level).

Where streams also answer by themselves, their verdict's share in the answer is fitted with it: training clips cannot
tell it, for the head knows them by heart.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from framegate.finetune.hierarchy import Hierarchy
from framegate.finetune.losses import path_terms


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """``temperature`` (D,), > 0, and the verdict's ``share`` (D,) in 0..1, of each level's softmaxes."""

    temperature: Tensor
    share: Tensor


def calibrated(log_probs: Tensor, temperature: Tensor, hierarchy: Hierarchy) -> Tensor:
    """log p(node) with each softmax among siblings on level l at temperature T_l.

        log p(node | parent) = log softmax_siblings(log p(node | parent) / T_l)

    The order among siblings stays, and a parent's probability is still the sum of its children's.

    Shape: ``log_probs`` (..., N), ``temperature`` (D,) -> (..., N).
    """
    return hierarchy.log_probs(hierarchy.conditional(log_probs) / temperature[hierarchy.level - 1])


def pooled(log_probs: Tensor, verdict: Tensor, share: Tensor, hierarchy: Hierarchy) -> Tensor:
    """log p(node) of the head and of the verdict pooled: in each softmax on level l, p ∝ head^(1 − w_l) · verdict^w_l.

    Shape: ``log_probs`` and ``verdict`` (..., N), the shares w ``share`` (D,) -> (..., N).
    """
    weight = share[hierarchy.level - 1]
    head, streams = hierarchy.conditional(log_probs), hierarchy.conditional(verdict)
    return hierarchy.log_probs((1 - weight) * head + weight * streams)


def fit_calibration(log_probs: Tensor, labels: Tensor, hierarchy: Hierarchy, verdict: Tensor | None) -> Calibration:
    """What makes the labels' paths the most probable; temperature 1 and share 0 for a level without any label.

    Args:
        log_probs: the head's uncalibrated log p(node) of n clips, (n, N).
        labels: nodes (n, K), padded with -1.
        hierarchy: the tree.
        verdict: log p(node) (n, N) by the streams alone; None where there is none, and its share is 0.
    """
    head = log_probs.detach().double()
    streams = None if verdict is None else verdict.detach().double()
    settings = head.new_zeros(2, hierarchy.depth, requires_grad=True)  # log T_l, logit of w_l
    optimizer = torch.optim.LBFGS([settings], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        both = head if streams is None else pooled(head, streams, settings[1].sigmoid(), hierarchy)
        loss = path_terms(calibrated(both, settings[0].exp(), hierarchy), labels, hierarchy).sum() / max(1, len(labels))
        loss.backward()
        return loss

    optimizer.step(closure)
    # A handful of clips that are all right would have the sharpest answer there is.
    temperature = settings[0].detach().exp().clamp(0.05, 20.0)
    known = path_terms(head, labels, hierarchy).sum(dim=(0, 1)) > 0
    share = settings[1].detach().sigmoid() * known if streams is not None else torch.zeros_like(temperature)
    return Calibration(temperature=temperature.float(), share=share.float())
