"""Several training processes, started for real: by framegate's own launcher and by accelerate's."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from framegate.finetune.classifier import GatedFusionClassifier
from tests.recipes.runs import TINY, checkpoints, ended, framegate, kill, losses, start, steps, wait_for_step

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_two_processes_train_together_and_go_on_with_another_number_only_if_forced(store: Path, tmp_path: Path) -> None:
    together = ["--processes", 2, "checkpoint.every=1000"]
    ended(start(store, tmp_path, *together))
    rows = steps(tmp_path)
    assert rows == list(range(1, len(rows) + 1))
    (checkpoint,) = checkpoints(tmp_path)
    assert json.loads((checkpoint / "state.json").read_text())["processes"] == 2
    # Each process keeps its own batch norm statistics.
    ranks = [load_file(checkpoint / f"rank-{rank}.safetensors") for rank in (0, 1)]
    assert any(not ranks[0][name].equal(ranks[1][name]) for name in ranks[0] if name.endswith("running_mean"))

    # A refusal is one plain message and exit code 2, with two processes as with one.
    refused = ended(start(store, tmp_path, *together, "--resume", "optim.epochs=3"), 2)
    assert refused.count("--force continues all the same") == 1
    assert "optim.epochs: 2 → 3" in refused
    assert "by 2 processes, not 1" in ended(start(store, tmp_path, "--resume"), 2)
    assert steps(tmp_path) == rows

    forced = ended(start(store, tmp_path, "--resume", "--force", "optim.epochs=3"))
    assert "forced: batch norm statistics and random state of each process are part of the state" in forced
    assert steps(tmp_path) == list(range(1, len(rows) * 3 // 2 + 1))
    assert json.loads((checkpoints(tmp_path)[-1] / "state.json").read_text())["processes"] == 1


def test_two_processes_fine_tune_together_and_go_on(store: Path, tmp_path: Path) -> None:
    """Features are computed by one of them and read by the other; the end is one classifier."""
    copy = tmp_path / "store"
    shutil.copytree(store, copy, ignore=shutil.ignore_patterns("features"))
    options = [f"data.store={copy}", f"run_dir={tmp_path}", "name=moco_small", "log.wandb_project=null", "log.every=1"]
    options += ["streams.frames.backbone=test_resnet", "optim.batch_size=8", "optim.epochs=4", "optim.patience=3"]
    options += ["checkpoint.every=2", "data.frames=3", "--processes", "2"]
    process = framegate("finetune", "fusion_small", *options)
    wait_for_step(tmp_path, 4, process)
    kill(process)
    ended(framegate("finetune", "fusion_small", *options, "--resume"))
    assert steps(tmp_path) == list(range(1, steps(tmp_path)[-1] + 1))
    assert len(list((copy / "features").iterdir())) == 1
    model = GatedFusionClassifier.from_pretrained(tmp_path / "moco_small" / "classifier")
    assert not model.temperature.equal(torch.ones(3))


def test_another_store_is_refused_wherever_the_old_one_stood(store: Path, corpus: Path, tmp_path: Path) -> None:
    moved, smaller = tmp_path / "moved", tmp_path / "smaller"
    moved.symlink_to(store)
    ended(framegate("extract", corpus / "manifest.csv", "--out", smaller, "--size", 96))
    process = start(store, tmp_path, "optim.epochs=6")
    wait_for_step(tmp_path, 4, process)
    kill(process)
    reached = checkpoints(tmp_path)[-1].name
    refused = ended(start(smaller, tmp_path, "optim.epochs=6", "--resume"), 2)
    assert "trained on other data: the store has changed since; --force continues all the same" in refused
    assert f"store: {store}" in (tmp_path / "moco_small" / "config.yaml").read_text()
    assert checkpoints(tmp_path)[-1].name == reached

    process = start(moved, tmp_path, "optim.epochs=6", "--resume")  # the same rows under another path
    wait_for_step(tmp_path, int(reached.removeprefix("step-")) + 2, process)
    kill(process)
    forced = ended(start(smaller, tmp_path, "optim.epochs=6", "--resume", "--force"))
    assert "forced: the store is another" in forced


def test_fewer_processes_than_asked_is_an_error(store: Path, tmp_path: Path) -> None:
    process = start(store, tmp_path, FRAMEGATE_PROCESSES="2")
    assert "2 processes were asked for, and 1 started" in ended(process, 1)


def accelerate_launch(store: Path, runs: Path, *options: str, launch: tuple[str, ...], **environment: str):
    command = [sys.executable, "-m", "accelerate.commands.accelerate_cli", "launch", "--num_processes", "2", *launch]
    command += ["-m", "framegate.recipes.pretrain", "moco_small", f"data.store={store}", f"run_dir={runs}"]
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", **environment}
    return subprocess.Popen(
        [*command, *TINY, *options], env=variables, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def test_accelerates_launcher_trains_and_resumes_two_processes_under_one_wandb_run(store: Path, tmp_path: Path) -> None:
    options = ["log.every=2", "checkpoint.every=3", "log.wandb_project=framegate-test", "optim.epochs=6"]

    # Any free port: the two launches at once would both find accelerate's own one free, and one of them would fail.
    launcher = ("--multi_gpu", "--main_process_port", "0")

    def launch(runs: Path, *more: str) -> subprocess.Popen:
        return accelerate_launch(store, runs, *options, *more, launch=launcher, ACCELERATE_USE_CPU="1")

    broken, whole = tmp_path / "broken", tmp_path / "whole"
    process = launch(broken)
    wait_for_step(broken, 8, process)
    kill(process)
    for process in (launch(broken, "--resume"), launch(whole)):
        _, errors = process.communicate(timeout=200)
        assert process.returncode == 0, errors
    assert steps(broken) == list(range(2, steps(broken)[-1] + 1, 2))
    assert losses(broken) == losses(whole)

    run = broken / "moco_small"
    identity = json.loads((run / "run.json").read_text())["id"]
    offline = sorted((run / "wandb").glob("offline-run-*"))
    assert len(offline) == 2  # the killed part and the resumed one, of one run
    for part in offline:
        assert part.name.endswith(f"-{identity}")
        written = (part / f"run-{identity}.wandb").read_bytes()
        assert b"positive_seconds" in written  # the whole config, defaults included


def test_accelerates_launcher_starting_one_process_for_two_is_an_error(store: Path, tmp_path: Path) -> None:
    process = accelerate_launch(store, tmp_path, launch=("--cpu",))
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0
    assert "framegate: 2 processes were asked for, and 1 started" in errors
