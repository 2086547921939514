"""The directive ``command-line``: every verb of ``framegate`` with its arguments and options, read from the program."""

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.models import ArgumentInfo, OptionInfo

from framegate.recipes.cli import app

_KINDS = {Path: "PATH", int: "INTEGER", float: "NUMBER", str: "TEXT"}
_REQUIRED = "required"


@dataclass(frozen=True)
class Parameter:
    """An argument or an option of a verb, as ``--help`` writes it."""

    usage: str
    meaning: str
    default: str
    is_argument: bool


class CommandLine(SphinxDirective):
    """A section for each verb."""

    def run(self) -> list[nodes.Node]:
        """Read the program's verbs, and write each as a section."""
        lines = []
        for command in app.registered_commands:
            assert command.callback is not None
            lines += describe(command.name or command.callback.__name__, command.callback, command.epilog)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def describe(name: str, verb: Callable[..., Any], example: str | None) -> Iterator[str]:
    """The Markdown lines that tell of one verb."""
    parameters = list(parameters_of(verb))
    arguments = [parameter.usage for parameter in parameters if parameter.is_argument]
    usage = " ".join(["framegate", name, *arguments, "[OPTIONS]" if len(parameters) > len(arguments) else ""]).rstrip()
    yield from (f"(framegate-{name})=", f"## framegate {name}", "", inspect.getdoc(verb) or "", "")
    yield from ("```text", usage, "```", "")
    if example:
        yield from ("For example:", "", "```text", example.removeprefix("Example: "), "```", "")
    yield from ("| argument or option | meaning | default |", "| --- | --- | --- |")
    for parameter in parameters:
        default = parameter.default if parameter.default == _REQUIRED else literal(parameter.default)
        yield f"| {literal(parameter.usage)} | {cell(parameter.meaning)} | {default} |"
    yield ""


def parameters_of(verb: Callable[..., Any]) -> Iterator[Parameter]:
    """A verb's arguments, then its options."""
    hints = typing.get_type_hints(verb, include_extras=True)
    found = [
        parameter_of(name, hints[name], given.default) for name, given in inspect.signature(verb).parameters.items()
    ]
    yield from sorted(found, key=lambda parameter: not parameter.is_argument)


def parameter_of(name: str, annotation: Any, default: Any) -> Parameter:
    """One parameter, from its annotation and its default."""
    kind, info = typing.get_args(annotation)[:2]
    members = typing.get_args(kind) if typing.get_origin(kind) in (typing.Union, types.UnionType) else (kind,)
    (plain,) = (member for member in members if member is not types.NoneType)
    is_required = default is inspect.Parameter.empty
    if isinstance(info, ArgumentInfo):
        usage = info.metavar or name.upper()
        if typing.get_origin(plain) is list and not usage.endswith("..."):
            usage = f"{usage}..."
        return Parameter(usage if is_required else f"[{usage}]", info.help or "", "", is_argument=True)
    assert isinstance(info, OptionInfo), f"{name} is neither an argument nor an option"
    # Typer takes what stands first in an option for its default, until it sees that it is a name.
    named = [each for each in (info.default, *(info.param_decls or ())) if str(each).startswith("-")]
    flags = named or [f"--{name.replace('_', '-')}"]
    shown = _REQUIRED if is_required else "" if default is None or default is False else str(default)
    if plain is bool:
        usage = flags[0] if named else f"{flags[0]} / --no-{flags[0].removeprefix('--')}"
        return Parameter(usage, info.help or "", flags[0] if default is True else "", is_argument=False)
    is_choice = typing.get_origin(plain) is Literal
    value = "|".join(typing.get_args(plain)) if is_choice else info.metavar or _KINDS[plain]
    return Parameter(f"{', '.join(flags)} {value}", info.help or "", shown, is_argument=False)


def literal(text: str) -> str:
    """Text as code in a table's cell."""
    escaped = text.replace("|", "\\|")
    return f"`{escaped}`" if text else ""


def cell(text: str) -> str:
    """Text in a table's cell, each character standing for itself, options as code."""
    for character in "\\|*_<>[]`":
        text = text.replace(character, f"\\{character}")
    return re.sub(r"(--[a-z-]+)", r"`\1`", " ".join(text.split()))


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
