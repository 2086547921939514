"""Several processes compute what one computes: gradients, weights and the queue, in float64."""

from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from framegate.ssl.gather import gather_rows, own_rows
from framegate.ssl.moco import MoCo
from tests.ssl.processes import in_processes
from tests.ssl.tiny_backbone import pictures, tiny_moco

STEPS = 8
BATCH = 12  # of all processes
QUEUE = 31  # no multiple of the batch; full after a few steps

group_norm = partial(nn.GroupNorm, 2)


def train(rank: int, processes: int) -> dict[str, list[Tensor]]:
    """A short training on this process's share of each batch, asymmetric and symmetric."""
    return {kind: _train(rank, processes, symmetric=kind == "symmetric") for kind in ("asymmetric", "symmetric")}


def _train(rank: int, processes: int, *, symmetric: bool) -> list[Tensor]:
    """The gradients of all steps, then everything in the final state."""
    moco = tiny_moco(group_norm, queue=QUEUE, symmetric=symmetric)
    mine = slice(rank * BATCH // processes, (rank + 1) * BATCH // processes)
    gradients = []
    for step in range(STEPS):
        first, second = pictures(BATCH, seed=2 * step), pictures(BATCH, seed=2 * step + 1)
        source = torch.randint(0, 8, (BATCH,), generator=torch.Generator().manual_seed(step))
        keys = BATCH // processes * (2 if symmetric else 1)
        shuffle = torch.randperm(keys, generator=torch.Generator().manual_seed(rank))
        output = moco(first[mine], second[mine], source[mine], shuffle)
        output.loss.backward()
        moco.push(output)
        for parameter in moco.query_encoder.parameters():
            gradient = _mean_of_processes(parameter.grad, processes)
            gradients.append(gradient)
            parameter.data -= 0.5 * gradient
            parameter.grad = None
        moco.update_key_encoder(0.9)
    return gradients + [tensor.clone() for tensor in moco.state_dict().values()]


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
        for kind, tensors in rank.items():
            for got, expected in zip(tensors, alone[kind], strict=True):
                torch.testing.assert_close(got, expected, rtol=0, atol=1e-9)
    assert max(tensor.abs().max() for tensor in alone["symmetric"][:2]) > 1e-4


def fill_queue(rank: int, processes: int) -> tuple[Tensor, Tensor, Tensor]:
    """50 steps' keys, each process with pictures of its own, into a queue smaller than a global batch."""
    moco: MoCo = tiny_moco(group_norm, queue=7)
    for step in range(50):
        images = pictures(4, seed=100 * rank + step)
        moco.push(moco(images, images, torch.arange(4) + 10 * rank, torch.arange(4)))
    return moco.queue.keys, moco.queue.sources, moco.queue.position


def test_every_process_holds_the_same_queue(tmp_path: Path):
    queues = in_processes(fill_queue, count=3, folder=tmp_path)
    for queue in queues[1:]:
        assert all(torch.equal(mine, others) for mine, others in zip(queue, queues[0], strict=True))
    assert sorted(queues[0][1].tolist()) == [11, 12, 13, 20, 21, 22, 23]


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
