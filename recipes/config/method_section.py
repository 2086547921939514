"""The section ``method`` of a recipe: the settings of one registered method, chosen by its name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from framegate.media.nearest import nearest
from framegate.recipes.config.yaml_text import KeyPath
from framegate.ssl.methods.registry import registered
from framegate.ssl.methods.settings import MoCoV2Settings


def read_method(values: Any) -> Any:
    """Check a section ``method`` against the settings of the method that it names; none: moco_v2.

    Keys that only other methods have are left out (`PretrainConfig.ignored` names them).

    Raises:
        ValidationError: the method is not registered, or a value is wrong.
    """
    if not isinstance(values, dict):
        return values
    name = values.get("name", MoCoV2Settings.model_fields["name"].default)
    known = registered()
    if not isinstance(name, str) or name not in known:
        near = nearest(str(name), known)
        message = f"no method has this name (nearest: '{near}'); one of your own is known once its module is imported"
        unknown = PydanticCustomError("unknown_method", "{message}", {"message": message})
        raise ValidationError.from_exception_data("method", [{"type": unknown, "loc": ("name",), "input": name}])
    return known[name].model_validate(_without(values, foreign_keys(known[name], values)))


def foreign_keys(method: type[BaseModel], values: dict[str, Any]) -> dict[KeyPath, list[str]]:
    """Find the keys in ``values`` that other methods have and ``method`` has not, each with those methods' names."""
    return dict(_foreign(method, registered(), values))


def _foreign(
    section: type[BaseModel], others: Mapping[str, type[BaseModel]], values: dict[str, Any]
) -> Iterator[tuple[KeyPath, list[str]]]:
    for key, value in values.items():
        users = [name for name, other in others.items() if key in other.model_fields]
        if key not in section.model_fields:
            if users:
                yield (key,), users
        elif isinstance(value, dict) and (inner := _section(section, key)):
            within = {name: found for name in users if (found := _section(others[name], key))}
            for path, names in _foreign(inner, within, value):
                yield (key, *path), names


def _section(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    kind = model.model_fields[key].annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _without(values: dict[str, Any], keys: Iterable[KeyPath]) -> dict[str, Any]:
    values = dict(values)
    for first, *rest in keys:
        if rest:
            values[first] = _without(values[first], [tuple(rest)])
        else:
            del values[first]
    return values
