"""Run a training by its command: `framegate pretrain RECIPE`, or `python -m framegate.recipes.pretrain RECIPE`."""

import sys
from collections.abc import Callable
from typing import Any, Literal

import typer

from framegate.recipes.arguments import Debug, Force, JsonFile, Overrides, Processes, Recipe, Resume
from framegate.recipes.terminal import run_app

Verb = Literal["pretrain", "finetune"]


def training_command(
    verb: Verb, config_type: Callable[[], type[Any]], run: Callable[..., object]
) -> Callable[..., None]:
    """Return a function for typer: it reads a recipe, trains in this process or in several, and prints the result.

    Args:
        verb: what the command is called.
        config_type: returns the model that the recipe is checked against; called when the command is.
        run: trains; called with the config, ``resume`` and ``force``.
    """

    def command(
        recipe: Recipe,
        overrides: Overrides = None,
        resume: Resume = False,
        force: Force = False,
        processes: Processes = 1,
        json_file: JsonFile = None,
        debug: Debug = False,
    ) -> None:
        from framegate.recipes.config.recipe import read_recipe
        from framegate.recipes.reports.results import give, run_result
        from framegate.recipes.training.launch import launch

        config = read_recipe(
            config_type(), recipe, overrides or [], warn=processes == 1
        )  # else the first process warns
        if processes > 1:
            launch(verb, recipe, overrides or [], processes=processes, resume=resume, force=force)
        else:
            run(config, resume=resume, force=force)
        product = "backbone" if verb == "pretrain" else "classifier"
        give(run_result(config.run_dir / config.name, product), json_file)

    command.__name__ = verb
    return command


def run_program(verb: Verb, config_type: type[Any], run: Callable[..., object]) -> None:
    """Run a training as a program of its own, which `accelerate launch -m` and `torchrun -m` start on each process."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    help_text = f"The same as framegate {verb}, for launchers that start a module."
    app.command(help=help_text)(training_command(verb, lambda: config_type, run))
    run_app(app, sys.argv[1:], name=f"python -m framegate.recipes.{verb}")
