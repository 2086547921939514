"""The divergence of a student's similarities from its teacher's, against sums written out."""

import pytest
import torch
from torch import Tensor

from framegate.ssl.losses.info_nce import CHUNK, Rows
from framegate.ssl.losses.similarity_kl import similarity_kl
from framegate.ssl.modules.key_queue import EMPTY
from tests.ssl.tiny_backbone import unit_rows

SOURCES = torch.tensor([0, 1, 0, 2, 3])
QUEUE_SOURCES = torch.tensor([1, 9, 9, 0, EMPTY, EMPTY, 7])
TEMPERATURES = {"temperature": 0.2, "teacher_temperature": 0.07}


def rows(count: int = 5, *, seed: int = 0) -> Tensor:
    return unit_rows(count, seed=seed).requires_grad_()


def queue() -> Rows:
    return Rows(unit_rows(len(QUEUE_SOURCES), seed=5), QUEUE_SOURCES)


def written_out(student: Tensor, teacher: Tensor, memory: Rows | None) -> Tensor:
    """Row by row: softmaxes over the own key, the batch's of other sources, and the queue's of other sources."""
    divergences = []
    for i in range(len(student)):
        keys = [teacher[i]]
        keys += [key for key, source in zip(teacher, SOURCES, strict=True) if source != SOURCES[i]]
        if memory is not None:
            keys += [key for key, source in zip(*memory, strict=True) if source not in (EMPTY, SOURCES[i])]
        found = torch.stack(keys)
        log_p = (found @ teacher[i] / TEMPERATURES["teacher_temperature"]).log_softmax(dim=0)
        log_q = (found @ student[i] / TEMPERATURES["temperature"]).log_softmax(dim=0)
        divergences.append((log_p.exp() * (log_p - log_q)).sum())
    return torch.stack(divergences).mean()


def divergence(student: Tensor, teacher: Tensor, memory: Rows | None) -> Tensor:
    return similarity_kl(Rows(student, SOURCES), teacher, Rows(teacher, SOURCES), memory, **TEMPERATURES)


@pytest.mark.parametrize("with_queue", [True, False])
def test_it_and_its_gradient_are_those_of_the_sums_written_out(with_queue: bool) -> None:
    student, teacher, memory = rows(seed=1), unit_rows(5, seed=2), queue() if with_queue else None
    found, expected = divergence(student, teacher, memory), written_out(student, teacher, memory)
    assert expected > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
    gradients = [torch.autograd.grad(loss, student)[0] for loss in (found, expected)]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-13)


def test_the_own_key_counts_and_other_keys_of_the_own_source_do_not() -> None:
    student, teacher, memory = rows(seed=1), unit_rows(5, seed=2), queue()
    own_source = Rows(torch.cat([memory.vectors, teacher[:1]]), torch.cat([memory.sources, SOURCES[:1]]))
    found = similarity_kl(
        Rows(student[:1], SOURCES[:1]), teacher[:1], Rows(teacher, SOURCES), own_source, **TEMPERATURES
    )
    without = similarity_kl(Rows(student[:1], SOURCES[:1]), teacher[:1], Rows(teacher, SOURCES), memory, **TEMPERATURES)
    assert torch.equal(found, without)
    (gradient,) = torch.autograd.grad(divergence(student, teacher, None), student)
    assert gradient[3].abs().max() > 1e-3
    alone = torch.zeros(5, dtype=torch.int64)  # no keys but the own ones: nothing to learn
    nothing = similarity_kl(Rows(student, alone), teacher, Rows(teacher, alone), **TEMPERATURES)
    assert nothing.abs() < 1e-12
    assert torch.autograd.grad(nothing, student)[0].abs().max() < 1e-12


def test_a_student_that_equals_its_teacher_has_nothing_to_learn() -> None:
    student = rows(seed=2)
    loss = similarity_kl(
        Rows(student, SOURCES),
        student.detach(),
        Rows(student.detach(), SOURCES),
        queue(),
        temperature=0.1,
        teacher_temperature=0.1,
    )
    assert loss.abs() < 1e-12
    assert torch.autograd.grad(loss, student)[0].abs().max() < 1e-12


def test_a_long_queue_is_passed_in_chunks_with_the_same_result() -> None:
    student, teacher = rows(seed=1), unit_rows(5, seed=2)
    memory = Rows(unit_rows(CHUNK + 5, seed=7), torch.arange(CHUNK + 5) % 11)
    torch.testing.assert_close(
        divergence(student, teacher, memory), written_out(student, teacher, memory), rtol=1e-10, atol=0
    )


def test_in_half_precision_it_stays_in_float32_and_gives_the_teacher_no_gradient() -> None:
    student, teacher = rows(seed=1).detach().float().requires_grad_(), unit_rows(5, seed=2).float().requires_grad_()
    memory = Rows(queue().vectors.float(), QUEUE_SOURCES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = similarity_kl(
            Rows(student, SOURCES), teacher.detach(), Rows(teacher.detach(), SOURCES), memory, **TEMPERATURES
        )
    assert loss.dtype == torch.float32
    loss.backward()
    assert teacher.grad is None
    expected = written_out(student.detach().double(), teacher.detach().double(), queue())
    torch.testing.assert_close(loss.double(), expected, rtol=1e-5, atol=1e-6)
