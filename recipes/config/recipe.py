"""Recipes: YAML files checked against models, with every mistake named by file, line and key."""

import logging
import os
import types
import typing
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from framegate.media.errors import ProblemsError
from framegate.media.nearest import nearest
from framegate.media.visible import quoted, visible
from framegate.recipes.config.yaml_text import MAX_BYTES, KeyPath, YamlError, read_yaml
from framegate.ssl.methods.registry import MethodSettings

_LOG = logging.getLogger(__name__)


class RecipeError(ProblemsError):
    """A recipe with mistakes: ``problems`` lists all of them, one a line."""


class Section(BaseModel):
    """A part of a recipe: unknown keys are refused, and its values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def unused(self) -> dict[KeyPath, str]:
        """The keys that have no effect because of other keys' values, each with the reason."""
        return {}

    def resolved(self, mode: Literal["json", "python"] = "json") -> dict[str, Any]:
        """Return all values, defaults included, without those that have no effect.

        ``mode``: ``json`` for plain values, ``python`` to keep paths as paths.
        """
        values = self.model_dump(mode=mode)
        for *parents, last in self.unused:
            section = values
            for parent in parents:
                section = section[parent]
            del section[last]
        return values

    def ignored(self, values: dict[str, Any]) -> dict[KeyPath, str]:
        """Find the keys in ``values``, from which this was read, that have no effect, each with the reason."""
        return {key: reason for key, reason in self.unused.items() if _is_given(values, key)}


class RecipeConfig(Section):
    """The options that all recipes share, and how recipes of the first version are read."""

    first_version: ClassVar[str] = "nothing in it has changed its meaning; add 'version: 2'"
    """What to know of a recipe without ``version``, and what to do."""

    version: Literal[2] = 2
    """of what the keys mean: since 2, ``lr`` is per 256 images in every recipe"""
    name: str = Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$")
    seed: int = 0
    run_dir: Path = Path("runs")

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """Check a recipe's values. Those without ``version`` are of the first, and learn as they did then.

        Raises:
            ValidationError: with all mistakes in them.
        """
        return cls.model_validate(values) if "version" in values else cls.of_first_version(values)

    @classmethod
    def of_first_version(cls, values: dict[str, Any]) -> Self:
        """Check values that were written before there were versions."""
        return cls.model_validate(values)


Recipe = TypeVar("Recipe", bound=RecipeConfig)


def read_recipe(
    model: type[Recipe], recipe: str | Path, overrides: tuple[str, ...] | list[str] = (), *, warn: bool = True
) -> Recipe:
    """Read a recipe and check it.

    A recipe without ``version`` brings a warning; in one with it, each key that has no effect does.

    Args:
        model: what it must look like.
        recipe: a YAML file, or the name of one that comes with framegate (``moco_small``).
        overrides: ``key.key=value``, later than the file; values are read as YAML.
        warn: say what the user should change; False for what no user wrote, such as a run's ``config.yaml``.

    Raises:
        RecipeError: with all mistakes: unknown keys with the nearest known one, values of the wrong kind, their lines.
    """
    path = find_recipe(recipe)
    values, lines = _read(path)
    places = {key: f"{visible(path)}:{line}" for key, line in lines.items()}
    for override in overrides:
        key = _apply(values, override)
        shown = _cut(visible(override))
        places |= {key[:end]: shown for end in range(1, len(key) + 1) if key[:end] not in lines} | {key: shown}
    try:
        config = model.of(values)
    except ValidationError as error:
        problems = [_describe(model, details, path, places) for details in error.errors()]
        raise RecipeError(problems) from error
    if warn and os.environ.get("RANK", "0") == "0":  # of several processes the first
        for warning in _warnings(config, values, path, places):
            _LOG.warning("%s", warning)
    return config


def read_values(path: Path) -> dict[str, Any]:
    """Read a YAML file of keys and values, such as a run's ``config.yaml``, without checking them against a model.

    Raises:
        RecipeError: it is none, or larger than any recipe.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[dict[str, Any], dict[KeyPath, int]]:
    """Return the values of a file, and the line of each key."""
    shown = visible(path)
    try:
        with path.open("rb") as file:
            values, lines = read_yaml(file.read(MAX_BYTES + 1))
    except OSError as error:
        raise RecipeError(f"{shown}: {error.strerror}") from error
    except YamlError as error:
        raise RecipeError(f"{shown}:{error.line}: {error}" if error.line else f"{shown}: {error}") from error
    if not isinstance(values, dict | None):
        raise RecipeError(f"{shown}: a recipe is a mapping of keys to values")
    return values or {}, lines


def find_recipe(recipe: str | Path) -> Path:
    """Return the file that ``recipe`` names: a path, or else the name of a recipe that comes with framegate."""
    path = Path(recipe)
    if path.is_file():
        return path
    folder = Path(str(files("framegate.recipes") / "configs"))
    for candidate in (folder / path.name, folder / f"{path.name}.yaml"):
        if path.name == str(recipe) and candidate.is_file():
            return candidate
    known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
    raise RecipeError(f"{visible(recipe)}: no such file, and none of framegate's own recipes ({known})")


def dump_recipe(config: Section) -> str:
    """Return the whole config as YAML, with defaults, without keys that have no effect."""
    return yaml.safe_dump(config.resolved(), sort_keys=False, allow_unicode=True)


def flat(values: dict[str, Any]) -> dict[str, Any]:
    """Return all values of a recipe by their dotted keys: ``{"optim.lr": 0.03, …}``."""
    return dict(_leaves(values))


def _leaves(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _apply(values: dict[str, Any], override: str) -> KeyPath:
    """Set one value that an override gives; return its key."""
    key, equals, value = override.partition("=")
    *parents, last = key.split(".")
    shown = quoted(override)
    if not equals or not all((*parents, last)):
        raise RecipeError(f"override {shown}: write KEY=VALUE, for example optim.epochs=5")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if inner is None:
            inner = values[parent] = {}
        if not isinstance(inner, dict):
            raise RecipeError(f"override {shown}: {quoted(parent)} is a value, not a section")
        values = inner
    try:
        values[last], _ = read_yaml(value.encode(errors="surrogateescape"))
    except YamlError as error:
        raise RecipeError(f"override {shown}: the value is {error}") from error
    return (*parents, last)


def _warnings(config: RecipeConfig, values: dict[str, Any], path: Path, places: dict[KeyPath, str]) -> Iterator[str]:
    if "version" not in values:
        yield f"{visible(path)}: a recipe without 'version' is read as an old one: {config.first_version}"
        return  # it may be the config of an old run, which has every key there was
    for key, reason in config.ignored(values).items():
        name = quoted(".".join(key))
        yield f"{_place(key, path, places)}: {name} has no effect: {reason}; a later framegate will refuse it"


def _is_given(values: Any, key: KeyPath) -> bool:
    for part in key:
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _place(key: KeyPath, path: Path, places: dict[KeyPath, str]) -> str:
    """Return the place of a key as ``file:line``, or else of its section."""
    return next((places[key[:end]] for end in range(len(key), 0, -1) if key[:end] in places), visible(path))


def _describe(model: type[Section], details: ErrorDetails, path: Path, places: dict[KeyPath, str]) -> str:
    is_unknown = details["type"] in ("extra_forbidden", "unexpected_keyword_argument")
    *parents, last = map(str, details["loc"]) if details["loc"] else ("",)
    key = tuple(part for part in parents if not _is_type_tag(part))
    if is_unknown or not _is_type_tag(last):
        key += (last,) if last else ()
    place = _place(key, path, places)
    name = quoted(".".join(key))
    if is_unknown:
        known = _keys(model, key[:-1])
        near = f" (nearest: '{'.'.join((*key[:-1], _nearest(last, known)))}')" if known else ""
        return f"{place}: unknown key {name}{near}"
    if details["type"] == "missing":
        return f"{place}: {name} is missing"
    if details["type"] == "value_error" and isinstance(details["input"], dict):  # values that do not go together
        return f"{place}: {details['ctx']['error']}"
    message = details["msg"][0].lower() + details["msg"][1:]
    return f"{place}: {name} is {_cut(repr(details['input']))}: {_cut(visible(message), max_length=120)}"


def _cut(text: str, *, max_length: int = 80) -> str:
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"


def _nearest(key: str, known: list[str]) -> str:
    """Return the known key most similar to ``key``; one that equals its initials (``lr``) comes first."""
    initials = "".join(word[:1] for word in key.split("_"))
    return initials if initials in known else nearest(key, known)


def _is_type_tag(part: str) -> bool:
    """Return whether a part of a place is the name of a type that pydantic tried (``StreamConfig``), and no key."""
    return part[:1].isupper()


def _keys(model: Any, path: KeyPath) -> list[str]:
    """Return the keys of the section at ``path``; where it may be of several types, those of all."""
    sections = _members(model)
    for part in path:
        inner = (_fields(section).get(part) for section in sections)
        sections = tuple(member for annotation in inner for member in _members(annotation))
    return list(dict.fromkeys(key for section in sections for key in _fields(section)))


def _fields(section: Any) -> dict[str, Any]:
    if isinstance(section, type) and issubclass(section, BaseModel):
        return {name: field.annotation for name, field in section.model_fields.items()}
    if is_dataclass(section):
        hints = typing.get_type_hints(section)
        return {field.name: hints[field.name] for field in fields(section)}
    return {}


def _members(model: Any) -> tuple[Any, ...]:
    """The types that a section may be of: those of a union, or of all registered methods."""
    if isinstance(model, type) and issubclass(model, MethodSettings):
        return model.variants()
    return typing.get_args(model) if typing.get_origin(model) in (typing.Union, types.UnionType) else (model,)
