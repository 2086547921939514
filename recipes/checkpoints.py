"""Checkpoints: complete or absent, readable without running anything in them, and enough for an exact resume."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from framegate.recipes.run_folder import replace_folder


def checkpoint_name(step: int) -> str:
    """The folder of the checkpoint after ``step`` updates."""
    return f"step-{step:07d}"


def complete_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints from the oldest to the newest; half-written ones have other names and do not appear."""
    return sorted(folder.glob("step-*"))


def save_checkpoint(
    folder: Path,
    *,
    step: int,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    extra: Mapping[str, Any],
    rank: int = 0,
    processes: int = 1,
    barrier: Callable[[], None] = lambda: None,
    keep: int = 2,
) -> Path:
    """Write the state after ``step`` updates; called on every process.

    Process 0 writes parameters, buffers and the optimizer; each process writes its own buffers and random state. All of
    it goes into a folder of another name, which is renamed once it is whole.

    Args:
        folder: where checkpoints are.
        step: updates done.
        modules: what has tensors, by name.
        optimizer: its tensors and numbers are saved, nothing pickled.
        extra: plain JSON values to find again.
        rank: this process.
        processes: how many there are.
        barrier: waits for all processes.
        keep: older checkpoints are deleted until this many remain.
    """
    aside = folder / f".{checkpoint_name(step)}.part"
    if rank == 0:
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
    barrier()
    save_file(_rank_tensors(modules), aside / f"rank-{rank}.safetensors")
    if rank == 0:
        tensors, numbers = _split_optimizer(optimizer)
        save_file(_module_tensors(modules), aside / "model.safetensors")
        save_file(tensors, aside / "optimizer.safetensors")
        state = {"step": step, "processes": processes, "optimizer": numbers, **extra}
        (aside / "state.json").write_text(json.dumps(state, indent=1), encoding="utf-8")
    _to_disk(aside)
    barrier()
    if rank == 0:
        replace_folder(aside, folder / checkpoint_name(step))
        for old in complete_checkpoints(folder)[:-keep]:
            shutil.rmtree(old)
    return folder / checkpoint_name(step)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """The plain values of a checkpoint: ``step``, ``processes``, and what was given as ``extra``."""
    return json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))


def load_checkpoint(
    checkpoint: Path, *, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, rank: int = 0
) -> None:
    """Put everything back as it was when the checkpoint was written, the random state of this process included."""
    shared = load_file(checkpoint / "model.safetensors")
    own = load_file(checkpoint / f"rank-{rank}.safetensors")
    torch.set_rng_state(own.pop("rng"))
    tensors = {**shared, **own}
    for name, module in modules.items():
        prefix = f"{name}."
        module.load_state_dict(
            {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
        )
    _fill_optimizer(optimizer, load_file(checkpoint / "optimizer.safetensors"), read_state(checkpoint)["optimizer"])


def _module_tensors(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": tensor.detach().contiguous().clone()
        for name, module in modules.items()
        for key, tensor in module.state_dict().items()
    }


def _rank_tensors(modules: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    buffers = {
        f"{name}.{key}": tensor.contiguous().clone()
        for name, module in modules.items()
        for owner, submodule in module.named_modules()
        if isinstance(submodule, nn.modules.batchnorm._BatchNorm)
        for key, tensor in ((f"{owner}.{buffer}", value) for buffer, value in submodule.named_buffers(recurse=False))
    }
    return {**buffers, "rng": torch.get_rng_state()}


def _split_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """An optimizer's state as tensors by name, and the numbers among it as JSON."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, entries in optimizer.state_dict()["state"].items():
        for key, value in entries.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value.contiguous().clone()
            else:
                numbers[f"{index}.{key}"] = value
    return tensors, numbers


def _fill_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    state: dict[int, dict[str, Any]] = {}
    for name, value in {**numbers, **tensors}.items():
        index, _, key = name.partition(".")
        state.setdefault(int(index), {})[key] = value
    # Learning rates and groups are functions of the recipe and the step; only the moving averages are state.
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _to_disk(folder: Path) -> None:
    """Wait until the folder's bytes are on the disk: renaming is atomic, but says nothing of what is renamed."""
    for path in folder.iterdir():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
