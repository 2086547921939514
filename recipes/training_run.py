"""What every training needs around its loop: processes, the run folder, checkpoints, tracking, progress, stopping."""

import hashlib
import os
import secrets
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs
from torch import nn

from framegate.recipes.checkpoints import complete_checkpoints, load_checkpoint, read_state, save_checkpoint
from framegate.recipes.progress import WorkProgress
from framegate.recipes.run_folder import RunError, RunFolder
from framegate.recipes.sections import Checkpoint, Compute, Log, Optim
from framegate.recipes.tracking import start_tracking

PROCESSES = "FRAMEGATE_PROCESSES"
"""Environment variable by which `framegate.recipes.launch` says how many processes it starts."""


class TrainingError(RuntimeError):
    """The training itself failed: a loss that is no number, for example."""


class TrainingConfig(Protocol):
    """What a recipe must say for a run to be made of it."""

    name: str
    seed: int
    run_dir: Path
    optim: Optim
    compute: Compute
    log: Log
    checkpoint: Checkpoint


class TrainingRun:
    """One training on this and the other processes; use it as a context.

    Args:
        config: the recipe.
        resume: continue the run in the folder.
        force: continue it with another config, too.
        find_unused_parameters: some batches leave some parameters without a gradient.

    Raises:
        RunError: the folder holds a run that may not be continued like this.
    """

    def __init__(self, config: Any, *, resume: bool = False, force: bool = False, find_unused_parameters: bool = False):
        self.config: TrainingConfig = config
        self.accelerator = Accelerator(
            mixed_precision={"fp32": "no"}.get(config.compute.precision, config.compute.precision),
            gradient_accumulation_steps=config.optim.accumulate,
            log_with="wandb" if config.log.wandb_project else None,
            # Queue and batch norm statistics belong to each process; sending them would overwrite the others'.
            kwargs_handlers=[
                DistributedDataParallelKwargs(broadcast_buffers=False, find_unused_parameters=find_unused_parameters)
            ],
        )
        asked = int(os.environ.get(PROCESSES, self.processes))
        if self.processes != asked:
            raise TrainingError(f"{asked} processes were asked for, and {self.processes} started: look at the launcher")
        if self.accelerator.is_main_process:
            RunFolder.open(config, run_dir=config.run_dir, name=config.name, resume=resume, force=force)
        self.accelerator.wait_for_everyone()
        self.folder = RunFolder(Path(config.run_dir) / config.name)
        checkpoints = complete_checkpoints(self.folder.checkpoints) if resume else []
        self._checkpoint = checkpoints[-1] if checkpoints else None
        self._state: dict[str, Any] = read_state(self._checkpoint) if self._checkpoint else {}
        self.first_step: int = self._state.get("step", 0)
        self._wandb_id: str = self._state.get("wandb_id", secrets.token_hex(4))
        self._stop_signal: int | None = None
        self._modules: Mapping[str, nn.Module] = {}
        self._open = ExitStack()
        self._finite = torch.ones((), dtype=torch.bool, device=self.accelerator.device)

    @property
    def rank(self) -> int:
        """This process's number, from 0."""
        return self.accelerator.process_index

    @property
    def processes(self) -> int:
        """How many processes train."""
        return self.accelerator.num_processes

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and talks."""
        return self.accelerator.is_main_process

    def begin(
        self, *, modules: Mapping[str, nn.Module], optimizer: torch.optim.Optimizer, total_steps: int, data: str
    ) -> None:
        """Load the checkpoint to resume from, if there is one, and open tracking and progress.

        Args:
            modules: the unwrapped modules whose tensors are state.
            optimizer: as prepared.
            total_steps: optimizer updates of the whole training.
            data: a digest of what is trained on, refused if it changes.

        Raises:
            RunError: the checkpoint was written over other data or by another number of processes.
        """
        self._modules, self._optimizer, self._data = modules, optimizer, data
        self.total_steps = total_steps
        if self._checkpoint is not None:
            self._refuse_other(data)
            load_checkpoint(self._checkpoint, modules=modules, optimizer=optimizer, rank=self.rank)
            if self.accelerator.scaler is not None:
                self.accelerator.scaler.load_state_dict(self._state["scaler"])
        else:
            # Built alike everywhere, the processes now go their own ways in what is left to chance (dropout).
            torch.manual_seed(int(np.random.SeedSequence([self.config.seed, self.rank]).generate_state(1)[0]))
        if self.is_main:
            self.folder.rewind(self.first_step)
        if project := self.config.log.wandb_project:
            start_tracking(
                self.accelerator,
                self.config,  # type: ignore[arg-type]
                project=project,
                name=self.config.name,
                run=self.folder.path,
                run_id=self._wandb_id,
            )
        progress = WorkProgress(self.config.name, total=total_steps, visible=self.is_main)
        self._progress = self._open.enter_context(progress)
        self._progress.update(self.first_step)
        self._interval = _Interval(self.first_step)

    def waiting(self) -> "_Waiting":
        """A context for the time that the loop waits for data."""
        return self._interval.waiting

    def check(self, loss: torch.Tensor) -> None:
        """Note whether ``loss`` is a number, without waiting for the device to compute it."""
        self._finite &= loss.detach().isfinite().all()

    def log_due(self, step: int) -> bool:
        """Whether a row is to be written after update ``step``."""
        return step % self.config.log.every == 0 or step == self.total_steps or self.probe_due(step)

    def probe_due(self, step: int) -> bool:
        """Whether the network is to be probed after update ``step``."""
        every = self.config.log.probe_every
        return every is not None and step % every == 0

    def log(self, step: int, *, epoch: int, images: int, **values: Any) -> None:
        """Write a row of metrics, and show it.

        Args:
            step: updates done.
            epoch: the epoch they belong to, from 0.
            images: images of all processes in one update.
            values: ``loss``, ``lr``, ``momentum`` …, numbers or scalar tensors of this process.
        """
        self._refuse_nan(step)
        row = {"step": step, "epoch": epoch, **{name: _number(value) for name, value in values.items()}}
        row |= self._interval.speed(images * (step - self._interval.first_step))
        self._interval = _Interval(step)
        if self.is_main:
            self.folder.log(row)
        if self.config.log.wandb_project:
            self.accelerator.log({key: value for key, value in row.items() if key != "step"}, step=step)
        speed = f"{row['images_per_second']:.0f} images/s, {row['data_wait']:.0%} waiting for data"
        self._progress.update(step, f"loss {row['loss']:.3f}, {speed}")

    def checkpoint_if_due(self, step: int) -> None:
        """Save every ``checkpoint.every`` updates, at the end, and before leaving because of a signal."""
        stop = self._signalled(step)
        if step % self.config.checkpoint.every == 0 or step == self.total_steps or stop:
            self._refuse_nan(step)
            scaler = self.accelerator.scaler
            save_checkpoint(
                self.folder.checkpoints,
                step=step,
                modules=self._modules,
                optimizer=self._optimizer,
                extra={
                    "wandb_id": self._wandb_id,
                    "data": self._data,
                    "scaler": scaler.state_dict() if scaler is not None else None,
                },
                rank=self.rank,
                processes=self.processes,
                barrier=self.accelerator.wait_for_everyone,
                keep=self.config.checkpoint.keep,
            )
        if stop and step < self.total_steps:
            raise TrainingError(f"stopped by a signal after step {step}; the state is saved, --resume continues")

    def __enter__(self) -> "TrainingRun":
        self._old_handler = signal.signal(signal.SIGTERM, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        signal.signal(signal.SIGTERM, self._old_handler)
        self._open.close()
        self.accelerator.end_training()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_signal = number

    def _signalled(self, step: int) -> bool:
        """Whether any process got a signal: all must agree before they save together, which they ask at log steps."""
        if self.processes == 1:
            return self._stop_signal is not None
        if not self.log_due(step):
            return False
        here = torch.tensor([float(self._stop_signal is not None)], device=self.accelerator.device)
        return bool(self.accelerator.reduce(here, reduction="sum").item())

    def _refuse_nan(self, step: int) -> None:
        if not bool(self._finite):
            newest = complete_checkpoints(self.folder.checkpoints)
            saved = f"the last good state is {newest[-1].name}" if newest else "no state was saved yet"
            raise TrainingError(
                f"the loss is not a number at step {step}: lower optim.lr or set optim.clip_grad; {saved}"
            )

    def _refuse_other(self, data: str) -> None:
        if self._state["processes"] != self.processes:
            raise RunError(
                f"{self._checkpoint} was written by {self._state['processes']} processes, not {self.processes}: "
                "batch norm and randomness of each process are part of the state"
            )
        if self._state["data"] != data:
            raise RunError(f"{self._checkpoint} was trained on other data: the store has changed since")


def data_digest(store: Path) -> str:
    """Changes when the store's rows do."""
    return hashlib.sha256((store / "videos.arrow").read_bytes()).hexdigest()[:16]


def _number(value: torch.Tensor | float) -> float:
    return value.item() if isinstance(value, torch.Tensor) else float(value)


class _Waiting:
    """Adds up the seconds spent inside it."""

    seconds = 0.0

    def __enter__(self) -> None:
        self._begin = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._begin


class _Interval:
    """The steps since the last row."""

    def __init__(self, first_step: int) -> None:
        self.first_step = first_step
        self.begin = time.perf_counter()
        self.waiting = _Waiting()

    def speed(self, images: int) -> dict[str, float]:
        seconds = time.perf_counter() - self.begin
        return {"images_per_second": images / seconds, "data_wait": self.waiting.seconds / seconds}
