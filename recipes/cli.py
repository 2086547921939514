"""The command line: `framegate VERB`, or `python -m framegate.recipes.cli VERB`.

The verbs and their options are in `commands/data/verbs.py` and `commands/training/verbs.py`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from framegate.recipes.arguments import Debug, JsonFile
from framegate.recipes.commands.data.verbs import verbs as data_verbs
from framegate.recipes.commands.training.verbs import verbs as training_verbs
from framegate.recipes.terminal import run_app

app = typer.Typer(
    name="framegate",
    help="Self-supervised pretraining for video-frame backbones, and gated-fusion classifiers on top of them.",
    epilog="The whole road in one command: framegate demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _print_version(asked: bool) -> None:
    if asked:
        from framegate.media.owned import framegate_version

        typer.echo(f"framegate {framegate_version()}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version, and end.")
    ] = False,
) -> None:
    pass


@app.command(epilog="Example: framegate demo --out demo")
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the results; an earlier demo there is replaced.")] = Path("demo"),
    clips: Annotated[int, typer.Option(min=200, help="Clips in the corpus.")] = 320,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json_file: JsonFile = None,
) -> None:
    """Run the whole road on the embedded corpus: a table, results.json and report.html."""
    from framegate.recipes.demo import run_demo
    from framegate.recipes.reports.results import give

    give(run_demo(out, clips=clips, seed=seed), json_file)


app.registered_commands += data_verbs.registered_commands + training_verbs.registered_commands


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0 done, or that of the error (see `FramegateError`)."""
    run_app(app, sys.argv[1:] if arguments is None else arguments, name="framegate")


if __name__ == "__main__":
    main()
