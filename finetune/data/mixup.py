"""Mixup across clips: two clips' streams mixed, and asked for both labels in the same shares (Zhang et al. 2018).

Clips hold sets of any length, and words, which cannot be averaged; their streams' vectors can (Verma et al. 2019).
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor


@dataclass(frozen=True, kw_only=True)
class Mixup:
    """For each of B clips its ``partner`` (B,) and its own ``share`` (B,), in 0.5..1; 1 where it is not mixed."""

    partner: Tensor
    share: Tensor

    def mix(self, values: Tensor) -> Tensor:
        """``values`` (B, …) with each row's partner's mixed in."""
        share = self.share.to(values.dtype).view(-1, *(1,) * (values.dim() - 1))
        return share * values + (1 - share) * values[self.partner]


def draw_mixup(present: Tensor, intact: Tensor, *, alpha: float, generator: Generator) -> Mixup:
    """Partners and shares; λ ~ Beta(α, α), folded to 0.5..1 so that a clip stays mostly itself.

    A clip is mixed only with one of the same modalities, all of them intact: a mixture has to be explained by its two
    labels, which it is not if half of it came from nowhere, or from a third clip.

    Args:
        present: (B, 3) bool, after corruptions.
        intact: (B, 3) bool, present and not corrupted.
        alpha: > 0; the larger, the more even.
        generator: the only source of randomness, on the CPU.
    """
    size = len(present)
    partner = torch.randperm(size, generator=generator).to(present.device)
    rng = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    drawn = torch.from_numpy(rng.beta(alpha, alpha, size)).float().to(present.device)
    unbroken = (present == intact).all(dim=1) & present.any(dim=1)
    mixed = unbroken & unbroken[partner] & (present == present[partner]).all(dim=1)
    return Mixup(partner=partner, share=torch.where(mixed, torch.maximum(drawn, 1 - drawn), 1.0))
