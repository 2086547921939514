"""Several training processes, started for real."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

TINY = [
    *("backbone.name=test_resnet", "backbone.image_size=32", "optim.batch_size=16", "optim.epochs=1"),
    *("method.queue=40", "log.every=1", "log.wandb_project=null", "data.workers=1"),
]


def pretrain(store: Path, runs: Path, *extra: str, **environment: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", "from framegate.recipes.cli import main; main()", "pretrain", "moco_small"]
    command += [f"data.store={store}", f"run_dir={runs}", *TINY, *extra]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=240, check=False
    )


def test_two_processes_train_together_resume_together_and_not_alone(store: Path, tmp_path: Path) -> None:
    done = pretrain(store, tmp_path, "--processes", "2")
    assert done.returncode == 0, done.stderr
    run = tmp_path / "moco_small"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, len(rows) + 1))
    (checkpoint,) = (run / "checkpoints").glob("step-*")
    assert json.loads((checkpoint / "state.json").read_text())["processes"] == 2
    # Each process keeps its own batch norm statistics.
    ranks = [load_file(checkpoint / f"rank-{rank}.safetensors") for rank in (0, 1)]
    assert any(not ranks[0][name].equal(ranks[1][name]) for name in ranks[0] if name.endswith("running_mean"))

    longer = pretrain(store, tmp_path, "--processes", "2", "--resume", "--force", "optim.epochs=2")
    assert longer.returncode == 0, longer.stderr
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 2 * len(rows) + 1))

    alone = pretrain(store, tmp_path, "--resume", "optim.epochs=2")
    assert alone.returncode == 2
    assert "by 2 processes, not 1" in alone.stderr


def test_fewer_processes_than_asked_is_an_error(store: Path, tmp_path: Path) -> None:
    done = pretrain(store, tmp_path, FRAMEGATE_PROCESSES="2")
    assert done.returncode == 1
    assert "2 processes were asked for, and 1 started" in done.stderr
