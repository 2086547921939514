"""What accelerate prepares leaves each process its own buffers (trap 3: sending them would overwrite the queues)."""

import multiprocessing
import os
import socket
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import read_recipe
from framegate.recipes.training.run_setup import open_run


class _Remembering(nn.Module):
    """A network with a buffer that says whose it is."""

    owner: Tensor

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.register_buffer("owner", torch.tensor(rank))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


def _note_owner_after_two_steps(rank: int, port: int, folder: Path) -> None:
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in own.items()}, ACCELERATE_USE_CPU="1")
    overrides = [f"run_dir={folder}", "data.store=none", "log.wandb_project=null"]
    with open_run(read_recipe(PretrainConfig, "moco_small", overrides)) as run:
        assert run.processes == 2
        network = run.accelerator.prepare(_Remembering(rank))
        for _ in range(2):
            run.accelerator.backward(network(torch.ones(1, 2)).sum())
        (folder / f"{rank}.txt").write_text(str(int(run.accelerator.unwrap_model(network).owner)))


@pytest.mark.slow
@pytest.mark.timeout(200)
def test_each_process_keeps_its_own_buffers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_note_owner_after_two_steps, args=(rank, port, tmp_path)) for rank in (0, 1)]
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(150)
        assert [process.exitcode for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    assert [(tmp_path / f"{rank}.txt").read_text() for rank in (0, 1)] == ["0", "1"]
