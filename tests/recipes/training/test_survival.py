"""What may happen to a training, short of SIGKILL: each ends it with a clear line, and loses nothing that was saved."""

import os
import resource
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from framegate.recipes.training.checkpoints import complete_checkpoints, save_checkpoint
from tests.recipes.runs import (
    checkpoints,
    differing,
    ended,
    framegate,
    losses,
    start,
    steps,
    tensors,
    wait_for_step,
    wait_until,
)

pytestmark = pytest.mark.timeout(400)


def message_of(errors: str) -> str:
    """The one line by which framegate says why it ended."""
    (line,) = [line for line in errors.splitlines() if line.startswith("framegate: ")]
    return line


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 40 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(folder)], check=False)
    if done.returncode:
        pytest.skip("only root can mount a file system; test_a_file_that_may_not_grow covers the same path")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
def test_a_full_disk_ends_the_run_and_leaves_the_last_checkpoint(store: Path, tmp_path: Path, small_disk: Path) -> None:
    options = ["optim.epochs=8", "checkpoint.every=5"]
    process = start(store, small_disk, *options)
    wait_until(lambda: checkpoints(small_disk) != [], process)
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        room = os.statvfs(small_disk)
        file.write(bytes(max(0, room.f_bavail * room.f_frsize - 500_000)))
    line = message_of(ended(process, 1))
    assert "step-" in line
    assert "could not be written: " in line
    assert "No space left on device" in line or "os error 28" in line
    newest = checkpoints(small_disk)[-1]
    assert f"the last good state is {newest.name}" in line
    tensors(newest)
    assert list(newest.parent.glob(".step-*")) == []

    ballast.unlink()
    ended(start(store, small_disk, *options, "--resume"))
    ended(start(store, tmp_path / "whole", *options))
    assert losses(small_disk) == losses(tmp_path / "whole")
    assert differing(small_disk, tmp_path / "whole") == []


def test_a_file_that_may_not_grow_leaves_the_older_checkpoint_and_nothing_half(tmp_path: Path) -> None:
    module = nn.Linear(300, 300)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)

    def save(step: int) -> None:
        save_checkpoint(tmp_path, step=step, modules={"net": module}, optimizer=optimizer, extra={})

    save(1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises((OSError, SafetensorError)):
            save(2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in tmp_path.iterdir()] == ["step-0000001"]
    save(2)
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["step-0000001", "step-0000002"]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_loss_that_is_no_number_ends_the_run_on_all_processes(store: Path, tmp_path: Path, processes: int) -> None:
    process = start(
        store,
        tmp_path,
        "optim.lr=1e9",
        "optim.weight_decay=5",
        "optim.warmup_epochs=8",
        "optim.epochs=8",
        "checkpoint.every=1",
        "--processes",
        processes,
    )
    errors = ended(process, 1)
    (line,) = [line for line in errors.splitlines() if "the loss or a weight is not a number" in line]
    assert "lower optim.lr or set optim.clip_grad; the last good state is " in line
    saved = checkpoints(tmp_path)
    assert line.endswith(saved[-1].name)
    assert all(tensor.isfinite().all() for checkpoint in saved for tensor in tensors(checkpoint).values())


@pytest.mark.slow
def test_a_signal_to_the_launcher_stops_two_processes_at_once_and_together(store: Path, tmp_path: Path) -> None:
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    options = ["optim.epochs=10", "log.every=1000", "checkpoint.every=4", "--processes", 2]
    process = start(store, broken, *options)
    wait_until(lambda: checkpoints(broken) != [], process)
    process.terminate()
    errors = ended(process, 3)
    assert errors.count("because a signal asked for it; the state is saved, --resume continues") == 1
    newest = checkpoints(broken)[-1]
    assert f"stopped after step {int(newest.name.removeprefix('step-'))}, " in errors

    ended(start(store, broken, *options, "--resume"))
    ended(start(store, whole, *options))
    assert differing(broken, whole) == []


@pytest.mark.slow
def test_a_killed_process_takes_the_others_with_it_and_the_launcher_says_which(store: Path, tmp_path: Path) -> None:
    process = start(store, tmp_path, "optim.epochs=100", "--processes", 2)
    wait_for_step(tmp_path, 3, process)
    started = [child for child in psutil.Process(process.pid).children() if "--resume" not in child.cmdline()]
    ranks = {child.environ().get("RANK"): child for child in started}
    ranks["1"].kill()
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "process 1 was killed by signal 9" in errors.splitlines()[-1]
    assert not any(child.is_running() for child in started)
    tensors(checkpoints(tmp_path)[-1])


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["pretrain", "finetune"])
def test_a_dead_data_worker_ends_the_run_after_the_step_with_the_state_saved(
    store: Path, tmp_path: Path, verb: str
) -> None:
    def train(runs: Path, *extra: str) -> subprocess.Popen:
        if verb == "pretrain":
            options = ["data.workers=2", "optim.accumulate=2", "optim.epochs=10", "checkpoint.every=1000"]
            return start(store, runs, *options, *extra)
        options = ["streams.frames.backbone=test_resnet", "optim.epochs=20", "optim.batch_size=4"]
        options += [
            "log.wandb_project=null",
            "log.every=1",
            "checkpoint.every=1000",
            "data.workers=2",
            "name=moco_small",
        ]
        return framegate("finetune", "fusion_small", f"data.store={store}", f"run_dir={runs}", *options, *extra)

    broken, whole = tmp_path / "broken", tmp_path / "whole"
    process = train(broken)
    wait_for_step(broken, 3, process)
    main = psutil.Process(process.pid)
    workers = [child for child in main.children() if child.cmdline() == main.cmdline()]
    assert len(workers) == 2
    workers[1].kill()
    line = message_of(ended(process, 1))
    assert "because a data worker died (of too little memory?); the state is saved, --resume continues" in line
    (saved,) = checkpoints(broken)
    assert int(saved.name.removeprefix("step-")) == steps(broken)[-1] < 100

    ended(train(broken, "--resume"))
    ended(train(whole))
    assert losses(broken) == losses(whole)
    assert differing(broken, whole) == []
