"""Several training processes on this machine."""

import os
import subprocess
import sys
from collections.abc import Sequence

import torch

from framegate.recipes.training_run import PROCESSES


class LaunchError(RuntimeError):
    """Training processes that could not be started, or of which one failed."""


def launch(
    verb: str, recipe: str, overrides: Sequence[str], *, processes: int, resume: bool = False, force: bool = False
) -> None:
    """Run a recipe on ``processes`` processes of this machine, on its GPUs where there are enough, else on its CPU.

    Raises:
        LaunchError: a process failed; its own message stands above.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes))}
    environment[PROCESSES] = str(processes)
    if torch.cuda.device_count() < processes:
        environment["ACCELERATE_USE_CPU"] = "1"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command += ["-m", f"framegate.recipes.{verb}", recipe, *overrides]
    command += ["--resume"] * resume + ["--force"] * force
    if subprocess.run(command, env=environment, check=False).returncode:
        raise LaunchError(f"{verb} failed on {processes} processes; the first message above says why")
