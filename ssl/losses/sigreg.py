"""SIGReg: how far embeddings are from a standard Gaussian, seen along random directions."""

import torch
import torch.nn.functional as F
from torch import Tensor

from framegate.ssl.modules.gather import gather_rows_with_gradient, processes

LIMIT = 5.0  # of the integral over t, both ways (Balestriero & LeCun 2025, §6.1); its weight is 4e-6 there


def random_directions(count: int, dim: int, *, generator: torch.Generator) -> Tensor:
    """Draw unit vectors, uniform on the sphere: (dim, count) float32 on the CPU, a direction a column."""
    return F.normalize(torch.randn(dim, count, generator=generator, device="cpu"), dim=0)


def sigreg(samples: Tensor, directions: Tensor, *, knots: int = 17) -> Tensor:
    """Return the sliced Epps-Pulley statistic (Balestriero & LeCun 2025, §4; Epps & Pulley 1983).

    A distribution is the standard Gaussian if and only if it is one along every direction. Along a direction the
    characteristic function φ of a sample's N rows is compared with the Gaussian's::

        N ∫ |φ(t) − exp(−t²/2)|² exp(−t²/2) dt,   φ(t) = mean of exp(i·t·x)

    Rows of all processes count as one sample, with the gradient that a single process would have. The factor N makes
    the statistic of Gaussian rows about the same for any N, and that of other rows grow with N.

    >>> rows = torch.randn(1, 4096, 8, generator=torch.Generator().manual_seed(0))
    >>> along = random_directions(64, 8, generator=torch.Generator().manual_seed(1))
    >>> bool(sigreg(rows, along) < 2 < 100 < sigreg(2 * rows, along))
    True

    Args:
        samples: (V, N, dim), each of V samples of N rows; every process has as many rows.
        directions: (dim, K) unit columns, the same on every process.
        knots: points between ±`LIMIT` at which the integrand is computed, for the trapezoid rule.

    Returns:
        The mean over samples and directions, a scalar, never negative.
    """
    with torch.autocast(samples.device.type, enabled=False):  # half precision is too coarse for an angle
        samples = samples if samples.dtype == torch.float64 else samples.float()
        # The integrand is even in t, and zero at 0: half of the knots are enough, and count twice.
        t = torch.linspace(-LIMIT, LIMIT, knots, dtype=samples.dtype, device=samples.device)[(knots + 1) // 2 :]
        gaussian = torch.exp(-t.square() / 2)
        weight = 2 * (2 * LIMIT / (knots - 1)) * gaussian
        weight[-1] /= 2

        angles = (samples @ directions.to(samples.dtype))[..., None] * t  # (V, N, K, knots / 2)
        waves = torch.stack([angles.cos().mean(dim=1), angles.sin().mean(dim=1)])
        real, imaginary = gather_rows_with_gradient(waves[None]).mean(dim=0)  # (V, K, knots / 2)
        error = (real - gaussian).square() + imaginary.square()
        distance: Tensor = (error @ weight).mean()
        return processes() * samples.shape[1] * distance
