"""A training in its loop: logging, checkpoints, stopping."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from torch.utils.data import DataLoader

from framegate.recipes.training.checkpoints import checkpoint_name, complete_checkpoints, save_checkpoint
from framegate.recipes.training.dead_workers import batches_despite_deaths
from framegate.recipes.training.progress import WorkProgress
from framegate.recipes.training.run_processes import RunProcesses
from framegate.recipes.training.run_setup import RestoredRun
from framegate.recipes.training.throughput import Interval, Waiting
from framegate.recipes.training.tracking import start_tracking
from framegate.recipes.training.training_errors import StoppedError, TrainingError

BEST_BY = "knn_leaf"
"""The figure of the online probe, among the values given to `TrainingRun.log`, whose highest value marks the best
checkpoint."""

_SIGNAL = "a signal asked for it"
_SHOWN = {"neighbours_kept": "neighbours kept", "neighbours_shared": "shared with the teacher", "knn_leaf": "kNN"}
"""Figures that stay in the progress bar until they are measured anew, and their words there."""


class TrainingRun(RunProcesses):
    """The running training: everything that its loop calls.

    Creating one writes ``config.yaml`` and opens tracking and progress. The training ends early, with the state saved,
    when any process gets a SIGTERM or loses a data worker; and with the last complete checkpoint named, when the loss
    is not a number or a checkpoint cannot be written.

    Args:
        restored: see `framegate.recipes.training.run_setup`.
        total_steps: optimizer updates of the whole training.

    Attributes:
        folder: the run's folder.
        first_step: optimizer updates that are done already, 0 in a new run.
    """

    def __init__(self, restored: RestoredRun, *, total_steps: int):
        setup = restored.setup
        super().__init__(setup.accelerator, setup.collectives)
        self.config = setup.config
        self.folder = setup.folder
        self.first_step = setup.first_step
        self.total_steps = total_steps
        self._setup = setup
        self._restored = restored
        self._best: dict[str, Any] | None = setup.state.get("best")
        self._new_best = False
        self._notes: dict[str, str] = {}
        self._worker_died = False
        self._finite = torch.ones((), dtype=torch.bool, device=self.accelerator.device)
        if self.is_main:
            self.folder.write_config(self.config)
            self.folder.rewind(self.first_step)
        if project := self.config.log.wandb_project:
            start_tracking(
                self.accelerator,
                self.config,
                project=project,
                name=self.config.name,
                run=self.folder.path,
                run_id=self.folder.identity() if self.is_main else "",
            )
        progress = WorkProgress(self.config.name, total=total_steps, visible=self.is_main)
        self._progress = setup.opened.enter_context(progress)
        self._progress.update(self.first_step)
        self._interval = Interval(self.first_step)

    def end_after(self, step: int) -> None:
        """Make update ``step`` the last, earlier than planned."""
        self.total_steps = step

    def batches(self, loader: DataLoader[Any]) -> Iterator[Any]:
        """Iterate over the loader's batches; if one of its workers dies, make the rest of the step's in this process.

        A dead worker (out of memory, most often) ends the run, but not in the middle of a step: the state is saved
        after it. The loader's dataset and batch sampler must give the same whenever they are asked.
        """
        return batches_despite_deaths(loader, on_death=self._note_death)

    def waiting(self) -> Waiting:
        """Return a context that measures how long the loop waits for data."""
        return self._interval.waiting

    def check(self, values: torch.Tensor) -> None:
        """Note whether ``values``, a loss, are numbers, without waiting for the device to compute them."""
        self._finite &= values.detach().isfinite().all()

    def log_due(self, step: int) -> bool:
        """Return whether a row is to be written after update ``step``.

        Raises:
            TrainingError: it is, but a loss since the last row was not a number.
        """
        due = self._logs(step)
        if due:
            self._refuse_nan(step)
        return due

    def probe_due(self, step: int) -> bool:
        """Return whether the network is to be probed after update ``step``."""
        every = self.config.log.probe_every
        return every is not None and step % every == 0

    def audit_due(self, step: int) -> bool:
        """Return whether the network is to be audited after update ``step``."""
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
            self.collectives.attempt(lambda: self.folder.log(row) if self.is_main else None)
        if self.config.log.wandb_project:
            there = {key: value for key, value in row.items() if key != "step" and value is not None}
            self.accelerator.log(there, step=step)
        speed = f"{row['images_per_second']:.0f} images/s, {row['data_wait']:.0%} waiting for data"
        self._notes |= {name: f"{row[name]:.0%} {words}" for name, words in _SHOWN.items() if row.get(name) is not None}
        self._progress.update(step, ", ".join([f"loss {row['loss']:.3f}", *self._notes.values(), speed]))

    def checkpoint_if_due(self, step: int) -> None:
        """Save every ``checkpoint.every`` updates, where a probe beats all before it, at the end, before stopping."""
        why = self._stop_reason() if step < self.total_steps else None
        new_best = self._logs(step) and self.collectives.any(self._new_best)
        if step % self.config.checkpoint.every == 0 or step == self.total_steps or new_best or why:
            # An update may have spoilt the weights though its own loss was a number: such a state is not worth keeping.
            for module in self._restored.modules.values():
                for tensor in module.state_dict().values():
                    self.check(tensor)
            self._refuse_nan(step)
            self._save(step)
        self._new_best = False
        if why:
            stopped = f"stopped after step {step}, because {why}; the state is saved, --resume continues"
            self._leave(StoppedError(stopped) if why == _SIGNAL else TrainingError(stopped))

    def _save(self, step: int) -> None:
        scaler = self.accelerator.scaler
        with self._named(checkpoint_name(step)):
            save_checkpoint(
                self.folder.checkpoints,
                step=step,
                modules=self._restored.saved,
                optimizer=self._restored.optimizer,
                extra={
                    "data": self._restored.data,
                    "scaler": scaler.state_dict() if scaler is not None else None,
                    "best": self._best,
                },
                rank=self.rank,
                processes=self.processes,
                attempt=self.collectives.attempt,
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

    def _note_death(self) -> None:
        self._worker_died = True

    def _stop_reason(self) -> str | None:
        """Why all processes stop after this step, which they must agree on to save together; None: go on."""
        if not self.collectives.any_before(self._setup.stop_requested or self._worker_died):
            return None
        died = self.collectives.any(self._worker_died)
        return "a data worker died (of too little memory?)" if died else _SIGNAL

    def _logs(self, step: int) -> bool:
        due = step % self.config.log.every == 0 or step == self.total_steps
        return due or self.probe_due(step) or self.audit_due(step)

    def _refuse_nan(self, step: int) -> None:
        if self.collectives.any(not bool(self._finite)):
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
