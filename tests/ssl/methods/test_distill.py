"""Distillation: what is compared, who learns, and what is kept."""

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from framegate.ssl.losses.info_nce import Rows
from framegate.ssl.losses.similarity_kl import similarity_kl
from framegate.ssl.methods.distill import Distill, mix
from tests.ssl.tiny_backbone import draws, pictures, tiny_distill, unit_rows, view_batch

SOURCES = torch.tensor([0, 1, 0, 2, 3, 1])
SEEN, CLEAR = pictures(6, seed=1), pictures(6, seed=2, side=12)
BATCH = view_batch(SEEN, CLEAR, SOURCES)


def filled(method: Distill) -> Distill:
    method.queue.push(unit_rows(5, seed=9), torch.tensor([1, 2, 9, 9, 0]))
    return method


def embed(encoder: nn.Module, images: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(encoder(images), dim=1)


def test_the_student_of_the_first_view_learns_the_similarities_of_the_teachers_second() -> None:
    method = filled(tiny_distill(queue=8, temperature=0.3, teacher_temperature=0.1))
    targets = embed(method.teacher.backbone, CLEAR).detach()
    expected = similarity_kl(
        Rows(embed(method.student, SEEN), SOURCES),
        targets,
        Rows(targets, SOURCES),
        Rows(method.queue.keys, method.queue.sources),
        temperature=0.3,
        teacher_temperature=0.1,
    )
    output = method(BATCH, draws())
    assert output.loss > 1e-3
    torch.testing.assert_close(output.loss, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(output.positives, targets)


def test_regression_is_the_squared_distance_of_unit_rows_and_keeps_no_queue() -> None:
    method = tiny_distill(objective="features")
    student, teacher = embed(method.student, SEEN), embed(method.teacher.backbone, CLEAR)
    output = method(BATCH, draws())
    expected = torch.stack([((s - t) ** 2).sum() for s, t in zip(student, teacher, strict=True)]).mean()
    torch.testing.assert_close(output.loss, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(output.loss, 2 - 2 * (student * teacher).sum(dim=1).mean(), rtol=1e-12, atol=0)
    method.push(output)
    assert len(output.keys) == len(output.key_sources) == 0
    assert not any(name.startswith("queue") for name in method.state_dict())


@pytest.mark.parametrize("objective", ["similarities", "features"])
def test_every_weight_of_the_student_learns_and_nothing_of_the_teacher_changes(objective: str) -> None:
    method = tiny_distill(nn.BatchNorm2d, objective=objective, hidden=7).train()
    before = {name: tensor.clone() for name, tensor in method.teacher.backbone.state_dict().items()}
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1)
    for step in range(3):
        output = method(BATCH, draws(step))
        output.loss.backward()
        assert all(parameter.grad.abs().max() > 0 for parameter in method.student[0].parameters())
        optimizer.step()
        method.push(output)
    assert not output.queries.requires_grad and not output.positives.requires_grad
    for name, tensor in method.teacher.backbone.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert all(parameter.grad is None for parameter in method.teacher.backbone.parameters())


def test_a_forward_leaves_the_queue_as_it_was_and_push_adds_the_teachers_features() -> None:
    method = filled(tiny_distill(queue=20))
    before = {name: tensor.clone() for name, tensor in method.queue.state_dict().items()}
    output = method(BATCH, draws())
    assert all(torch.equal(tensor, before[name]) for name, tensor in method.queue.state_dict().items())
    method.push(output)
    assert method.queue.sources.tolist()[5:11] == SOURCES.tolist()
    torch.testing.assert_close(method.queue.keys[5:11], embed(method.teacher.backbone, CLEAR))


def test_all_of_its_state_is_in_its_state_dict_and_the_teachers_weights_are_not() -> None:
    method, twin = filled(tiny_distill(nn.BatchNorm2d, queue=8)), tiny_distill(nn.BatchNorm2d, queue=8)
    for parameter in method.parameters():
        parameter.data += 0.1
    twin.load_state_dict(method.state_dict(), strict=True)
    assert {name for name in method.state_dict() if name.startswith("teacher")} == {"teacher.digest"}
    losses = []
    for one in (method, twin):
        one.push(one(BATCH, draws()))
        losses.append(one(view_batch(CLEAR, SEEN, SOURCES), draws()).loss)
    assert torch.equal(*losses)


def test_the_exported_backbone_is_the_students() -> None:
    method = tiny_distill()
    assert method.backbone is method.student[0]
    assert method.backbone.convolution.weight.requires_grad


def test_both_views_are_blended_with_the_same_pictures_by_the_same_shares() -> None:
    flat = torch.arange(0, 250, 10, dtype=torch.uint8)[:, None, None, None]
    small, large = flat.expand(25, 3, 4, 4), flat.expand(25, 3, 6, 6)
    mixed_small, mixed_large = mix([small, large], draws())
    assert mixed_small.dtype == torch.uint8
    assert mixed_small.shape == small.shape and mixed_large.shape == large.shape
    assert torch.equal(mixed_small[:, :, 0, 0], mixed_large[:, :, 5, 5])
    partner = torch.randperm(25, generator=draws())
    own, other, found = (view[:, 0, 0, 0].float() for view in (small, small[partner], mixed_small))
    assert (found - own).abs().max() > 20
    assert ((found - own).abs() <= (found - other).abs() + 1).all()  # the larger share is its own
    assert (found >= torch.minimum(own, other)).all() and (found <= torch.maximum(own, other)).all()


def test_mixed_pictures_are_what_teacher_and_student_see() -> None:
    method = filled(tiny_distill(queue=8, mixup=True))
    plain = filled(tiny_distill(queue=8))
    seen, clear = mix([SEEN, CLEAR], draws())
    assert torch.equal(method(BATCH, draws()).loss, plain(view_batch(seen, clear, SOURCES), draws()).loss)


class NoValueLeaves(TorchDispatchMode):
    """Refuses what would wait for a device: operations whose result on the host, or whose shape, depends on values."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        by_mask = function is torch.ops.aten.index.Tensor and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        shaped = torch.Tag.dynamic_output_shape in function.tags and function is not torch.ops.aten.index.Tensor
        if torch.Tag.data_dependent_output in function.tags or shaped or by_mask:
            raise AssertionError(f"{function} waits for a value")
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("options", [{}, {"mixup": True}, {"objective": "features"}])
def test_no_step_waits_for_a_value(options: dict[str, object]) -> None:
    method = tiny_distill(nn.BatchNorm2d, **options)
    optimizer = torch.optim.SGD(method.parameters(), lr=0.1)
    with NoValueLeaves():
        output = method(BATCH, draws())
        output.loss.backward()
        optimizer.step()
        method.push(output)
    for waiting in (lambda: output.loss.item(), lambda: output.keys[output.keys > 0], lambda: output.loss > 1 or 0):
        with pytest.raises(AssertionError, match="waits for a value"), NoValueLeaves():
            waiting()


def test_a_student_of_noise_comes_to_find_its_teachers_neighbours() -> None:
    method = tiny_distill(queue=64, temperature=0.1, teacher_temperature=0.1)
    optimizer = torch.optim.Adam(method.parameters(), lr=0.02)
    images = pictures(16, seed=3)
    losses = []
    for step in range(60):
        output = method(view_batch(images, images, torch.arange(16)), draws(step))
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        method.push(output)
        losses.append(output.loss.item())
    assert losses[-1] < losses[0] / 5
