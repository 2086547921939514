"""Killed and continued is the same as never interrupted."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file

TINY = [
    *(
        "backbone.name=test_resnet",
        "backbone.image_size=32",
        "optim.batch_size=16",
        "method.queue=40",
        "data.workers=1",
    ),
    *("method.symmetric=true", "log.every=1", "log.wandb_project=null", "checkpoint.every=2", "optim.epochs=2"),
]


def start(store: Path, runs: Path, *extra: str) -> subprocess.Popen:
    command = [sys.executable, "-c", "from framegate.recipes.cli import main; main()", "pretrain", "moco_small"]
    command += [f"data.store={store}", f"run_dir={runs}", *TINY, *extra]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: subprocess.Popen) -> str:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return errors


def losses(runs: Path) -> list[tuple[int, float]]:
    rows = [json.loads(line) for line in (runs / "moco_small" / "metrics.jsonl").read_text().splitlines()]
    return [(row["step"], row["loss"]) for row in rows]


def final_tensors(runs: Path) -> dict:
    newest = sorted((runs / "moco_small" / "checkpoints").glob("step-*"))[-1]
    return {
        f"{file}:{name}": tensor
        for file in ("model", "optimizer", "rank-0")
        for name, tensor in load_file(newest / f"{file}.safetensors").items()
    }


def wait_for_step(runs: Path, step: int) -> None:
    deadline = time.monotonic() + 90
    metrics = runs / "moco_small" / "metrics.jsonl"
    while not metrics.exists() or len(metrics.read_text().splitlines()) < step:
        assert time.monotonic() < deadline, "the run did not come so far"
        time.sleep(0.02)


@pytest.mark.timeout(300)
def test_killed_and_resumed_equals_uninterrupted(store: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    uninterrupted = start(store, whole)
    killed = start(store, broken)
    wait_for_step(broken, 5)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.communicate(timeout=30)
    finish(uninterrupted)

    finish(start(store, broken, "--resume"))
    assert losses(broken) == losses(whole)
    assert len(losses(whole)) > 8
    expected, found = final_tensors(whole), final_tensors(broken)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not expected[name].equal(found[name])] == []


@pytest.mark.timeout(300)
def test_a_polite_stop_saves_the_state_and_says_so(store: Path, tmp_path: Path) -> None:
    process = start(store, tmp_path, "checkpoint.every=1000", "optim.epochs=50")
    wait_for_step(tmp_path, 2)
    os.kill(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "the state is saved, --resume continues" in errors
    assert "Traceback" not in errors
    (checkpoint,) = (tmp_path / "moco_small" / "checkpoints").glob("step-*")
    assert int(checkpoint.name.removeprefix("step-")) >= 2
