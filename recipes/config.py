"""Recipes: YAML files checked against models, with every mistake named by file, line and key."""

import difflib
import types
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

Path_ = tuple[str, ...]
"""Where a value stands in a recipe: ``("optim", "lr")``."""


class RecipeError(ValueError):
    """Everything that is wrong with a recipe, a line each."""


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, and nothing changes after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Recipe = TypeVar("Recipe", bound=Section)


def read_recipe(model: type[Recipe], recipe: str | Path, overrides: tuple[str, ...] | list[str] = ()) -> Recipe:
    """Read a recipe and check it.

    Args:
        model: what it must look like.
        recipe: a YAML file, or the name of one that comes with framegate (``moco_small``).
        overrides: ``key.key=value``, later than the file; values are read as YAML.

    Raises:
        RecipeError: with all mistakes: unknown keys with the nearest known one, values of the wrong kind, their lines.
    """
    path = find_recipe(recipe)
    try:
        text = path.read_text(encoding="utf-8")
        values = yaml.safe_load(text) or {}
        lines = dict(_lines(yaml.compose(text)))
    except OSError as error:
        raise RecipeError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: a recipe is a mapping of keys to values")
    places = {key: f"{path}:{line}" for key, line in lines.items()}
    for override in overrides:
        key = _apply(values, override)
        places |= {key[:end]: override for end in range(1, len(key) + 1) if key[:end] not in lines} | {key: override}
    try:
        return model.model_validate(values)
    except ValidationError as error:
        problems = [_describe(model, details, path, places) for details in error.errors()]
        raise RecipeError("\n".join(problems)) from error


def find_recipe(recipe: str | Path) -> Path:
    """The file that ``recipe`` names: a path, else one of framegate's own by name."""
    path = Path(recipe)
    if path.is_file():
        return path
    own = Path(str(files("framegate.recipes")))
    for candidate in (own / path.name, own / f"{path.name}.yaml"):
        if path.name == str(recipe) and candidate.is_file():
            return candidate
    known = ", ".join(sorted(file.stem for file in own.glob("*.yaml")))
    raise RecipeError(f"{recipe}: no such file, and none of framegate's own recipes ({known})")


def dump_recipe(config: Section) -> str:
    """The whole config, defaults included, as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """All values of a recipe by their dotted keys: ``{"optim.lr": 0.03, …}``."""
    return dict(_leaves(values))


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _apply(values: dict[str, Any], override: str) -> Path_:
    """Set one value, and say where."""
    key, equals, value = override.partition("=")
    *parents, last = key.split(".")
    if not equals or not all((*parents, last)):
        raise RecipeError(f"override '{override}': write KEY=VALUE, for example optim.epochs=5")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if inner is None:
            inner = values[parent] = {}
        if not isinstance(inner, dict):
            raise RecipeError(f"override '{override}': '{parent}' is a value, not a section")
        values = inner
    try:
        values[last] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise RecipeError(f"override '{override}': the value is not readable as YAML") from error
    return (*parents, last)


def _lines(node: yaml.Node | None, prefix: Path_ = ()) -> Iterator[tuple[Path_, int]]:
    """The line of each key."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            path = (*prefix, str(key.value))
            yield path, key.start_mark.line + 1
            yield from _lines(value, path)


def _describe(model: type[Section], details: ErrorDetails, path: Path, places: dict[Path_, str]) -> str:
    key = tuple(str(part) for part in details["loc"] if not _is_type_tag(str(part)))
    place = next((places[key[:end]] for end in range(len(key), 0, -1) if key[:end] in places), str(path))
    name = ".".join(key)
    if details["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        nearest = ".".join((*key[:-1], _nearest(key[-1], _keys(model, key[:-1]))))
        return f"{place}: unknown key '{name}' (nearest: '{nearest}')"
    if details["type"] == "missing":
        return f"{place}: '{name}' is missing"
    if details["type"] == "value_error" and isinstance(details["input"], dict):  # values that do not go together
        return f"{place}: {details['ctx']['error']}"
    message = details["msg"][0].lower() + details["msg"][1:]
    return f"{place}: '{name}' is {details['input']!r}: {message}"


def _nearest(key: str, known: list[str]) -> str:
    """The known key most like ``key``; one that stands for its initials (``lr``) is the likest."""
    initials = "".join(word[:1] for word in key.split("_"))
    return initials if initials in known else difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]


def _is_type_tag(part: str) -> bool:
    """Pydantic names the member of a union that it tried (``StreamConfig``); no key of ours looks like that."""
    return part[:1].isupper()


def _keys(model: Any, path: Path_) -> list[str]:
    """The keys that the section at ``path`` knows."""
    for part in path:
        model = _fields(model).get(part)
    return list(_fields(model))


def _fields(model: Any) -> dict[str, Any]:
    for member in _members(model):
        if isinstance(member, type) and issubclass(member, BaseModel):
            return {name: field.annotation for name, field in member.model_fields.items()}
        if is_dataclass(member):
            hints = typing.get_type_hints(member)
            return {field.name: hints[field.name] for field in fields(member)}
    return {}


def _members(model: Any) -> tuple[Any, ...]:
    return typing.get_args(model) if typing.get_origin(model) in (typing.Union, types.UnionType) else (model,)
