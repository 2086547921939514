"""Several training processes on this machine."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

import psutil

PROCESSES = "FRAMEGATE_PROCESSES"
"""Environment variable by which `launch` tells each process how many it starts."""

_GRACE = 60.0
"""Seconds that the others have to end, once one process has failed: they may be saving, or stuck waiting for it."""


class LaunchError(RuntimeError):
    """Training processes that could not be started, or of which one failed."""


def launch(
    verb: str, recipe: str, overrides: Sequence[str], *, processes: int, resume: bool = False, force: bool = False
) -> None:
    """Run a recipe on ``processes`` processes of this machine, on its GPUs where there are enough, else on its CPU.

    A SIGTERM to this process goes on to all of them, which then save and stop together.

    Raises:
        LaunchError: a process failed; its own message stands above.
        SystemExit: the processes refused the call, with their exit code.
    """
    import torch

    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes))}
    environment |= {PROCESSES: str(processes), "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes)}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
    if torch.cuda.device_count() < processes:
        environment["ACCELERATE_USE_CPU"] = "1"
    command = [sys.executable, "-m", f"framegate.recipes.{verb}", recipe, *overrides]
    command += ["--resume"] * resume + ["--force"] * force
    started = [
        subprocess.Popen(command, env=environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(processes)
    ]

    def pass_on(number: int, frame: FrameType | None) -> None:
        for process in started:
            process.send_signal(number)

    before = signal.signal(signal.SIGTERM, pass_on)
    try:
        codes = _wait(started)
    finally:
        signal.signal(signal.SIGTERM, before)
        for process in started:
            process.kill()
    if 2 in codes:
        raise SystemExit(2)
    if any(codes):
        rank = next(rank for rank, code in enumerate(codes) if code)
        killed = [f"process {rank} was killed by signal {-code}" for rank, code in enumerate(codes) if code < 0]
        reason = "; ".join(killed) if killed else f"process {rank} failed; its message stands above"
        raise LaunchError(f"{verb} on {processes} processes: {reason}")


def asked_processes() -> int | None:
    """How many processes the launcher was asked for, as far as it says so: ours does, accelerate's on its command line.

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


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait(started: list[subprocess.Popen]) -> list[int]:
    """Exit codes; once one has failed, the others are ended if they do not end by themselves."""
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
