"""What every training needs around its loop: processes, the run folder, checkpoints, tracking, progress, stopping."""

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Protocol, TypeVar

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list
from safetensors import SafetensorError
from torch import nn
from torch.utils.data import DataLoader

from framegate.media.errors import FramegateError
from framegate.media.visible import visible
from framegate.recipes.config.sections import Checkpoint, Compute, Log, Optim
from framegate.recipes.training.checkpoints import (
    checkpoint_name,
    complete_checkpoints,
    load_checkpoint,
    read_state,
    save_checkpoint,
)
from framegate.recipes.training.collectives import Collectives
from framegate.recipes.training.dead_workers import batches_despite_deaths
from framegate.recipes.training.launch import STOPPED, asked_processes, join_launched
from framegate.recipes.training.progress import WorkProgress
from framegate.recipes.training.run_folder import RunError, RunFolder
from framegate.recipes.training.throughput import Interval, Waiting
from framegate.recipes.training.tracking import start_tracking

T = TypeVar("T")

BEST_BY = "knn_leaf"
"""The figure of the online probe, among the values given to `TrainingRun.log`, whose highest value marks the best
checkpoint."""


class TrainingError(FramegateError, RuntimeError):
    """The training itself failed: a loss that is no number, for example."""

    exit_code = 1


class StoppedError(TrainingError):
    """A signal asked the training to stop, and its state is saved."""

    exit_code = STOPPED


_SIGNAL = "a signal asked for it"


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

    It ends early, with the state saved, when any process gets a SIGTERM or loses a data worker; with the last complete
    checkpoint named, when the loss is not a number or a checkpoint cannot be written.

    Args:
        config: the recipe.
        resume: continue the run in the folder.
        force: continue it with another config, over another store or on another number of processes, too.
        find_unused_parameters: some batches leave some parameters without a gradient.

    Raises:
        RunError: the folder holds a run that may not be continued like this.
        TrainingError: fewer processes started than were asked for.
    """

    def __init__(self, config: Any, *, resume: bool = False, force: bool = False, find_unused_parameters: bool = False):
        self.config: TrainingConfig = config
        join_launched()
        self.accelerator = Accelerator(
            mixed_precision={"fp32": "no"}.get(config.compute.precision, config.compute.precision),
            gradient_accumulation_steps=config.optim.accumulate,
            log_with="wandb" if config.log.wandb_project else None,
            # Queue and batch norm statistics belong to each process; sending them would overwrite the others'.
            kwargs_handlers=[
                DistributedDataParallelKwargs(broadcast_buffers=False, find_unused_parameters=find_unused_parameters)
            ],
        )
        asked = asked_processes()
        if asked is not None and self.processes != asked:
            raise TrainingError(
                f"{asked} processes were asked for, and {self.processes} started: look at the launcher "
                "(on a CPU: framegate … --processes N, or ACCELERATE_USE_CPU=1 accelerate launch --multi_gpu …)"
            )
        self._collectives = Collectives(processes=self.processes)
        self._open = ExitStack()
        self.folder = RunFolder(Path(config.run_dir) / config.name)
        self._collectives.attempt(lambda: self._open_folder(resume=resume, force=force))
        checkpoints = complete_checkpoints(self.folder.checkpoints) if resume else []
        self._checkpoint = checkpoints[-1] if checkpoints else None
        self._state: dict[str, Any] = read_state(self._checkpoint) if self._checkpoint else {}
        self._force = force
        self.first_step: int = self._state.get("step", 0)
        self._best: dict[str, Any] | None = self._state.get("best")
        self._new_best = False
        self._stop_signal: int | None = None
        self._worker_died = False
        self._modules: Mapping[str, nn.Module] = {}
        self._records: Mapping[str, nn.Module] = {}
        self._finite = torch.ones((), dtype=torch.bool, device=self.accelerator.device)

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return self.accelerator.process_index

    @property
    def processes(self) -> int:
        """How many processes train."""
        return self.accelerator.num_processes

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes and talks."""
        return self.accelerator.is_main_process

    def restore(
        self,
        *,
        modules: Mapping[str, nn.Module],
        optimizer: torch.optim.Optimizer,
        data: str,
        records: Mapping[str, nn.Module] | None = None,
    ) -> None:
        """Load the checkpoint to resume from, if there is one.

        Args:
            modules: the unwrapped modules whose tensors are state, and must be numbers whenever they are saved.
            optimizer: as prepared.
            data: a digest of what is trained on, refused if it changes.
            records: modules that remember how the training went, such as its best score: state as well, with any
                values in it.

        Raises:
            RunError: the checkpoint was written over other data or by another number of processes, and the run was not
                forced; or its network or optimizer is another.
        """
        self._modules, self._records, self._optimizer, self._data = modules, records or {}, optimizer, data
        # Built alike everywhere, the processes now go their own ways in what is left to chance (dropout).
        rank_seed = np.random.SeedSequence([self.config.seed, self.rank, self.first_step])
        torch.manual_seed(int(rank_seed.generate_state(1)[0]))
        self._collectives.attempt(self._restore)

    def begin(self, total_steps: int) -> None:
        """Open tracking and progress of a training of that many optimizer updates, once all is restored."""
        self.total_steps = total_steps
        if self.is_main:
            self.folder.write_config(self.config)  # type: ignore[arg-type]
            self.folder.rewind(self.first_step)
        if project := self.config.log.wandb_project:
            start_tracking(
                self.accelerator,
                self.config,  # type: ignore[arg-type]
                project=project,
                name=self.config.name,
                run=self.folder.path,
                run_id=self.folder.identity() if self.is_main else "",
            )
        progress = WorkProgress(self.config.name, total=total_steps, visible=self.is_main)
        self._progress = self._open.enter_context(progress)
        self._progress.update(self.first_step)
        self._interval = Interval(self.first_step)

    def batches(self, loader: DataLoader) -> Iterator[Any]:
        """The loader's batches, and if one of its workers dies, the rest of the step's made here.

        A dead worker (out of memory, most often) ends the run, but not in the middle of a step: the state is saved
        after it. The loader's dataset and batch sampler must give the same whenever they are asked.
        """
        return batches_despite_deaths(loader, on_death=self._note_death)

    def waiting(self) -> Waiting:
        """A context for the time that the loop waits for data."""
        return self._interval.waiting

    def check(self, values: torch.Tensor) -> None:
        """Note whether ``values``, a loss, are numbers, without waiting for the device to compute them."""
        self._finite &= values.detach().isfinite().all()

    def on_main(self, work: Callable[[], object]) -> None:
        """Do ``work`` on the main process, while the others wait as long as it takes; if it fails, all leave."""
        self._collectives.attempt(lambda: work() if self.is_main else None, patient=True)

    def of_main(self, work: Callable[[], T]) -> T:
        """Do ``work`` on the main process, and return what it gives on all of them."""
        found: list[T] = []
        self.on_main(lambda: found.append(work()))
        shared: list[Any] = [found[0] if found else None]
        return broadcast_object_list(shared)[0]

    def main_first(self, work: Callable[[], T]) -> T:
        """What ``work`` gives on each process, on the main one first: the others find what it left in a cache."""
        found: list[T] = []
        self.on_main(lambda: found.append(work()))
        self._collectives.attempt(lambda: None if self.is_main else found.append(work()), patient=True)
        return found[0]

    def log_due(self, step: int) -> bool:
        """Whether a row is to be written after update ``step``.

        Raises:
            TrainingError: it is, and the loss was not a number since the last: there is nothing to compute figures of.
        """
        due = self._logs(step)
        if due:
            self._refuse_nan(step)
        return due

    def probe_due(self, step: int) -> bool:
        """Whether the network is to be probed after update ``step``."""
        every = self.config.log.probe_every
        return every is not None and step % every == 0

    def audit_due(self, step: int) -> bool:
        """Whether the network is to be audited after update ``step``."""
        every = self.config.log.audit_every
        return every is not None and step % every == 0

    def log(self, step: int, *, epoch: int, images: int, **values: torch.Tensor | float | None) -> None:
        """Write a row of metrics, and show it.

        Args:
            step: updates done.
            epoch: the epoch they belong to, from 0.
            images: images of all processes in one update.
            values: ``loss``, ``lr``, ``momentum`` …, numbers or scalar tensors of this process; None, in the file
                null, for what this training does not have.
        """
        row = {"step": step, "epoch": epoch, **{name: _number(value) for name, value in values.items()}}
        if (probed := row.get(BEST_BY)) is not None and (self._best is None or probed > self._best["value"]):
            self._best = {"step": step, "by": BEST_BY, "value": probed}
            self._new_best = True
        row |= self._interval.speed(images * (step - self._interval.first_step))
        self._interval = Interval(step)
        with self._named("metrics.jsonl"):
            self._collectives.attempt(lambda: self.folder.log(row) if self.is_main else None)
        if self.config.log.wandb_project:
            there = {key: value for key, value in row.items() if key != "step" and value is not None}
            self.accelerator.log(there, step=step)
        speed = f"{row['images_per_second']:.0f} images/s, {row['data_wait']:.0%} waiting for data"
        self._progress.update(step, f"loss {row['loss']:.3f}, {speed}")

    def checkpoint_if_due(self, step: int) -> None:
        """Save every ``checkpoint.every`` updates, where a probe beats all before it, at the end, before stopping."""
        why = self._stop_reason() if step < self.total_steps else None
        new_best = self._logs(step) and self._collectives.any(self._new_best)
        if step % self.config.checkpoint.every == 0 or step == self.total_steps or new_best or why:
            # An update may have spoilt the weights though its own loss was a number: such a state is not worth keeping.
            for tensor in (tensor for module in self._modules.values() for tensor in module.state_dict().values()):
                self.check(tensor)
            self._refuse_nan(step)
            self._save(step)
        self._new_best = False
        if why:
            stopped = f"stopped after step {step}, because {why}; the state is saved, --resume continues"
            self._leave(StoppedError(stopped) if why == _SIGNAL else TrainingError(stopped))

    def _open_folder(self, *, resume: bool, force: bool) -> None:
        if self.is_main:
            with ExitStack() as holding:
                holding.enter_context(self.folder.held())
                self.folder.check(
                    self.config,  # type: ignore[arg-type]
                    resume=resume,
                    force=force,
                )
                self.folder.checkpoints.mkdir(parents=True, exist_ok=True)
                self._open.push(holding.pop_all())

    def _save(self, step: int) -> None:
        scaler = self.accelerator.scaler
        with self._named(checkpoint_name(step)):
            save_checkpoint(
                self.folder.checkpoints,
                step=step,
                modules={**self._modules, **self._records},
                optimizer=self._optimizer,
                extra={
                    "data": self._data,
                    "scaler": scaler.state_dict() if scaler is not None else None,
                    "best": self._best,
                },
                rank=self.rank,
                processes=self.processes,
                attempt=self._collectives.attempt,
                keep=self.config.checkpoint.keep,
                best=self._best["step"] if self._best else None,
            )

    @contextmanager
    def _named(self, file: str) -> Iterator[None]:
        """Say what could not be written, and what is left."""
        try:
            yield
        except (OSError, SafetensorError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise TrainingError(
                f"{self.folder.path}: {file} could not be written: {reason}; {self._saved()}"
            ) from error

    def __enter__(self) -> "TrainingRun":
        self._old_handler = signal.signal(signal.SIGTERM, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            self._collectives.close()
        signal.signal(signal.SIGTERM, self._old_handler)
        self._open.close()
        self.accelerator.end_training()

    def _note_death(self) -> None:
        self._worker_died = True

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._stop_signal = number

    def _stop_reason(self) -> str | None:
        """Why all processes stop after this step, which they must agree on to save together; None: go on."""
        if not self._collectives.any_before(self._stop_signal is not None or self._worker_died):
            return None
        died = self._collectives.any(self._worker_died)
        return "a data worker died (of too little memory?)" if died else _SIGNAL

    def _restore(self) -> None:
        if self._checkpoint is None:
            return
        before = self._state["processes"]
        rank: int | None = self.rank
        if before != self.processes:
            per_process = "batch norm statistics and random state of each process are part of the state"
            self._refuse_unless_forced(f"was written by {before} processes, not {self.processes}: {per_process}")
            self._warn(f"{per_process}; all go on with process 0's statistics, and random states drawn anew")
            rank = None
        if self._state["data"] != self._data:
            self._refuse_unless_forced("was trained on other data: the store has changed since")
            self._warn("the store is another: from here on its frames are trained on, in its order")
        modules = {**self._modules, **self._records}
        load_checkpoint(self._checkpoint, modules=modules, optimizer=self._optimizer, rank=rank)
        if self.accelerator.scaler is not None and self._state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(self._state["scaler"])

    def _refuse_unless_forced(self, what: str) -> None:
        if not self._force:
            raise RunError(f"{self._checkpoint} {what}; --force continues all the same")

    def _warn(self, what: str) -> None:
        if self.is_main:
            sys.stderr.write(visible(f"{self.config.name}: forced: {what}") + "\n")

    def _logs(self, step: int) -> bool:
        due = step % self.config.log.every == 0 or step == self.total_steps
        return due or self.probe_due(step) or self.audit_due(step)

    def _refuse_nan(self, step: int) -> None:
        if self._collectives.any(not bool(self._finite)):
            self._leave(
                TrainingError(
                    f"the loss or a weight is not a number at step {step}: "
                    f"lower optim.lr or set optim.clip_grad; {self._saved()}"
                )
            )

    def _saved(self) -> str:
        newest = complete_checkpoints(self.folder.checkpoints)
        return f"the last good state is {newest[-1].name}" if newest else "no state was saved yet"

    def _leave(self, error: TrainingError) -> NoReturn:
        """End all processes, which know why; the main one says it."""
        if self.is_main:
            raise error
        raise SystemExit(error.exit_code)


def _number(value: torch.Tensor | float | None) -> float | None:
    if isinstance(value, torch.Tensor):
        return value.item()
    return None if value is None else float(value)
