"""Start several training processes on this machine."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import psutil

from framegate.media.errors import FramegateError
from framegate.media.extraction.cores import usable_cores

PROCESSES = "FRAMEGATE_PROCESSES"
"""Environment variable by which `launch` tells each process how many it starts."""

_RENDEZVOUS = "FRAMEGATE_RENDEZVOUS"
"""Environment variable that names the file by which the processes of `launch` find each other."""

STOPPED = 3
"""Exit code of a process that a signal stopped, with its state saved."""

_GRACE = 60.0
"""Seconds that the others have to end, once one process has failed: they may be saving, or stuck waiting for it."""


class LaunchError(FramegateError, RuntimeError):
    """Training processes could not be started, or one of them failed."""

    exit_code = 1


def launch(
    verb: str, recipe: str, overrides: Sequence[str], *, processes: int, resume: bool = False, force: bool = False
) -> None:
    """Run a recipe on ``processes`` processes of this machine, on its GPUs where there are enough, else on its CPU.

    A SIGTERM to this process goes on to all of them, which then save and stop together. They find each other by a file
    in a folder of this user's alone, and talk over the loopback interface: nothing listens to other machines.

    Raises:
        LaunchError: a process failed; its own message stands above.
        SystemExit: the processes refused the call, or a signal stopped them with their state saved; their exit code.
    """
    import torch

    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, usable_cores() // processes))}
    environment |= {PROCESSES: str(processes), "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    if loopback := _loopback():
        environment = {"GLOO_SOCKET_IFNAME": loopback, "NCCL_SOCKET_IFNAME": loopback} | environment
    if torch.cuda.device_count() < processes:
        environment["ACCELERATE_USE_CPU"] = "1"
    command = [sys.executable, "-m", f"framegate.recipes.{verb}", recipe, *overrides]
    command += ["--resume"] * resume + ["--force"] * force
    with tempfile.TemporaryDirectory(prefix="framegate-") as private:
        environment[_RENDEZVOUS] = str(Path(private) / "rendezvous")
        codes = _run(command, environment, processes=processes)
    if 2 in codes:
        raise SystemExit(2)
    if set(codes) == {STOPPED}:
        raise SystemExit(STOPPED)
    if any(codes):
        rank = next(rank for rank, code in enumerate(codes) if code)
        killed = [f"process {rank} was killed by signal {-code}" for rank, code in enumerate(codes) if code < 0]
        reason = "; ".join(killed) if killed else f"process {rank} failed; its message stands above"
        raise LaunchError(f"{verb} on {processes} processes: {reason}")


def join_launched() -> None:
    """Join the other processes of `launch`, where this is one of them.

    Accelerate, which would otherwise do it, keeps a process group that it finds; its way is a server on all interfaces,
    on which anybody may take part in the training. So do `torchrun` and `accelerate launch`, whose processes may be on
    several machines: there the user sees to a network of their own.
    """
    if _RENDEZVOUS not in os.environ:
        return
    import torch.distributed as dist
    from accelerate.utils import parse_flag_from_env

    c10d: Any = dist  # torch's types leave out the stores that it exports
    rank, processes = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group(
        "gloo" if parse_flag_from_env("ACCELERATE_USE_CPU") else "nccl",
        store=c10d.FileStore(os.environ[_RENDEZVOUS], processes),
        rank=rank,
        world_size=processes,
    )


def asked_processes() -> int | None:
    """Return how many processes `launch` or accelerate's launcher was asked for; None if that is not known.

    ``accelerate launch --cpu --num_processes 2`` starts one, without an error.
    """
    if PROCESSES in os.environ:
        return int(os.environ[PROCESSES])
    try:
        launcher = psutil.Process().parent()
        words = launcher.cmdline() if launcher is not None else []
    except psutil.Error:
        return None
    if not any("accelerate" in word for word in words[:3]) or "launch" not in words[:5]:
        return None
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, _, value = word.partition("=")
        if name.replace("-", "_") == "__num_processes":
            number = value or following
            return int(number) if number.isdigit() else None
    return None


def _loopback() -> str | None:
    """Return the name of the loopback interface; None if there is none."""
    for name, addresses in psutil.net_if_addrs().items():
        if any(each.family == socket.AF_INET and each.address == "127.0.0.1" for each in addresses):
            return name
    return None


def _run(command: Sequence[str], environment: dict[str, str], *, processes: int) -> list[int]:
    """Start a process for each rank, wait for all, and return their exit codes; none is left running."""
    started = [
        subprocess.Popen(command, env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)})  # noqa: S603
        for rank in range(processes)
    ]

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in started:
            process.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        return _wait(started)
    finally:
        signal.signal(signal.SIGTERM, before)
        for process in started:
            process.kill()


def _wait(started: list[subprocess.Popen[bytes]]) -> list[int]:
    """Wait for all processes and return their exit codes; once one has failed, the others are ended after a while."""
    deadline: float | None = None
    terminated = False
    while any(process.poll() is None for process in started):
        if deadline is None and any(process.returncode for process in started):
            deadline = time.monotonic() + _GRACE
        if deadline is not None and time.monotonic() > deadline:
            for process in started:
                process.kill() if terminated else process.terminate()
            terminated, deadline = True, time.monotonic() + _GRACE
        time.sleep(0.05)
    return [process.returncode for process in started]
