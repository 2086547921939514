"""Two ways against modality laziness, to compare with: OGM-GE and Gradient-Blending, from the papers' formulas."""

from __future__ import annotations

import torch
from torch import Tensor

from framegate.finetune.data.batch import ClipBatch
from framegate.finetune.fusion.network import FusionNetwork
from framegate.finetune.losses.path_losses import LossConfig, hierarchical_loss
from framegate.finetune.output import ClassifierOutput


class GradientModulation:
    """OGM-GE (Peng et al. 2022): the gradients of the streams that are ahead shrink, and noise makes up for it.

    s_m = Σ_clips p_m(label);  ρ_m = s_m / mean of the others' s;  k_m = 1 − tanh(α ρ_m) where ρ_m > 1, else 1
    g ← k_m g + N(0, std(g)²)
    """

    def __init__(self, alpha: float = 0.3) -> None:
        self.alpha = alpha

    @torch.no_grad()
    def after_backward(self, model: FusionNetwork, output: ClassifierOutput, labels: Tensor, unswapped: Tensor) -> None:
        label = labels.view(-1, 1, 1).expand(-1, unswapped.shape[1], 1)
        likely = output.stream_log_probs.gather(2, label)[..., 0].exp() * unswapped
        score = likely.sum(dim=0) / unswapped.sum(dim=0).clamp(min=1)
        for modality, stream in enumerate(model.streams.values()):
            others = (score.sum() - score[modality]) / (len(score) - 1)
            ratio = score[modality] / others.clamp(min=1e-6)
            factor = 1 - torch.tanh(self.alpha * ratio) if ratio > 1 else torch.ones(())
            for parameter in stream.parameters():
                if parameter.grad is not None and parameter.dim() > 1:
                    noise = torch.randn_like(parameter.grad) * parameter.grad.std()
                    parameter.grad.mul_(factor).add_(noise)


class GradientBlending:
    """Gradient-Blending (Wang et al. 2020), estimated anew every few epochs: what generalises weighs more.

    Between two checks, of each loss:  O = gap(val − train) grown,  G = val loss fallen,  w ∝ G / O²

    The losses are the fused one and each stream's; the weights sum to their number.
    """

    def __init__(self, streams: int) -> None:
        self.weights = torch.ones(streams + 1)
        self._before: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def check(self, model: FusionNetwork, train: ClipBatch, val: ClipBatch) -> None:
        model.eval()
        now = tuple(_losses(model, batch) for batch in (train, val))
        model.train()
        if self._before is not None:
            overfitting = ((now[1] - now[0]) - (self._before[1] - self._before[0])).abs().clamp(min=1e-3)
            generalising = (self._before[1] - now[1]).clamp(min=1e-4)
            raw = generalising / overfitting.square()
            self.weights = raw * len(raw) / raw.sum()
        self._before = now


def _losses(model: FusionNetwork, batch: ClipBatch) -> Tensor:
    """The fused loss, and each stream's over the clips that have it."""
    output = model(batch)
    config = LossConfig()

    def mean(log_probs: Tensor, rows: Tensor) -> Tensor:
        return hierarchical_loss(log_probs[rows], batch.labels[rows], model.hierarchy, config).mean()

    streams = [mean(output.stream_log_probs[:, m], output.present[:, m]) for m in range(output.present.shape[1])]
    return torch.stack([mean(output.log_probs, output.present.any(dim=1)), *streams])
