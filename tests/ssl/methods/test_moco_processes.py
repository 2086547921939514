"""Several processes compute what one computes: gradients, weights and the queue, in float64."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from framegate.ssl.methods.method import NO_ATTENTION, AttentionShares, Method
from framegate.ssl.methods.moco import MoCo
from framegate.ssl.modules.batch_norm import GROUP
from framegate.ssl.modules.gather import gather_rows, gather_rows_with_gradient, own_rows
from tests.ssl.processes import in_processes
from tests.ssl.tiny_backbone import (
    draws,
    pictures,
    tiny_distill,
    tiny_moco,
    tiny_moco_v3,
    tiny_programme,
    tiny_simclr,
    tiny_with_programme,
    view_batch,
)

STEPS = 8
BATCH = 12  # of all processes
QUEUE = 31  # no multiple of the batch; full after a few steps

group_norm = partial(nn.GroupNorm, 2)
one_group = partial(nn.GroupNorm, 1)

METHODS: dict[str, Callable[[], Method]] = {
    "MoCo v2": lambda: tiny_moco(group_norm, queue=QUEUE),
    "MoCo v2, symmetric": lambda: tiny_moco(group_norm, queue=QUEUE, symmetric=True),
    "MoCo v3": lambda: tiny_moco_v3(group_norm, head_norm=one_group),
    "MoCo v3, shuffled": lambda: tiny_moco_v3(group_norm, head_norm=one_group, batch_norm="split"),
    "MoCo v3, one half": lambda: tiny_moco_v3(group_norm, head_norm=one_group, symmetric=False),
    "SimCLR": lambda: tiny_simclr(group_norm, head_norm=one_group),
    "Distill": lambda: tiny_distill(group_norm, queue=QUEUE),
    "Distill, mixed": lambda: tiny_distill(group_norm, queue=QUEUE, mixup=True, hidden=10, head_norm=one_group),
    "Distill, features": lambda: tiny_distill(group_norm, objective="features"),
    "Programme": lambda: tiny_programme(group_norm, programmes=20, sampled=9),
    "MoCo v2 with programmes": lambda: tiny_with_programme(tiny_moco(group_norm, queue=QUEUE), programmes=8),
}


def train(rank: int, processes: int) -> dict[str, list[Tensor]]:
    """A short training on this process's share of each batch, by each method."""
    trained = {name: _train(method(), rank, processes) for name, method in METHODS.items()}
    guided = tiny_moco(group_norm, queue=QUEUE, symmetric=True)
    trained["guided by attention"] = _train(guided, rank, processes, side=20, attention=AttentionShares(0.5, 0.5))
    return trained


def _train(
    method: Method,
    rank: int,
    processes: int,
    *,
    batch: int = BATCH,
    side: int = 8,
    attention: AttentionShares = NO_ATTENTION,
) -> list[Tensor]:
    """The gradients of all steps, then everything in the final state but running statistics."""
    mine = slice(rank * batch // processes, (rank + 1) * batch // processes)
    gradients = []
    for step in range(STEPS):
        first, second = (pictures(batch, seed=2 * step + view, side=side)[mine] for view in (0, 1))
        source = torch.randint(0, 8, (batch,), generator=draws(step))[mine]
        output = method(view_batch(first, second, source), draws(step), attention)
        output.loss.backward()
        method.push(output)
        for parameter in method.parameters():
            if parameter.grad is None:
                continue
            gradient = _mean_of_processes(parameter.grad, processes)
            gradients.append(gradient)
            parameter.data -= 0.5 * gradient
            parameter.grad = None
        method.update_key_encoder(0.9)
    state = method.state_dict()
    counts = ("running_mean", "running_var", "num_batches_tracked")  # each process has its own
    return gradients + [tensor.clone() for name, tensor in state.items() if not name.endswith(counts)]


def _mean_of_processes(gradient: Tensor, processes: int) -> Tensor:
    """What `DistributedDataParallel` makes of a gradient."""
    gradient = gradient.clone()
    if processes > 1:
        dist.all_reduce(gradient)
    return gradient / processes


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_together_compute_what_one_computes(processes: int, tmp_path: Path):
    alone = train(0, 1)
    for rank in in_processes(train, count=processes, folder=tmp_path):
        assert rank.keys() == alone.keys()
        for name, tensors in rank.items():
            for got, expected in zip(tensors, alone[name], strict=True):
                torch.testing.assert_close(got, expected, rtol=0, atol=1e-9, msg=name)
    assert all(max(tensor.abs().max() for tensor in tensors[:2]) > 1e-4 for tensors in alone.values())


def train_split(rank: int, processes: int) -> dict[str, list[Tensor]]:
    """Batch norm over groups: of all processes together as many groups as one process has alone."""
    batch = 6 * GROUP
    return {
        "asymmetric": _train(tiny_moco(nn.BatchNorm2d, queue=QUEUE), rank, processes, batch=batch),
        "symmetric": _train(tiny_moco(nn.BatchNorm2d, queue=QUEUE, symmetric=True), rank, processes, batch=batch),
    }


@pytest.mark.parametrize("processes", [2, 3])
def test_groups_of_all_processes_equal_one_process_with_as_many(processes: int, tmp_path: Path):
    alone = train_split(0, 1)
    for rank in in_processes(train_split, count=processes, folder=tmp_path):
        for name, tensors in rank.items():
            for got, expected in zip(tensors, alone[name], strict=True):
                torch.testing.assert_close(got, expected, rtol=0, atol=1e-9, msg=name)


def fill_queue(rank: int, processes: int) -> tuple[Tensor, Tensor, Tensor]:
    """50 steps' keys, each process with pictures of its own, into a queue smaller than a global batch."""
    moco: MoCo = tiny_moco(group_norm, queue=7)
    for step in range(50):
        images = pictures(4, seed=100 * rank + step)
        moco.push(moco(view_batch(images, images, torch.arange(4) + 10 * rank), draws(step)))
    return moco.queue.keys, moco.queue.sources, moco.queue.position


def test_every_process_holds_the_same_queue(tmp_path: Path):
    queues = in_processes(fill_queue, count=3, folder=tmp_path)
    for queue in queues[1:]:
        assert all(torch.equal(mine, others) for mine, others in zip(queue, queues[0], strict=True))
    assert sorted(queues[0][1].tolist()) == [11, 12, 13, 20, 21, 22, 23]


def contrast_everyone(rank: int, processes: int) -> Tensor:
    """The gradient of this rank's rows from all ranks' losses, each of which is a function of all rows."""
    rows = (torch.arange(6, dtype=torch.float64).reshape(2, 3) + 10 * rank).requires_grad_()
    weight = float(rank + 1)
    (weight * gather_rows_with_gradient(rows).square().sum()).backward()
    return rows.grad / rows.detach()


def test_a_gathered_row_gets_the_gradient_of_every_processs_loss(tmp_path: Path):
    for ratio in in_processes(contrast_everyone, count=2, folder=tmp_path):
        assert ratio.nan_to_num(6.0).tolist() == [[6.0] * 3] * 2  # 2 · (1 + 2), not 2 · this rank's own weight


def gather_ranks(rank: int, processes: int) -> tuple[Tensor, Tensor]:
    """All ranks' rows, and this rank's share of them."""
    rows = torch.full((2, 3), float(rank), requires_grad=True)
    gathered = gather_rows(rows)
    assert not gathered.requires_grad
    dist.barrier()
    return gathered, gathered[own_rows(2)]


def test_gathered_rows_stand_in_the_order_of_ranks(tmp_path: Path):
    for rank, (gathered, own) in enumerate(in_processes(gather_ranks, count=2, folder=tmp_path)):
        assert gathered[:, 0].tolist() == [0, 0, 1, 1]
        assert own[:, 0].tolist() == [rank, rank]


def test_alone_rows_are_gathered_as_they_are():
    rows = torch.ones(2, 3, requires_grad=True)
    gathered = gather_rows(rows)
    assert torch.equal(gathered, rows)
    assert not gathered.requires_grad
    assert own_rows(2) == slice(0, 2)
