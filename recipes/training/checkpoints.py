"""Checkpoints: complete or absent, readable without running anything in them, and enough for an exact resume."""

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from framegate.media.files import is_plain_folder, name_aside, replace_folder, to_disk, write_text
from framegate.recipes.training.run_folder import RunError
from framegate.ssl.backbones.weights import save_tensors

Attempt = Callable[[Callable[[], None]], None]
"""Runs some work on every process, and raises on every process if it failed on any."""

_NAME = re.compile(r"step-\d{7,}")
_UNFINISHED = re.compile(r"\.step-\d{7,}(\.[0-9a-f]{8})?\.(part|old)")
"""A checkpoint that is being written or deleted, or was when its process was killed."""


def checkpoint_name(step: int) -> str:
    """Return the name of the folder of the checkpoint after ``step`` updates."""
    return f"step-{step:07d}"


def complete_checkpoints(folder: Path) -> list[Path]:
    """Return complete checkpoints, the oldest first. Half-written ones have other names; links do not count."""
    found = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name) and is_plain_folder(path)]
    return sorted(found, key=lambda path: int(path.name.removeprefix("step-")))


def choose_checkpoint(folder: Path, which: str) -> Path:
    """Return a complete checkpoint of a run.

    Args:
        folder: where checkpoints are.
        which: ``last``; ``best``, by the online probe as of the newest checkpoint; or a name, ``step-0001500``.

    Raises:
        RunError: there is no such checkpoint.
    """
    there = complete_checkpoints(folder)
    if not there:
        raise RunError(f"{folder.parent} has no complete checkpoint yet")
    name = there[-1].name if which == "last" else which
    if which == "best":
        best = read_state(there[-1]).get("best")
        if best is None:
            raise RunError(f"{folder.parent} has no best checkpoint: set log.probe_every to probe while training")
        name = checkpoint_name(best["step"])
    if (chosen := folder / name) not in there:
        known = ", ".join(path.name for path in there)
        raise RunError(f"{folder.parent} has no checkpoint '{name}' (it has {known}; or say last or best)")
    return chosen


def save_checkpoint(  # noqa: C901  # three short steps, each to be done by all processes before the next
    folder: Path,
    *,
    step: int,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    extra: Mapping[str, Any],
    rank: int = 0,
    processes: int = 1,
    attempt: Attempt = lambda work: work(),
    keep: int = 2,
    best: int | None = None,
) -> Path:
    """Write the state after ``step`` updates. Every process must call it.

    Process 0 writes parameters, buffers and the optimizer; each process writes its own batch norm buffers and random
    state. All of it goes into a folder of another name, which is renamed once its bytes are on the disk. If anything
    fails on any process, the older checkpoints are as they were.

    Args:
        folder: where checkpoints are.
        step: updates done.
        modules: what has tensors, by name.
        optimizer: its tensors and numbers are saved, nothing pickled.
        extra: plain JSON values to find again.
        rank: this process.
        processes: how many there are.
        attempt: runs the work of each process, and fails on all together.
        keep: older checkpoints are deleted until this many remain,
        best: besides the one after this many updates, which stays.
    """
    # No random name: all processes write into it. It is made anew all the same, which fails where a link stands.
    aside = folder / f".{checkpoint_name(step)}.part"

    def prepare() -> None:
        if rank == 0:
            folder.mkdir(parents=True, exist_ok=True)
            for stale in folder.iterdir():
                if _UNFINISHED.fullmatch(stale.name) and is_plain_folder(stale):
                    shutil.rmtree(stale)
            aside.mkdir()

    def write() -> None:
        save_tensors(_rank_tensors(modules), aside / f"rank-{rank}.safetensors")
        to_disk(aside / f"rank-{rank}.safetensors")
        if rank == 0:
            tensors, numbers = _split_optimizer(optimizer)
            save_tensors(_module_tensors(modules), aside / "model.safetensors")
            save_tensors(tensors, aside / "optimizer.safetensors")
            kind = type(getattr(optimizer, "optimizer", optimizer)).__name__
            state = {"step": step, "processes": processes, "optimizer": numbers, "optimizer_kind": kind, **extra}
            write_text(aside / "state.json", json.dumps(state, indent=1))
            for name in ("model.safetensors", "optimizer.safetensors"):
                to_disk(aside / name)

    def publish() -> None:
        if rank == 0:
            replaced = replace_folder(aside, folder / checkpoint_name(step))
            if replaced is not None and is_plain_folder(replaced):
                shutil.rmtree(replaced)
            spared = {checkpoint_name(best)} if best is not None else set()
            for old in complete_checkpoints(folder)[:-keep]:
                if old.name not in spared:
                    _delete(old)

    try:
        for work in (prepare, write, publish):
            attempt(work)
    except BaseException:
        if rank == 0 and is_plain_folder(aside):
            shutil.rmtree(aside, ignore_errors=True)
        raise
    return folder / checkpoint_name(step)


def read_state(checkpoint: Path) -> dict[str, Any]:
    """Return the plain values of a checkpoint: ``step``, ``processes``, and what was given as ``extra``."""
    state: dict[str, Any] = json.loads((checkpoint / "state.json").read_text(encoding="utf-8"))
    return state


def load_checkpoint(
    checkpoint: Path, *, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, rank: int | None = 0
) -> None:
    """Load a checkpoint into modules, optimizer and random state.

    ``rank``: the process whose batch norm statistics and random state are taken; None: process 0's statistics, and the
    random state is left as it is.

    Raises:
        RunError: the checkpoint's network or optimizer is another.
    """
    tensors = load_file(checkpoint / "model.safetensors")
    state = read_state(checkpoint)
    kind = type(getattr(optimizer, "optimizer", optimizer)).__name__
    if state["optimizer_kind"] != kind:
        raise RunError(f"{checkpoint} holds the state of {state['optimizer_kind']}, which {kind} cannot continue")
    if rank is not None:
        rank_state = load_file(checkpoint / f"rank-{rank}.safetensors")
        torch.set_rng_state(rank_state.pop("rng"))
        if (of_gpu := rank_state.pop("cuda_rng", None)) is not None and torch.cuda.is_available():
            torch.cuda.set_rng_state(of_gpu)
        tensors |= rank_state
    for name, module in modules.items():
        prefix = f"{name}."
        module_tensors = {key.removeprefix(prefix): tensor for key, tensor in tensors.items() if key.startswith(prefix)}
        try:
            module.load_state_dict(module_tensors)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise RunError(f"{checkpoint} holds another network; no config can continue it: {reason[:400]}") from error
    _fill_optimizer(optimizer, load_file(checkpoint / "optimizer.safetensors"), state["optimizer"])


def _delete(checkpoint: Path) -> None:
    """Rename a checkpoint, then delete it: if killed in between, half a checkpoint must not look complete."""
    doomed = name_aside(checkpoint, "old")
    checkpoint.rename(doomed)
    shutil.rmtree(doomed)


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
    random = {"rng": torch.get_rng_state()}
    if torch.cuda.is_available():
        random["cuda_rng"] = torch.cuda.get_rng_state()
    return {**buffers, **random}


def _split_optimizer(optimizer: torch.optim.Optimizer) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Split an optimizer's state into tensors by name, and plain values for JSON."""
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
