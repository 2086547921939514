"""Measure how fast a recipe trains on this machine, by training it for a few seconds."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from framegate.media.errors import MediaError
from framegate.media.visible import visible

_STEPS, _ROWS = 2, 6  # steps of a row of metrics, and rows; the first one starts data workers and chooses kernels
_GRACE = 30.0  # seconds to stop in


@dataclass(frozen=True)
class Trial:
    """What a trial showed: images a second, of which a step takes a batch, and how many seconds the trial took."""

    images_per_second: float
    seconds: float


def trial_run(recipe: str, overrides: Sequence[str], *, processes: int = 1, seconds: float = 300.0) -> Trial:
    """Start a training in a temporary folder, and end it after a dozen steps, or fewer where the machine is slow.

    It is the training itself, data workers and processes included, so its speed is what the run will have.

    Args:
        recipe: a recipe's name or file.
        overrides: ``KEY=VALUE``.
        processes: how many train.
        seconds: how long the trial should take at most; four steps are made in any case.

    Raises:
        MediaError: the training failed.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="framegate-trial-") as folder:
        command = [sys.executable, "-m", "framegate.recipes.cli", "pretrain", recipe, *overrides]
        command += [
            f"run_dir={folder}",
            "name=trial",
            f"log.every={_STEPS}",
            "log.wandb_project=null",
            "optim.epochs=1000",
        ]
        command += ["checkpoint.every=1000000", "log.probe_every=null", "log.audit_every=null"]
        command += ["--processes", str(processes)]
        with (Path(folder) / "messages").open("w+", encoding="utf-8", errors="replace") as messages:
            training = subprocess.Popen(  # noqa: S603
                command, stdout=subprocess.DEVNULL, stderr=messages, stdin=subprocess.DEVNULL, start_new_session=True
            )
            try:
                speeds = _watch(training, Path(folder) / "trial" / "metrics.jsonl", until=began + seconds)
            finally:
                _end(training)
            if not speeds:
                messages.seek(0)
                last = [line for line in messages.read().splitlines() if line.strip()][-1:] or ["it said nothing"]
                raise MediaError(f"a trial of {recipe} did not train: {visible(last[0])[:200]}")
    return Trial(median(speeds), time.monotonic() - began)


def _watch(training: "subprocess.Popen[bytes]", metrics: Path, *, until: float) -> list[float]:
    """Return the speeds in images a second that rows after the first say; none if the training ended before."""
    while training.poll() is None:
        rows = _rows(metrics)
        if len(rows) >= (2 if time.monotonic() > until else _ROWS):
            return [row["images_per_second"] for row in rows[1:]]
        time.sleep(0.1)
    return []


def _rows(metrics: Path) -> list[dict[str, float]]:
    if not metrics.exists():
        return []
    lines = metrics.read_text(encoding="utf-8").split("\n")[:-1]  # the last may be half written
    return [json.loads(line) for line in lines]


def _end(training: "subprocess.Popen[bytes]") -> None:
    """End a training as a signal does, so that it leaves no folder and no process behind; in the worst case kill it."""
    with suppress(ProcessLookupError):
        training.send_signal(signal.SIGTERM)
        try:
            training.wait(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(training.pid, signal.SIGKILL)
            training.wait()
