"""The directive ``recipe-keys``: every key of a recipe with its values, read from the model that checks recipes.

A section of a recipe is a pydantic model or a dataclass. What a key means is the string below it, or its line under
``Args:`` in the docstring; what a section means is its docstring.
"""

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
import types
import typing
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from framegate.ssl.methods import MethodSettings

_PLAIN = {int: "whole number", float: "number", bool: "true or false", str: "text", "Path": "path"}
_COLUMNS = ("key", "values", "default", "meaning")
_REQUIRED = "required"
_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


@dataclasses.dataclass(frozen=True)
class Key:
    """One key of a section; ``sections`` are the models that its value may be made of."""

    name: str
    values: str
    default: str
    meaning: str
    sections: tuple[type, ...]


class RecipeKeys(SphinxDirective):
    """A table for each section of a recipe; the argument is the recipe's model, ``package.module.Model``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the model, and write its sections."""
        module, _, name = self.arguments[0].rpartition(".")
        model = getattr(importlib.import_module(module), name)
        return self.parse_text_to_nodes("\n".join(describe(model)), allow_section_headings=True)


def describe(model: type, path: str = "") -> Iterator[str]:
    """The Markdown lines that tell of a section and of those inside it."""
    keys = list(keys_of(model))
    values = [key for key in keys if not key.sections or "null" in key.values]
    yield from (f"## {path or 'Top level'}", "")
    yield from (introduction(model), "")
    if values:
        columns = _COLUMNS if any(key.meaning for key in values) else _COLUMNS[:-1]
        yield from (f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}")
        for key in values:
            default = f"`{cell(key.default)}`" if key.default not in ("", _REQUIRED) else key.default
            row = (f"`{key.name}`", cell(key.values), default, cell(plain(key.meaning)))
            yield f"| {' | '.join(row[: len(columns)])} |"
        yield ""
    for key in keys:
        for section in key.sections:
            title = f"{path}.{key.name}" if path else key.name
            yield from describe(section, f"{title} ({section.__name__})" if len(key.sections) > 1 else title)


def keys_of(model: type) -> Iterator[Key]:
    """The keys of a section, in the order in which it names them."""
    meanings = meanings_of(model)
    if issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            yield key(name, field.annotation, field, field.description or meanings.get(name, ""))
        return
    hints = typing.get_type_hints(model, include_extras=True)
    for field in dataclasses.fields(model):
        yield key(field.name, hints[field.name], field, meanings.get(field.name, ""))


def key(name: str, annotation: Any, field: FieldInfo | dataclasses.Field, meaning: str) -> Key:
    """One key, of a pydantic field or a dataclass's."""
    sections = tuple(
        variant
        for member in members(annotation)
        if is_section(member)
        for variant in (member.variants() if issubclass(member, MethodSettings) else (member,))
    )
    limits = limits_of(getattr(field, "metadata", ()))
    words = dict.fromkeys(value_words(member) for member in members(annotation) if member is not types.NoneType)
    values = " or ".join(words) + limits + (" or null" if types.NoneType in members(annotation) else "")
    return Key(name, values, default_of(field), meaning, sections)


def members(annotation: Any) -> tuple[Any, ...]:
    """The types that a value may have."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return typing.get_args(annotation)
    return (annotation,)


def is_section(member: Any) -> bool:
    """Whether a value of this type is a section of keys."""
    return isinstance(member, type) and (issubclass(member, BaseModel) or dataclasses.is_dataclass(member))


def value_words(member: Any) -> str:
    """What values a type allows, in words."""
    origin = typing.get_origin(member)
    if origin is typing.Annotated:
        inner, *metadata = typing.get_args(member)
        return " or ".join(map(value_words, members(inner))) + limits_of(metadata)
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in typing.get_args(member))
    if member is type(None):
        return "null"
    if is_section(member):
        return "a section"
    if origin is not None:
        return getattr(origin, "__name__", str(origin))
    return _PLAIN.get(member) or _PLAIN.get(getattr(member, "__name__", "")) or getattr(member, "__name__", str(member))


def limits_of(metadata: Any) -> str:
    """What a type's metadata allow, to stand behind its words: `` > 0, ≤ 1``."""
    found = ", ".join(bounds(metadata))
    return f" {found}" if found else ""


def bounds(metadata: Any) -> Iterator[str]:
    """``> 0``, ``≤ 1`` … of a field's metadata; of a nested `Field`, its own."""
    for item in metadata or ():
        if isinstance(item, FieldInfo):
            yield from bounds(item.metadata)
        for name, sign in _SIGNS.items():
            if (value := getattr(item, name, None)) is not None:
                yield f"{sign}\N{NO-BREAK SPACE}{value:,g}"
        if (longest := getattr(item, "max_length", None)) is not None:
            yield f"of at most {longest} characters"


def default_of(field: FieldInfo | dataclasses.Field) -> str:
    """The default as a recipe writes it; empty where the key is required, or where it is a section."""
    missing = field.is_required() if isinstance(field, FieldInfo) else field.default is dataclasses.MISSING
    if missing and not getattr(field, "default_factory", None):
        return _REQUIRED
    if missing or is_section(type(field.default)):
        return ""
    if field.default is None:
        return "null"
    return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


def meanings_of(model: type) -> dict[str, str]:
    """What each key means, from the strings below the keys and from the docstring, base classes first."""
    found: dict[str, str] = {}
    for ancestor in reversed(model.__mro__):
        if ancestor.__module__.startswith("framegate."):
            found |= in_docstring(inspect.getdoc(ancestor) or "") | below_keys(ancestor)
    return found


def below_keys(model: type) -> dict[str, str]:
    """The string that stands below each key in the source."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(model))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for statement, following in zip(definition.body, definition.body[1:], strict=False):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    found[statement.target.id] = " ".join(text.split())
    return found


def in_docstring(text: str) -> dict[str, str]:
    """The entries under ``Args:`` or ``Attributes:``; ``a, b: words`` is an entry of both."""
    listed = re.split(r"^(?:Args|Attributes):\n", f"{text}\nArgs:\n", maxsplit=1, flags=re.MULTILINE)[1]
    found = {}
    for entry in re.finditer(r"^    (\w+(?:, \w+)*): (.+?)(?=^    \S|^\S|\Z)", listed, flags=re.MULTILINE | re.DOTALL):
        for name in entry[1].split(", "):
            found[name] = " ".join(entry[2].split())
    return found


def introduction(model: type) -> str:
    """A section's docstring without its list of keys."""
    text = inspect.getdoc(model) or ""
    return plain(re.split(r"^(?:Args|Attributes):", text, maxsplit=1, flags=re.MULTILINE)[0].strip())


def plain(text: str) -> str:
    """A docstring's marks as Markdown's."""
    return re.sub(r":\w+:`~?(?:\w+\.)*(\w+)`", r"`\1`", text).replace("``", "`")


def cell(text: str) -> str:
    """Text for a table's cell."""
    return " ".join(text.replace("|", "\\|").split())


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx of the directive."""
    app.add_directive("recipe-keys", RecipeKeys)
    return {"parallel_read_safe": True}
