"""Signs of a broken input in a stream's features, which need no labels to be computed."""

import torch
from torch import Tensor

QUALITIES = 3
_SMALL = 1e-3  # keeps the logarithms of sets without any variation finite


def quality(z: Tensor, mask: Tensor) -> Tensor:
    """Compute three figures of a set of standardised features: how many, how unlike the training set, how varied.

        count        log(1 + number of real elements)
        strangeness  log(mean z²): 0 for features like those seen in training, far from it for noise or silence
        variation    log(variance of z over the elements), low where all elements are alike

    Args:
        z: features of mean 0 and variance 1 over the training set, (B, T, D), 0 where not real.
        mask: (B, T) bool, True where real.

    Returns:
        (B, 3), 0 for a row without elements; carries no gradient.
    """
    z = z.detach()
    count = mask.sum(dim=1)
    some = count.clamp(min=1)
    square = z.square().mean(dim=-1).sum(dim=1) / some
    centre = z.sum(dim=1) / some.unsqueeze(-1)
    variance = (square - centre.square().mean(dim=-1)).clamp(min=0)
    figures = torch.stack([count.to(z.dtype).log1p(), (square + _SMALL).log(), (variance + _SMALL).log()], dim=1)
    return figures * (count > 0).unsqueeze(-1)
