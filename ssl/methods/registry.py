"""The methods that a recipe can name: each is a settings class, which says its keys and builds it."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field

from framegate.ssl.methods.auto_value import AutoShare

if TYPE_CHECKING:  # a recipe is read without torch
    from framegate.ssl.backbones.backbone import Backbone
    from framegate.ssl.methods.method import Method

KeyPath = tuple[str, ...]


class MethodSettings(BaseModel, ABC):
    """What a recipe says of a method in its section ``method``; `build` makes the method of it.

    Each method has a subclass with a ``name`` of its own, and fields for its keys; `register` makes it known. Unknown
    keys are refused, and nothing changes after reading.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    """in a subclass a `Literal` of one text, which is also the default"""
    positive_seconds: float = Field(default=0.0, ge=0)
    """the second view may show a frame of the same shot at most this far away; 0: the same frame"""

    @abstractmethod
    def build(self, backbone: Backbone, *, programmes: int) -> Method:
        """Make the method, with fresh weights around ``backbone``.

        Args:
            backbone: what is trained and exported.
            programmes: how many programmes the store has; most methods have no use for it.

        Raises:
            MediaError: the store has nothing that this method can learn from.
        """

    @property
    def same(self) -> Literal["source", "frame"]:
        """Which frames share a number in `ViewBatch.source`: those of one source file, or the very same frame alone."""
        return "source"

    @property
    def pairing(self) -> Literal["two_views", "same_crop"]:
        """How the views of a frame belong together; see `framegate.augment.pairs.Pairing`."""
        return "two_views"

    @property
    def second_size(self) -> int | None:
        """Pixels a side of the second view; None: as many as the first has."""
        return None

    @property
    def unused(self) -> dict[KeyPath, str]:
        """The keys that have no effect because of what others say, each with the reason."""
        return {}

    @classmethod
    def variants(cls) -> tuple[type[MethodSettings], ...]:
        """Return the settings of all registered methods: what a section ``method`` may be."""
        return tuple(_REGISTERED.values())


class KeyEncoderSettings(MethodSettings):
    """Settings of a method with a key encoder: a second encoder, which follows the first as a moving average."""

    momentum: AutoShare = 0.999
    """of the key encoder; auto: by the batch and the queue"""
    momentum_end: float | None = Field(default=None, ge=0, le=1)
    """momentum rises to this by half a cosine; null: it stays"""
    symmetric: bool = False
    """each view is once the query and once the key; views.attention needs it"""


_REGISTERED: dict[str, type[MethodSettings]] = {}

Settings = TypeVar("Settings", bound=type[MethodSettings])


def register(settings: Settings) -> Settings:
    """Make a method known to recipes under its settings' ``name``; to be used as a class decorator.

    Registering is for Python: a script that imports the module of its method and then calls
    `framegate.recipes.pretrain.pretrain` or `framegate.recipes.cli.main`. A recipe names methods, and runs no code.

    Raises:
        ValueError: the settings have no ``name: Literal["…"] = "…"`` or no ``build``, or another method has that name.

    Example:
        >>> from typing import Literal
        >>> from framegate.ssl.methods import MethodSettings, register
        >>> @register
        ... class NearestSettings(MethodSettings):
        ...     name: Literal["nearest"] = "nearest"
        ...     neighbours: int = 5
        ...     def build(self, backbone, *, programmes):
        ...         return Nearest(backbone, neighbours=self.neighbours)
    """
    model: type[MethodSettings] = settings
    field = model.model_fields["name"]
    if get_args(field.annotation) != (field.default,):
        raise ValueError(f'{settings.__name__} needs a name of its own: name: Literal["mine"] = "mine"')
    known = _REGISTERED.get(field.default)
    if known is not None and _origin(known) != _origin(settings):
        raise ValueError(f"a method {field.default!r} is registered already: {'.'.join(_origin(known))}")
    if inspect.isabstract(settings):
        raise ValueError(f"{settings.__name__} lacks {', '.join(sorted(settings.__abstractmethods__))}")
    _REGISTERED[field.default] = settings  # the same class again: its module was reloaded, as in a notebook
    return settings


def registered() -> Mapping[str, type[MethodSettings]]:
    """Return the settings of all registered methods by name, framegate's own first."""
    return MappingProxyType(_REGISTERED)


def _origin(settings: type[MethodSettings]) -> tuple[str, str]:
    return settings.__module__, settings.__qualname__
