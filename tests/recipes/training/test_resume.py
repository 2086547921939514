"""Killed and continued is the same as never interrupted."""

import json
import os
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.recipes.runs import (
    checkpoints,
    differing,
    ended,
    kill,
    killed_five_times,
    losses,
    slow_disk,
    start,
    steps,
    tensors,
    wait_for_step,
)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_killed_and_resumed_equals_uninterrupted(store: Path, tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    uninterrupted = start(store, whole)
    killed = start(store, broken)
    wait_for_step(broken, 5, killed)
    kill(killed)
    ended(uninterrupted)

    ended(start(store, broken, "--resume"))
    assert losses(broken) == losses(whole)
    assert len(losses(whole)) > 8
    assert differing(whole, broken) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_killed_five_times_anywhere_equals_uninterrupted(
    store: Path, tmp_path: Path, processes: int, accumulate: int
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    options = ["optim.epochs=8", f"optim.accumulate={accumulate}", "checkpoint.every=3", "--processes", processes]
    disk = slow_disk(tmp_path / "disk")
    uninterrupted = start(store, whole, *options)
    killed_five_times(
        lambda: start(store, broken, *options, "--resume", PYTHONPATH=disk),
        broken,
        seed=10 * processes + accumulate,
    )
    ended(uninterrupted)

    ended(start(store, broken, *options, "--resume"))
    assert losses(broken) == losses(whole)
    assert len(losses(whole)) > 30
    assert differing(whole, broken) == []
    # Nothing half written is left once the run is whole.
    assert list((broken / "moco_small" / "checkpoints").glob(".*")) == []


@pytest.mark.timeout(300)
def test_a_polite_stop_saves_the_state_and_says_so(store: Path, tmp_path: Path) -> None:
    process = start(store, tmp_path, "checkpoint.every=1000", "optim.epochs=50")
    wait_for_step(tmp_path, 2, process)
    os.kill(process.pid, signal.SIGTERM)
    errors = ended(process, 3)
    (line,) = [line for line in errors.splitlines() if line.startswith("framegate: ")]
    assert line.endswith("because a signal asked for it; the state is saved, --resume continues")
    (checkpoint,) = checkpoints(tmp_path)
    assert int(checkpoint.name.removeprefix("step-")) == steps(tmp_path)[-1] >= 2


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_second_training_in_the_same_folder_is_refused(store: Path, tmp_path: Path) -> None:
    first = start(store, tmp_path, "optim.epochs=50")
    wait_for_step(tmp_path, 1, first)
    assert "another process is training in it" in ended(start(store, tmp_path, "--resume", "optim.epochs=50"), 2)
    kill(first)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_best_by_the_probe_is_kept_beside_the_newest_and_exported(store: Path, tmp_path: Path) -> None:
    from framegate.recipes.commands.training.export_backbone import export

    options = ["checkpoint.every=2", "checkpoint.keep=1", "log.probe_every=3", "optim.epochs=6"]
    process = start(store, tmp_path, *options)
    wait_for_step(tmp_path, 8, process)
    kill(process)
    ended(start(store, tmp_path, *options, "--resume"))
    run = tmp_path / "moco_small"
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    probed = {row["step"]: row["knn_leaf"] for row in rows if "knn_leaf" in row}
    best = max(probed, key=lambda step: (probed[step], -step))
    assert len(probed) >= 5
    assert [path.name for path in checkpoints(tmp_path)] == sorted({f"step-{best:07d}", f"step-{rows[-1]['step']:07d}"})

    result = export(run, tmp_path / "best", checkpoint="best")
    assert result.values["checkpoint"].endswith(f"step-{best:07d}")
    saved = tensors(run / "checkpoints" / f"step-{best:07d}")
    exported = load_file(tmp_path / "best" / "model.safetensors")
    (prefix,) = {name.partition("query_encoder.")[0] for name in saved if name.startswith("model:") and "query" in name}
    assert all(tensor.equal(saved[f"{prefix}query_encoder.0.model.{name}"]) for name, tensor in exported.items())
