import math

import pytest
import torch
from torch import Tensor

from framegate.ssl.losses.sigreg import LIMIT, random_directions, sigreg

DIRECTIONS = random_directions(7, 5, generator=torch.Generator().manual_seed(3))


def rows(count: int, dim: int = 5, *, seed: int = 0) -> Tensor:
    return torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def integrand(projections: list[float], t: float) -> float:
    """|φ(t) − exp(−t²/2)|² exp(−t²/2), number by number."""
    real = sum(math.cos(t * x) for x in projections) / len(projections)
    imaginary = sum(math.sin(t * x) for x in projections) / len(projections)
    return ((real - math.exp(-t * t / 2)) ** 2 + imaginary**2) * math.exp(-t * t / 2)


def written_out(sample: Tensor, directions: Tensor, knots: int) -> float:
    """The statistic with all its knots, by the trapezoid rule, in plain Python."""
    step = 2 * LIMIT / (knots - 1)
    values = []
    for direction in directions.double().T:
        projections = [float(row @ direction) for row in sample]
        heights = [integrand(projections, -LIMIT + step * knot) for knot in range(knots)]
        values.append(len(sample) * step * (sum(heights) - (heights[0] + heights[-1]) / 2))
    return sum(values) / len(values)


def closed_form(sample: Tensor, directions: Tensor) -> Tensor:
    """The integral over all t, which has a closed form (Epps & Pulley 1983, with mean 0 and variance 1 given)."""
    x = sample @ directions.double()  # (N, K)
    pairs = torch.exp(-(x[:, None] - x[None]).square() / 2).sum(dim=(0, 1)) / len(x)
    singles = torch.exp(-x.square() / 4).sum(dim=0)
    return (math.sqrt(2 * math.pi) * pairs - 2 * math.sqrt(math.pi) * singles).mean() + len(x) * math.sqrt(
        2 * math.pi / 3
    )


@pytest.mark.parametrize("knots", [3, 16, 17])
def test_it_is_the_published_statistic_written_out(knots: int) -> None:
    samples = torch.stack([rows(6, seed=1), 0.3 * rows(6, seed=2) + 1])
    expected = sum(written_out(sample, DIRECTIONS, knots) for sample in samples) / 2
    assert sigreg(samples, DIRECTIONS, knots=knots).item() == pytest.approx(expected, rel=1e-12)


def test_a_few_knots_give_the_whole_integral() -> None:
    for sample in (rows(40), 0.5 * rows(40) - 0.5, rows(1).expand(40, 5)):
        exact = closed_form(sample, DIRECTIONS).item()
        assert sigreg(sample[None], DIRECTIONS, knots=2001).item() == pytest.approx(exact, abs=1e-3)
        assert sigreg(sample[None], DIRECTIONS).item() == pytest.approx(exact, abs=2e-3)


def test_gaussian_rows_have_a_small_statistic_whatever_their_number_and_others_a_large_one() -> None:
    directions = random_directions(256, 16, generator=torch.Generator().manual_seed(0))
    by_chance = math.sqrt(2 * math.pi) - math.sqrt(2 * math.pi / 3)  # its mean over Gaussian samples
    for count in (64, 1024):
        sample = rows(count, 16)
        of_gaussian = sigreg(sample[None], directions).item()
        assert of_gaussian == pytest.approx(by_chance, abs=0.3)
        others = {
            "one point": sample[:1].expand(count, 16),
            "at the origin": torch.zeros_like(sample),
            "on a line": sample[:, :1].expand(count, 16) / 4,
            "two clusters": 0.1 * sample + sample[:1].sign() * (torch.arange(count) % 2 * 2 - 1)[:, None],
            "too wide": 2 * sample,
            "moved": sample + 1,
        }
        for name, other in others.items():
            assert sigreg(other[None], directions) > max(3.0, 0.05 * count), name


def test_it_grows_with_the_number_of_rows_that_say_the_same() -> None:
    sample = rows(9) ** 3
    thrice = sigreg(sample.repeat(3, 1)[None], DIRECTIONS)
    torch.testing.assert_close(thrice, 3 * sigreg(sample[None], DIRECTIONS), rtol=1e-12, atol=0)


def test_its_gradient_is_right_and_makes_rows_gaussian() -> None:
    assert torch.autograd.gradcheck(lambda x: sigreg(x, DIRECTIONS), rows(8)[None].requires_grad_())
    sample = (0.05 * rows(128)).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam([sample], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        sigreg(sample[None], random_directions(32, 5, generator=generator)).backward()
        optimizer.step()
    covariance = sample.detach().T.cov()
    torch.testing.assert_close(covariance, torch.eye(5, dtype=torch.float64), rtol=0, atol=0.25)
    assert sample.detach().mean(dim=0).abs().max() < 0.2


def test_half_precision_around_it_changes_nothing() -> None:
    sample = rows(64).float()[None]
    with torch.autocast("cpu", torch.bfloat16):
        inside = sigreg(sample, DIRECTIONS)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, sigreg(sample, DIRECTIONS))
    rounded = sigreg(sample.bfloat16(), DIRECTIONS)
    torch.testing.assert_close(rounded, sigreg(sample.bfloat16().float(), DIRECTIONS))


def test_directions_are_unit_vectors_that_the_generator_alone_decides() -> None:
    first, again, other = (random_directions(500, 3, generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    torch.testing.assert_close(first.norm(dim=0), torch.ones(500))
    assert torch.equal(first, again) and not torch.equal(first, other)
    torch.testing.assert_close(first @ first.T / 500, torch.eye(3) / 3, rtol=0, atol=0.05)  # no direction is preferred


def test_it_is_lightlys_where_lightly_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = pytest.importorskip("lightly.loss.lejepa_loss")
    samples = torch.stack([rows(32), 0.5 * rows(32, seed=5)]).float()
    criterion = theirs.SIGReg(knots=9, t_max=LIMIT, num_vectors=DIRECTIONS.shape[1])  # it counts from 0 on
    monkeypatch.setattr(criterion, "_generate_unit_vectors", lambda *_: DIRECTIONS)
    torch.testing.assert_close(sigreg(samples, DIRECTIONS), criterion(samples))
