import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from framegate.ssl.losses.sigreg import random_directions
from framegate.ssl.methods.lejepa import PUBLISHED_BATCH, LeJEPA, invariance
from tests.ssl.tiny_backbone import TinyBackbone, draws, pictures, tiny_lejepa, view_batch

FIRST, SECOND = pictures(6, seed=1), pictures(6, seed=2)
BATCH = view_batch(FIRST, SECOND, torch.tensor([0, 1, 0, 2, 3, 1]))


def published_loss(global_views: list[Tensor], all_views: list[Tensor], directions: Tensor, weight: float) -> Tensor:
    """LeJEPA as the paper lists it: views are drawn to the mean of the global ones, each is tested by itself."""
    t = torch.linspace(-5, 5, 17, dtype=torch.float64)
    gaussian = torch.exp(-0.5 * t**2)
    centre = torch.stack(global_views).mean(0)
    similarity = torch.stack([(centre - view).square().mean() for view in all_views]).mean()
    statistics = []
    for view in all_views:
        empirical = (1j * (view @ directions)[..., None] * t).exp().mean(0)
        error = (empirical - gaussian).abs().square() * gaussian
        statistics.append(torch.trapezoid(error, t, dim=1).mean() * len(view))
    return (1 - weight) * similarity + weight * torch.stack(statistics).mean()


def test_with_256_frames_the_loss_is_the_published_one() -> None:
    method = tiny_lejepa(weight=0.1)
    first, second = pictures(PUBLISHED_BATCH, seed=1), pictures(PUBLISHED_BATCH, seed=2)
    views = list(method.encoder(torch.cat([first, second])).chunk(2))
    directions = random_directions(method.directions, method.dim, generator=draws(4)).double()
    loss = method(view_batch(first, second, torch.arange(PUBLISHED_BATCH)), draws(4)).loss
    torch.testing.assert_close(loss, published_loss(views, views, directions, 0.1), rtol=1e-10, atol=0)


def test_the_two_terms_weigh_one_minus_lambda_and_lambda() -> None:
    light, half, heavy = (tiny_lejepa(weight=weight)(BATCH, draws()).loss for weight in (0.2, 0.5, 0.8))
    torch.testing.assert_close(light + heavy, 2 * half)  # linear in λ
    method = tiny_lejepa(weight=1e-12)
    views = torch.stack(method.encoder(torch.cat([FIRST, SECOND])).chunk(2))
    torch.testing.assert_close(method(BATCH, draws()).loss, invariance(views), rtol=1e-6, atol=0)


def test_the_global_views_are_in_the_invariance_term() -> None:
    views = torch.tensor([[[0.0, 1.0]], [[4.0, 1.0]]]).requires_grad_()
    loss = invariance(views)
    loss.backward()
    assert loss.item() == 2.0  # both are 2 from their mean in one of two coordinates
    assert views.grad.tolist() == [[[-1.0, 0.0]], [[1.0, 0.0]]]


def test_lambda_means_the_same_for_a_batch_that_says_the_same_in_more_frames() -> None:
    method = tiny_lejepa()
    twice = view_batch(FIRST.repeat(2, 1, 1, 1), SECOND.repeat(2, 1, 1, 1), BATCH.source.repeat(2))
    torch.testing.assert_close(method(twice, draws()).loss, method(BATCH, draws()).loss, rtol=1e-10, atol=0)


def test_each_micro_batch_looks_along_other_directions() -> None:
    method = tiny_lejepa()
    assert torch.equal(method(BATCH, draws(1)).loss, method(BATCH, draws(1)).loss)
    assert not torch.equal(method(BATCH, draws(1)).loss, method(BATCH, draws(2)).loss)


def test_both_views_run_through_the_encoder_together_and_everything_learns() -> None:
    method = tiny_lejepa()
    seen: list[int] = []
    method.encoder.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    method(BATCH, draws()).loss.backward()
    assert seen == [12]
    assert all(parameter.grad.abs().max() > 0 for parameter in method.parameters())


def test_the_projector_is_the_papers() -> None:
    layers = [type(layer) for layer in tiny_lejepa(batch_norm="plain").encoder[1].layers]
    assert layers == [nn.Linear, nn.BatchNorm1d, nn.ReLU] * 2 + [nn.Linear]


def test_it_keeps_no_keys_and_nothing_but_its_encoder() -> None:
    method = tiny_lejepa()
    output = method(BATCH, draws())
    assert len(output.keys) == 0
    assert torch.equal(output.positives, torch.cat(output.queries.chunk(2)[::-1]))
    state = {name: tensor.clone() for name, tensor in method.state_dict().items()}
    method.push(output)
    method.update_key_encoder(0.9)
    assert all(torch.equal(tensor, state[name]) for name, tensor in method.state_dict().items())
    assert {name.split(".")[0] for name in state} == {"encoder"}


def test_a_step_never_waits_for_a_device() -> None:
    with FakeTensorMode():  # tensors without values: whatever looked at one would fail
        method = LeJEPA(TinyBackbone(), dim=6, hidden=10, directions=9)
        output = method(view_batch(pictures(6, seed=1), pictures(6, seed=2), torch.arange(6)), draws())
        output.loss.backward()
        with pytest.raises(RuntimeError):
            output.loss.item()
    assert all(parameter.grad is not None for parameter in method.parameters())


def test_split_batch_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="sync or plain"):
        LeJEPA(TinyBackbone(), batch_norm="split")
