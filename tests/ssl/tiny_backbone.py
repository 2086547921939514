"""A stand-in for a timm model that takes microseconds: one convolution, a norm of the test's choice, a mean."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from framegate.ssl.moco import MoCo


class TinyBackbone(nn.Module):
    """Pictures (B, 3, S, S) uint8 → features (B, 8); without a norm a picture's features depend on no other picture."""

    dim = 8

    def __init__(self, norm: Callable[[int], nn.Module] | None = None):
        super().__init__()
        self.convolution = nn.Conv2d(3, self.dim, kernel_size=3, stride=2)
        self.norm = norm(self.dim) if norm else nn.Identity()

    def forward(self, images: Tensor) -> Tensor:
        pixels = images.to(self.convolution.weight.dtype) / 255
        return self.norm(self.convolution(pixels)).relu().mean(dim=(2, 3))


def tiny_moco(norm: Callable[[int], nn.Module] | None = None, *, seed: int = 0, **options: object) -> MoCo:
    """MoCo in float64, keys of 6 numbers, its key encoder moved away from the query encoder as in mid-training."""
    torch.manual_seed(seed)
    moco = MoCo(TinyBackbone(norm), dim=6, **options).double()
    with torch.no_grad():
        for parameter in moco.key_encoder.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return moco


def pictures(count: int, *, seed: int = 0, side: int = 8) -> Tensor:
    """(count, 3, side, side) uint8 noise."""
    return torch.randint(0, 256, (count, 3, side, side), generator=torch.Generator().manual_seed(seed)).byte()


def unit_rows(count: int, dim: int = 6, *, seed: int = 0) -> Tensor:
    """(count, dim) float64 rows of length 1."""
    rows = torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return nn.functional.normalize(rows, dim=1)
