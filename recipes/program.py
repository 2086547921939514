"""Run a training by its command: `framegate pretrain RECIPE`, or `python -m framegate.recipes.pretrain RECIPE`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import typer

from framegate.recipes.arguments import Debug, Force, JsonFile, Overrides, Processes, Recipe, Resume
from framegate.recipes.terminal import run_app

Verb = Literal["pretrain", "finetune"]


def train(
    verb: Verb,
    config_type: type[Any],
    run: Callable[..., object],
    *,
    recipe: str,
    overrides: list[str],
    resume: bool,
    force: bool,
    processes: int,
    json_file: Path | None,
) -> None:
    """Read a recipe, train in this process or in several, and print the result.

    Args:
        verb: which training.
        config_type: the model that the recipe is checked against.
        run: called with the config, ``resume`` and ``force``.
        recipe: a YAML file, or the name of a recipe that comes with framegate.
        overrides: ``key=value``, each replaces a value of the recipe.
        resume: go on with the run in its folder.
        force: go on although something has changed.
        processes: of this machine.
        json_file: also write there what is printed.
    """
    from framegate.recipes.config.recipe import read_recipe
    from framegate.recipes.reports.results import give, run_result
    from framegate.recipes.training.launch import launch

    config = read_recipe(config_type, recipe, overrides, warn=processes == 1)  # else the first process warns
    if processes > 1:
        launch(verb, recipe, overrides, processes=processes, resume=resume, force=force)
    else:
        run(config, resume=resume, force=force)
    product = "backbone" if verb == "pretrain" else "classifier"
    give(run_result(config.run_dir / config.name, product), json_file)


def run_program(verb: Verb, config_type: type[Any], run: Callable[..., object]) -> None:
    """Run a training as a program of its own, which `accelerate launch -m` and `torchrun -m` start on each process."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)

    @app.command(help=f"The same as framegate {verb}, for launchers that start a module.")
    def command(
        recipe: Recipe,
        overrides: Overrides = None,
        resume: Resume = False,
        force: Force = False,
        processes: Processes = 1,
        json_file: JsonFile = None,
        debug: Debug = False,
    ) -> None:
        train(
            verb,
            config_type,
            run,
            recipe=recipe,
            overrides=overrides or [],
            resume=resume,
            force=force,
            processes=processes,
            json_file=json_file,
        )

    run_app(app, sys.argv[1:], name=f"python -m framegate.recipes.{verb}")
