"""The processes of a training: how many there are, which one this is, and work that one of them does for all."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from accelerate import Accelerator
from accelerate.utils import DistributedDataParallelKwargs, broadcast_object_list

from framegate.recipes.config.sections import TrainingConfig
from framegate.recipes.training.collectives import Collectives
from framegate.recipes.training.launch import asked_processes, join_launched
from framegate.recipes.training.training_errors import TrainingError

T = TypeVar("T")


class RunProcesses:
    """One process of a training, and what it does together with the others.

    Args:
        accelerator: of this process.
        collectives: what the processes tell each other besides gradients.
    """

    def __init__(self, accelerator: Accelerator, collectives: Collectives):
        self.accelerator = accelerator
        self.collectives = collectives

    @property
    def rank(self) -> int:
        """The number of this process, from 0."""
        return int(self.accelerator.process_index)

    @property
    def processes(self) -> int:
        """How many processes train."""
        return int(self.accelerator.num_processes)

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes files and messages."""
        return bool(self.accelerator.is_main_process)

    def on_main(self, work: Callable[[], object]) -> None:
        """Do ``work`` on the main process, while the others wait as long as it takes; if it fails, all leave."""
        self.collectives.attempt(lambda: work() if self.is_main else None, patient=True)

    def of_main(self, work: Callable[[], T]) -> T:
        """Do ``work`` on the main process, and return its result on all of them."""
        found: list[T] = []
        self.on_main(lambda: found.append(work()))
        shared: list[Any] = [found[0] if found else None]
        return cast(T, broadcast_object_list(shared)[0])

    def main_first(self, work: Callable[[], T]) -> T:
        """Do ``work`` on each process, on the main one first: the others find what it left in a cache."""
        found: list[T] = []
        self.on_main(lambda: found.append(work()))
        self.collectives.attempt(lambda: None if self.is_main else found.append(work()), patient=True)
        return found[0]


def start_processes(config: TrainingConfig, *, find_unused_parameters: bool) -> RunProcesses:
    """Join the processes that were launched together with this one, or train alone.

    Args:
        config: says precision, accumulation and whether there is W&B.
        find_unused_parameters: some batches leave some parameters without a gradient.

    Raises:
        TrainingError: fewer processes started than were asked for.
    """
    join_launched()
    accelerator = Accelerator(
        mixed_precision={"fp32": "no"}.get(config.compute.precision, config.compute.precision),
        gradient_accumulation_steps=config.optim.accumulate,
        log_with="wandb" if config.log.wandb_project else None,
        # Queue and batch norm statistics belong to each process; sending them would overwrite the others'.
        kwargs_handlers=[
            DistributedDataParallelKwargs(broadcast_buffers=False, find_unused_parameters=find_unused_parameters)
        ],
    )
    asked, started = asked_processes(), int(accelerator.num_processes)
    if asked is not None and started != asked:
        raise TrainingError(
            f"{asked} processes were asked for, and {started} started: look at the launcher "
            "(on a CPU: framegate … --processes N, or ACCELERATE_USE_CPU=1 accelerate launch --multi_gpu …)"
        )
    return RunProcesses(accelerator, Collectives(processes=started))
