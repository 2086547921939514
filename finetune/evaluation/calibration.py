"""Calibration: one temperature a level, fitted on clips that were not trained on (Guo et al. 2017, level by level)."""

import torch
from torch import Tensor

from framegate.finetune.heads.multilabel import Questions
from framegate.finetune.losses.multilabel_loss import multilabel_loss
from framegate.finetune.losses.path_losses import LossConfig, path_terms
from framegate.finetune.taxonomy.hierarchy import Hierarchy


def calibrated(log_probs: Tensor, temperature: Tensor, hierarchy: Hierarchy) -> Tensor:
    """log p(node) with each softmax among siblings on level l at temperature T_l.

        log p(node | parent) = log softmax_siblings(log p(node | parent) / T_l)

    The order among siblings stays, and a parent's probability is still the sum of its children's.

    Shape: ``log_probs`` (..., N), ``temperature`` (D,) -> (..., N).
    """
    return hierarchy.log_probs(hierarchy.conditional(log_probs) / temperature[hierarchy.level - 1])


def fit_temperature(
    log_probs: Tensor, labels: Tensor, hierarchy: Hierarchy, *, questions: Questions | None = None
) -> Tensor:
    """The temperatures (D,) that make the labels the most probable; 1 for a level without any label.

    Args:
        log_probs: uncalibrated log p(node) of n clips, (n, N).
        labels: nodes (n, K), padded with -1.
        hierarchy: the tree.
        questions: of a multi-label head, uncalibrated, (n, N); then ``log_probs`` are not looked at.
    """
    log_probs = log_probs.detach().double()
    exact = None if questions is None else Questions(questions.yes.detach().double(), questions.no.detach().double())
    log_temperature = torch.zeros(hierarchy.depth, dtype=torch.double, device=log_probs.device, requires_grad=True)
    optimizer: torch.optim.Optimizer = torch.optim.LBFGS([log_temperature], max_iter=100, line_search_fn="strong_wolfe")

    def of(temperature: Tensor) -> Tensor:
        if exact is not None:
            return multilabel_loss(exact.calibrated(temperature, hierarchy), labels, hierarchy, LossConfig())
        return path_terms(calibrated(log_probs, temperature, hierarchy), labels, hierarchy)

    def closure() -> float:
        optimizer.zero_grad()
        loss = of(log_temperature.exp()).sum() / max(1, len(labels))
        torch.autograd.backward(loss)
        return float(loss.detach())

    optimizer.step(closure)
    # A handful of clips that are all right would have the sharpest answer there is.
    return log_temperature.detach().exp().clamp(0.05, 20.0).float()
