"""A training before its loop: processes, run folder, and the checkpoint that it goes on from.

A run goes through three types, each made from the one before, so nothing can be called too early:
`open_run` → `RunSetup`, its `restore` → `RestoredRun` → `framegate.recipes.training.training_run.TrainingRun`.
"""

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import torch
from torch import nn

from framegate.media.visible import visible
from framegate.recipes.config.sections import TrainingConfig
from framegate.recipes.training.checkpoints import complete_checkpoints, load_checkpoint, read_state
from framegate.recipes.training.run_folder import RunError, RunFolder
from framegate.recipes.training.run_processes import RunProcesses, start_processes


@contextmanager
def open_run(
    config: TrainingConfig, *, resume: bool = False, force: bool = False, find_unused_parameters: bool = False
) -> Iterator["RunSetup"]:
    """Open a training on this and the other processes, and close it at the end of the ``with`` block.

    Inside the block a SIGTERM ends nothing by itself: `TrainingRun.checkpoint_if_due` saves the state and stops.

    Args:
        config: the recipe.
        resume: continue the run in the folder.
        force: continue it with another config, over another store or on another number of processes, too.
        find_unused_parameters: some batches leave some parameters without a gradient.

    Raises:
        RunError: the folder holds a run that may not be continued like this.
        TrainingError: fewer processes started than were asked for.

    A training is then::

        with open_run(config, resume=resume) as setup:
            wrapped, optimizer = setup.accelerator.prepare(model, optimizer)
            restored = setup.restore(modules={"model": model}, optimizer=optimizer, data=digest)
            run = TrainingRun(restored, total_steps=1000)
            for step in range(run.first_step, 1000):
                ...
    """
    processes = start_processes(config, find_unused_parameters=find_unused_parameters)
    with ExitStack() as opened:
        setup = RunSetup(config, processes, opened, resume=resume, force=force)
        handler = signal.signal(signal.SIGTERM, setup.note_signal)
        try:
            yield setup
            setup.collectives.close()
        finally:
            signal.signal(signal.SIGTERM, handler)
            opened.close()
            setup.accelerator.end_training()


class RunSetup(RunProcesses):
    """The processes and the folder of a run; made by `open_run`.

    Args:
        config: the recipe.
        processes: those that train.
        opened: what is closed when the run ends.
        resume, force: see `open_run`.

    Attributes:
        folder: the run's folder; no other training can enter it.
        first_step: optimizer updates that are done already, 0 in a new run.
        stop_requested: a signal asked this process to stop.
    """

    def __init__(
        self, config: TrainingConfig, processes: RunProcesses, opened: ExitStack, *, resume: bool, force: bool
    ):
        super().__init__(processes.accelerator, processes.collectives)
        self.config = config
        self.opened = opened
        self.folder = RunFolder(Path(config.run_dir) / config.name)
        self.collectives.attempt(lambda: self._open_folder(resume=resume, force=force))
        checkpoints = complete_checkpoints(self.folder.checkpoints) if resume else []
        self._checkpoint = checkpoints[-1] if checkpoints else None
        self.state: dict[str, Any] = read_state(self._checkpoint) if self._checkpoint else {}
        self.first_step: int = self.state.get("step", 0)
        self.stop_requested = False
        self._force = force

    def restore(
        self,
        *,
        modules: Mapping[str, nn.Module],
        optimizer: torch.optim.Optimizer,
        data: str,
        records: Mapping[str, nn.Module] | None = None,
    ) -> "RestoredRun":
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
        restored = RestoredRun(self, modules, records or {}, optimizer, data)
        # Built alike everywhere, the processes now go their own ways in what is left to chance (dropout).
        own_chance = np.random.SeedSequence([self.config.seed, self.rank, self.first_step])
        torch.manual_seed(int(own_chance.generate_state(1)[0]))
        self.collectives.attempt(lambda: self._load(restored))
        return restored

    def note_signal(self, number: int, frame: FrameType | None) -> None:
        """Remember that a signal asked this process to stop."""
        self.stop_requested = True

    def _open_folder(self, *, resume: bool, force: bool) -> None:
        if self.is_main:
            with ExitStack() as holding:
                holding.enter_context(self.folder.held())
                self.folder.check(self.config, resume=resume, force=force)
                self.folder.checkpoints.mkdir(parents=True, exist_ok=True)
                self.opened.push(holding.pop_all())

    def _load(self, restored: "RestoredRun") -> None:
        if self._checkpoint is None:
            return
        before = self.state["processes"]
        rank: int | None = self.rank
        if before != self.processes:
            own = "batch norm statistics and random state of each process are part of the state"
            self._refuse_unless_forced(f"was written by {before} processes, not {self.processes}: {own}")
            self._warn(f"{own}; all go on with process 0's statistics, and random states drawn anew")
            rank = None
        if self.state["data"] != restored.data:
            self._refuse_unless_forced("was trained on other data: the store has changed since")
            self._warn("the store is another: from here on its frames are trained on, in its order")
        load_checkpoint(self._checkpoint, modules=restored.saved, optimizer=restored.optimizer, rank=rank)
        if self.accelerator.scaler is not None and self.state["scaler"] is not None:
            self.accelerator.scaler.load_state_dict(self.state["scaler"])

    def _refuse_unless_forced(self, what: str) -> None:
        if not self._force:
            raise RunError(f"{self._checkpoint} {what}; --force continues all the same")

    def _warn(self, what: str) -> None:
        if self.is_main:
            sys.stderr.write(visible(f"{self.config.name}: forced: {what}") + "\n")


@dataclass(frozen=True)
class RestoredRun:
    """A run whose modules and optimizer are where it goes on; made by `RunSetup.restore`, whose arguments these are."""

    setup: RunSetup
    modules: Mapping[str, nn.Module]
    records: Mapping[str, nn.Module]
    optimizer: torch.optim.Optimizer
    data: str

    @property
    def saved(self) -> dict[str, nn.Module]:
        """All modules that a checkpoint holds, by name."""
        return {**self.modules, **self.records}
