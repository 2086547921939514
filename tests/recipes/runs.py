"""Pretraining runs in processes of their own, to be killed and continued."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

TINY = [
    *("backbone.name=test_resnet", "backbone.image_size=32", "optim.batch_size=16", "optim.epochs=2"),
    *("method.queue=40", "method.symmetric=true", "log.every=1", "log.wandb_project=null"),
    *("data.workers=1", "checkpoint.every=2"),
]
_TIMEOUT = 240


def framegate(*arguments: object, python: str = "", **environment: str) -> subprocess.Popen:
    """A command in a process group of its own; ``python``: statements to run before."""
    code = f"{python}\nfrom framegate.recipes.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def start(store: Path, runs: Path, *extra: object, python: str = "", **environment: str) -> subprocess.Popen:
    """A tiny pretraining run named moco_small in ``runs``."""
    options = [f"data.store={store}", f"run_dir={runs}", *TINY, *extra]
    return framegate("pretrain", "moco_small", *options, python=python, **environment)


def ended(process: subprocess.Popen, code: int = 0) -> str:
    """What it wrote to stderr, once it has ended, which it must with this exit code and without a traceback."""
    try:
        _, errors = process.communicate(timeout=_TIMEOUT)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert process.returncode == code, errors
    assert "Traceback" not in errors
    return errors


def kill(process: subprocess.Popen) -> None:
    """SIGKILL to the process and all that it started; it must not have ended before."""
    assert process.poll() is None, process.communicate()[1]
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)


def steps(runs: Path) -> list[int]:
    """The steps that metrics.jsonl holds rows of; the last may be half written."""
    metrics = runs / "moco_small" / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.exists() else []
    return [json.loads(line)["step"] for line in lines if line.endswith("}")]


def losses(runs: Path) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (runs / "moco_small" / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in rows]


def checkpoints(runs: Path) -> list[Path]:
    return sorted((runs / "moco_small" / "checkpoints").glob("step-*"))


def tensors(checkpoint: Path) -> dict[str, Tensor]:
    """Every tensor of a checkpoint, which must be whole."""
    state = json.loads((checkpoint / "state.json").read_text())
    files = ["model", "optimizer", *(f"rank-{rank}" for rank in range(state["processes"]))]
    return {
        f"{file}:{name}": tensor
        for file in files
        for name, tensor in load_file(checkpoint / f"{file}.safetensors").items()
    }


def differing(one: Path, other: Path) -> list[str]:
    """Tensors in which the newest checkpoints of two run folders' runs differ."""
    expected, found = tensors(checkpoints(one)[-1]), tensors(checkpoints(other)[-1])
    assert expected.keys() == found.keys()
    return [name for name in expected if not expected[name].equal(found[name])]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "the run did not come so far"
        time.sleep(0.005)


def wait_for_step(runs: Path, step: int, process: subprocess.Popen) -> None:
    wait_until(lambda: bool(here := steps(runs)) and here[-1] >= step, process)


def slow_disk(folder: Path) -> str:
    """A PYTHONPATH under which every file takes 0.15 s to reach the disk: time enough to die in a save."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(
        "import os, time\nreal = os.fsync\ndef slow(file):\n    time.sleep(0.15)\n    real(file)\nos.fsync = slow\n"
    )
    return str(folder)


def killed_five_times(start_run: Callable[[], subprocess.Popen], runs: Path, *, seed: int) -> None:
    """Start a run and kill it, five times: at random steps, and twice in the middle of a save."""
    rng = random.Random(seed)
    unfinished = runs / "moco_small" / "checkpoints"
    for draw in ("step", "early in a save", "step", "late in a save", "step"):
        before = checkpoints(runs)[-1] if checkpoints(runs) else None
        reached = int(before.name.removeprefix("step-")) if before else 0
        process = start_run()
        if draw == "step":
            wait_for_step(runs, reached + rng.randint(1, 4), process)
            time.sleep(rng.uniform(0, 0.05))
        else:
            left = {path.name for path in unfinished.glob(".step-*")}
            wait_until(
                lambda left=left: {path.name for path in unfinished.glob(".step-*.part")} - left != set(), process
            )
            # Of the 0.6 s that a save takes with `slow_disk`, the first 0.15 pass with files missing.
            time.sleep(rng.uniform(0, 0.1) if draw == "early in a save" else rng.uniform(0.15, 0.6))
        kill(process)
        for checkpoint in checkpoints(runs):
            tensors(checkpoint)
