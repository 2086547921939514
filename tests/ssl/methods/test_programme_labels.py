"""Pretraining by the programme: what counts, what it costs, and that it learns."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from framegate.ssl.data.view_pairs import ViewBatch
from framegate.ssl.losses.margin_softmax import margin_softmax
from framegate.ssl.methods.method import Method
from framegate.ssl.methods.programme_labels import Programme, ProgrammeLoss, WithProgramme
from tests.ssl.tiny_backbone import TinyBackbone, draws, pictures, tiny_moco, tiny_simclr, view_batch


def batch(programme: Tensor, *, seed: int = 0) -> ViewBatch:
    count = len(programme)
    views = pictures(count, seed=seed), pictures(count, seed=seed + 1)
    return view_batch(*views, torch.arange(count), programme=programme)


def tiny_loss(programmes: int, **options: object) -> ProgrammeLoss:
    torch.manual_seed(0)
    return ProgrammeLoss(TinyBackbone.dim, programmes, dim=6, **options).double()


def features(count: int, *, seed: int = 0) -> Tensor:
    rows = torch.randn(count, TinyBackbone.dim, generator=torch.Generator().manual_seed(seed)).double()
    return rows.requires_grad_()


def gradients(loss: Tensor, module: nn.Module, *others: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, [*module.parameters(), *others]))


def test_with_all_classes_taken_it_is_the_full_margin_softmax() -> None:
    module, rows, programme = tiny_loss(50, sampled=50), features(12), torch.arange(12) % 5
    whole = F.normalize(module.project(rows), dim=1) @ F.normalize(module.centres, dim=1).T
    expected = margin_softmax(
        whole, programme, margin=module.margin, kind=module.kind, temperature=module.temperature
    ).mean()
    found = module(rows, programme, draws()).loss
    assert found.item() == expected.item()
    for got, wanted in zip(gradients(found, module, rows), gradients(expected, module, rows), strict=True):
        assert torch.equal(got, wanted)


def test_a_sample_changes_nothing_but_what_rows_are_compared_with() -> None:
    module, rows, programme = tiny_loss(50, sampled=8), features(6), torch.tensor([4, 4, 10, 49, 0, 10])
    loss = module(rows, programme, draws()).loss
    (gradient,) = torch.autograd.grad(loss, module.centres, retain_graph=True)
    moved = gradient.abs().sum(dim=1).nonzero().flatten().tolist()
    assert len(moved) == 8
    assert {0, 4, 10, 49} <= set(moved)
    few = F.normalize(module.project(rows), dim=1) @ F.normalize(module.centres[moved], dim=1).T
    column = torch.tensor([moved.index(number) for number in programme.tolist()])
    expected = margin_softmax(few, column, margin=module.margin, kind=module.kind, temperature=module.temperature)
    torch.testing.assert_close(loss, expected.mean(), rtol=0, atol=1e-12)


def test_a_row_without_a_programme_counts_for_nothing() -> None:
    module, rows = tiny_loss(20, sampled=20), features(6)
    some = module(rows, torch.tensor([1, -1, 3, -1, 19, 1]), draws())
    labelled = module(rows[[0, 2, 4, 5]], torch.tensor([1, 3, 19, 1]), draws())
    torch.testing.assert_close(some.loss, labelled.loss)
    (gradient,) = torch.autograd.grad(some.loss, rows)
    assert gradient[[1, 3]].abs().max() == 0
    assert gradient[[0, 2, 4, 5]].abs().min() > 0


def test_a_batch_without_any_programme_has_a_loss_of_zero_and_a_gradient_of_zero() -> None:
    method = Programme(TinyBackbone(), ProgrammeLoss(TinyBackbone.dim, 20, dim=6, sampled=5))
    output = method(batch(torch.full((4,), -1)), draws())
    output.loss.backward()
    assert output.loss.item() == 0
    assert len(output.queries) == len(output.positives) == len(output.sources) == 0
    assert all(p.grad is not None and p.grad.abs().max() == 0 for p in method.parameters())


def test_the_largest_tensor_of_a_step_does_not_grow_with_classes_times_batch() -> None:
    largest = 0

    def remember(tensor: Tensor) -> Tensor:
        nonlocal largest
        largest = max(largest, tensor.numel())
        return tensor

    module = ProgrammeLoss(TinyBackbone.dim, 5000, dim=6, sampled=100)
    with torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        module(features(64).float(), torch.arange(64) * 70, draws()).loss.backward()
    assert largest < 5000 * 64 / 10


def test_either_view_is_classified_where_symmetric() -> None:
    images = batch(torch.arange(5))
    torch.manual_seed(0)
    method = Programme(TinyBackbone(), tiny_loss(20, sampled=20), symmetric=True).double()
    both = method(images, draws())
    method.symmetric = False
    first = method(images, draws())
    swapped = ViewBatch(images.second, images.first, images.source, images.programme)
    torch.testing.assert_close(both.loss, (first.loss + method(swapped, draws()).loss) / 2)
    assert both.sources.tolist() == [*range(5), *range(5)]
    assert torch.equal(both.queries[:5], first.queries)


def test_it_learns_which_programme_a_feature_is_of() -> None:
    """Forty programmes, of which a step sees four and compares with ten."""
    module, rows = tiny_loss(40, sampled=10, temperature=0.1), features(40).detach()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    for step in range(400):
        chosen = torch.randperm(40, generator=torch.Generator().manual_seed(step))[:4]
        module(rows[chosen], chosen, draws(step)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    nearest = (F.normalize(module.project(rows), dim=1) @ F.normalize(module.centres, dim=1).T).argmax(dim=1)
    assert (nearest == torch.arange(40)).sum() >= 38


def test_in_half_precision_the_comparison_stays_in_float32() -> None:
    module, rows = ProgrammeLoss(TinyBackbone.dim, 20, dim=6), features(6).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        term = module(rows, torch.arange(6), draws())
    assert term.loss.dtype == term.rows.dtype == torch.float32
    torch.testing.assert_close(term.rows.norm(dim=1), torch.ones(6))


BESIDE = {
    "MoCo": lambda: tiny_moco(queue=40),
    "MoCo, symmetric": lambda: tiny_moco(queue=40, symmetric=True),
    "SimCLR": lambda: tiny_simclr(batch_norm="plain"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_beside_another_method_the_losses_add_up_over_one_forward(name: str) -> None:
    images, loss = batch(torch.tensor([3, 3, -1, 19, 0, 7])), tiny_loss(20, sampled=20)
    method: Method = BESIDE[name]()
    alone = method(images, draws()).loss.item()
    forwards: list[int] = []
    method.backbone.register_forward_hook(lambda _, inputs, __: forwards.append(len(inputs[0])))
    both = WithProgramme(method, loss, weight=0.5)
    found = both(images, draws())
    assert len(forwards) == 1
    views = [images.first, images.second][: forwards[0] // 6]
    term = loss(method.backbone(torch.cat(views)), images.programme.repeat(len(views)), draws())
    torch.testing.assert_close(found.loss.item(), alone + 0.5 * term.loss.item())
    assert len(found.queries) == forwards[0]


def test_beside_moco_the_queue_fills_and_the_key_encoder_follows() -> None:
    both = WithProgramme(tiny_moco(queue=40), tiny_loss(20), weight=1.0)
    both.eval()
    both.backbone(pictures(2))  # as a probe does, between steps
    both.train()
    for step in range(2):
        output = both(batch(torch.arange(6), seed=step), draws(step))
        output.loss.backward()
        both.push(output)
    assert int((both.method.queue.sources >= 0).sum()) == 12
    trained = {name for name, p in both.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert {"programme_loss.centres", "programme_loss.project.weight"} < trained
    before = [p.clone() for p in both.method.key_encoder.parameters()]
    both.update_key_encoder(0.5)
    moved = zip(before, both.method.key_encoder.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in moved)
