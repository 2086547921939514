"""Several processes pretrain by programmes as one does: gradients and weights in float64, over gloo."""

from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from framegate.ssl.methods.programme_labels import Programme, ProgrammeLoss
from tests.ssl.processes import in_processes
from tests.ssl.tiny_backbone import TinyBackbone, draws, pictures, view_batch

STEPS = 6
BATCH = 12  # of all processes
PROGRAMMES, SAMPLED = 40, 15


def train(rank: int, processes: int) -> dict[str, list[Tensor]]:
    """A short training on this process's share of each batch: all gradients and losses, then the final weights."""
    torch.manual_seed(0)
    loss = ProgrammeLoss(TinyBackbone.dim, PROGRAMMES, dim=6, sampled=SAMPLED)
    method = Programme(TinyBackbone(partial(nn.GroupNorm, 2)), loss, symmetric=True).double()
    mine = slice(rank * BATCH // processes, (rank + 1) * BATCH // processes)
    gradients, losses = [], []
    for step in range(STEPS):
        programme = torch.randint(0, PROGRAMMES, (BATCH,), generator=draws(step))
        programme[: step + 1] = -1  # the first process has the fewest labelled rows, in the end none
        first, second = (pictures(BATCH, seed=2 * step + view)[mine] for view in (0, 1))
        batch = view_batch(first, second, torch.arange(BATCH)[mine], programme=programme[mine])
        output = method(batch, draws(step))
        output.loss.backward()
        losses.append(_mean_of_processes(output.loss.detach(), processes))
        for parameter in method.parameters():
            gradient = _mean_of_processes(parameter.grad, processes)
            gradients.append(gradient)
            parameter.data -= 0.05 * gradient
            parameter.grad = None
    return {"losses": losses, "gradients": gradients, "weights": [p.detach().clone() for p in method.parameters()]}


def _mean_of_processes(tensor: Tensor, processes: int) -> Tensor:
    """What `DistributedDataParallel` makes of a gradient."""
    tensor = tensor.clone()
    if processes > 1:
        dist.all_reduce(tensor)
    return tensor / processes


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_together_compute_what_one_computes(processes: int, tmp_path: Path) -> None:
    alone = train(0, 1)
    for rank in in_processes(train, count=processes, folder=tmp_path):
        for kind, tensors in rank.items():
            for got, expected in zip(tensors, alone[kind], strict=True):
                torch.testing.assert_close(got, expected, rtol=0, atol=1e-9)
    assert max(gradient.abs().max() for gradient in alone["gradients"]) > 1e-3
