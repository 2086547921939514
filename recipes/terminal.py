"""Run a command line app: errors are a few plain lines, and decide the exit code."""

import logging
import sys
import traceback
from collections.abc import Sequence

import typer

_CALL_ERRORS: tuple[type[typer.BadParameter], ...] = tuple(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError"
)
"""Typer's errors of a wrong call; from which package they come differs between its versions."""


def run_app(app: typer.Typer, arguments: Sequence[str], *, name: str) -> None:
    """Run a command and leave with its exit code: 0 done, or that of the error (see `FramegateError`).

    Names of strangers stand in errors and warnings: what would act on the terminal is shown escaped.
    """
    if logging.lastResort is not None:  # the handler of warnings that no one else prints
        logging.lastResort.setFormatter(_VisibleFormatter())
    try:
        code = app(args=list(arguments), prog_name=name, standalone_mode=False)
    except typer.Abort:
        typer.echo("Aborted!", err=True)
        sys.exit(1)
    except Exception as error:
        sys.exit(_tell(error, debug="--debug" in arguments))
    if code:
        sys.exit(code)


def _tell(error: Exception, *, debug: bool) -> int:
    """Write on stderr what went wrong, and return the exit code."""
    from framegate.media.errors import exit_code_of
    from framegate.media.visible import visible_lines

    if isinstance(error, _CALL_ERRORS):
        error.message = visible_lines(error.message)
        error.show()
        return error.exit_code
    if debug:
        typer.echo(visible_lines("".join(traceback.format_exception(error))), err=True, nl=False)
    else:
        typer.echo(f"framegate: {_message(error)}", err=True)
    return exit_code_of(error)


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        from framegate.media.visible import visible, visible_lines

        text = super().format(record)
        return visible_lines(text) if record.exc_info or record.stack_info else visible(text)


def _message(error: Exception) -> str:
    from framegate.media.errors import FramegateError
    from framegate.media.visible import visible, visible_error

    if isinstance(error, FramegateError | OSError):
        return visible_error(error)
    words = visible(" ".join(str(error).split()))
    words = words if len(words) <= 500 else f"{words[:500]}…"
    return f"{type(error).__name__}: {words} (--debug shows where)"
