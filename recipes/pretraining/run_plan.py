"""Plan a pretraining for a store, a machine and a time: what `framegate pretrain auto` does before it trains."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from framegate.media import FrameStore, MediaError
from framegate.media.extraction.cores import usable_cores
from framegate.recipes.config.pretrain_config import PretrainConfig
from framegate.recipes.config.recipe import RecipeError, read_recipe
from framegate.recipes.pretraining.training_order import training_order
from framegate.recipes.pretraining.trial_run import Trial, trial_run

RUN_NAME = "auto"
"""The name of a run that `framegate pretrain auto` plans, if the user gives none."""

MOST_EPOCHS = 800
"""More passes over the same frames were not tried by anybody whom we know."""

_RESERVE_SHARE, _RESERVE_SECONDS = 0.1, 20.0  # for slow moments of the machine; for the start, the export, the report
_TRIAL_SHARE = 0.05  # of the time, that one trial should take at most, and all that go before another one
_TRIAL_SECONDS = 15.0  # but no less, for the first steps are slow
_BETTER = 1.1  # how much faster bf16 has to be to be worth its rounding
_UNITS = {"h": 3600.0, "min": 60.0, "m": 60.0, "s": 1.0}


@dataclass(frozen=True, kw_only=True)
class RunPlan:
    """What to train, and why.

    Attributes:
        recipe: the name of one of framegate's.
        overrides: ``KEY=VALUE``, those of the user included.
        reasons: a sentence for each choice.
    """

    recipe: str
    overrides: tuple[str, ...]
    reasons: tuple[str, ...]


def plan_run(overrides: Sequence[str], *, budget: float, processes: int = 1) -> RunPlan:
    """Choose recipe, precision and epochs so that a pretraining ends within a time.

    What the user says stays: with ``optim.epochs`` among his values the time decides nothing.

    Args:
        overrides: the user's ``KEY=VALUE``, ``data.store`` among them.
        budget: seconds, for all of it: trial runs, training, export and report.
        processes: how many train.

    Raises:
        MediaError: the store is missing, damaged or too small, or one epoch takes longer than the budget.
        RecipeError: a value is wrong.
    """
    devices = torch.cuda.device_count()
    recipe = "moco_efficientnet_b0" if devices else "moco_small"
    machine = f"{devices} GPU{'s' * (devices > 1)}" if devices else f"no GPU and {usable_cores()} CPU cores"
    chosen = [f"name={RUN_NAME}", *overrides]
    config = _read(recipe, chosen)
    steps = training_order(config, FrameStore(config.data.store)).steps_per_epoch
    reasons = [f"recipe {recipe}: this machine has {machine}"]
    if _says(overrides, "optim.epochs"):
        return RunPlan(recipe=recipe, overrides=tuple(chosen), reasons=tuple(reasons))

    tried = ["bf16"] if devices else ["fp32", "bf16"]
    if _says(overrides, "compute.precision"):
        tried = [config.compute.precision]
    trials: dict[str, Trial] = {}
    for precision in tried:
        if sum(trial.seconds for trial in trials.values()) <= budget * _TRIAL_SHARE:
            trial = [*chosen, f"compute.precision={precision}"]
            seconds = max(budget * _TRIAL_SHARE, _TRIAL_SECONDS)
            trials[precision] = trial_run(recipe, trial, processes=processes, seconds=seconds)
    precision = max(trials, key=lambda name: trials[name].images_per_second * (_BETTER if name == "fp32" else 1.0))
    speeds = ", ".join(f"{name} {trial.images_per_second:.0f}" for name, trial in trials.items())
    reasons.append(f"precision {precision}: images a second are {speeds}")

    left = budget * (1 - _RESERVE_SHARE) - _RESERVE_SECONDS - sum(trial.seconds for trial in trials.values())
    epoch = steps * config.optim.batch_size / trials[precision].images_per_second
    if left < epoch:
        least = math.ceil((budget - left + epoch) / 60 / (1 - _RESERVE_SHARE))
        raise MediaError(
            f"one epoch of {steps} steps takes about {written(epoch)} here, and of {written(budget)} "
            f"{written(max(left, 0.0))} are left for training: give --budget {least}min, or data.frames_per_video=1"
        )
    epochs = min(int(left / epoch), MOST_EPOCHS)
    reasons.append(
        f"{epochs} epochs of {steps} steps: about {written(epochs * epoch)} of the {written(budget)} that there are"
    )
    chosen += [f"compute.precision={precision}", f"optim.epochs={epochs}"]
    return RunPlan(recipe=recipe, overrides=tuple(chosen), reasons=tuple(reasons))


def seconds_of(text: str) -> float:
    """Read a length of time: ``2h``, ``90min``, ``1h30min``, ``45s``.

    >>> seconds_of("1h30min"), seconds_of("45s")
    (5400.0, 45.0)

    Raises:
        ValueError: it is none.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(h|min|m|s)", text.strip().lower())
    whole = "".join(number + unit for number, unit in parts)
    if not parts or whole != re.sub(r"\s", "", text.lower()):
        raise ValueError(f"{text!r} is no length of time: write 2h, 90min or 1h30min")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def written(seconds: float) -> str:
    """Write a length of time as a person would.

    >>> written(5400), written(600), written(4)
    ('1 h 30 min', '10 min', '4 s')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def _read(recipe: str, overrides: Sequence[str]) -> PretrainConfig:
    if not _says(overrides, "data.store") and not Path("store").is_dir():
        raise RecipeError("say where the frames are: framegate pretrain auto data.store=STORE")
    return read_recipe(PretrainConfig, recipe, list(overrides))


def _says(overrides: Sequence[str], key: str) -> bool:
    return any(override.partition("=")[0] == key for override in overrides)
