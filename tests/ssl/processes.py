"""Real processes for tests: gloo on this machine, results handed back in files."""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

_TIMEOUT = 120.0  # seconds for all processes together


def in_processes(function: Callable[[int, int], Any], *, count: int, folder: Path) -> list[Any]:
    """What ``function(rank, count)`` returned in each of ``count`` processes that form a gloo group.

    The processes fork from a server that has imported what they need and has run nothing, which spares them seconds.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["framegate.ssl.methods.moco"])
    processes = [context.Process(target=_member, args=(function, rank, count, folder)) for rank in range(count)]
    deadline = time.monotonic() + _TIMEOUT
    try:
        for process in processes:
            process.start()
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))
        codes = [process.exitcode for process in processes]
        assert codes == [0] * count, f"exit codes {codes} (None: still running after {_TIMEOUT} seconds)"
    finally:
        for process in processes:
            process.kill()
    return [torch.load(folder / f"{rank}.pt") for rank in range(count)]


def _member(function: Callable[[int, int], Any], rank: int, count: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=count)
    torch.save(function(rank, count), folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()
