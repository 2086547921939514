"""`framegate pretrain auto`: choose a recipe and its length, say why, and hand both on."""

import sys
from collections.abc import Sequence
from pathlib import Path

from framegate.media.visible import visible
from framegate.recipes.config.recipe import RecipeError
from framegate.recipes.pretraining.run_plan import RUN_NAME, plan_run, seconds_of
from framegate.recipes.training.run_folder import RunFolder


def choose(overrides: Sequence[str], *, budget: str, processes: int, resume: bool) -> tuple[str, list[str]]:
    """Return the recipe and the overrides to train with; a run that is resumed goes on as it was planned.

    Raises:
        RecipeError: the time, the recipe's values or the store's place are wrong.
        MediaError: the store cannot be trained on, or not in that time.
        RunError: the run exists, and is not resumed.
    """
    given = dict(override.partition("=")[::2] for override in overrides)
    run = RunFolder(Path(given.get("run_dir", "runs")) / given.get("name", RUN_NAME))
    if resume and run.config.is_file():
        return str(run.config), list(overrides)
    run.check_new()
    try:
        seconds = seconds_of(budget)
    except ValueError as error:
        raise RecipeError(f"--budget: {error}") from None
    plan = plan_run(overrides, budget=seconds, processes=processes)
    for reason in plan.reasons:
        sys.stderr.write(f"{visible(reason)}\n")
    return plan.recipe, list(plan.overrides)
