"""Values of a recipe that may be ``auto``: `framegate.ssl.auto_settings` says what that is, once the store is known."""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag

Auto = Literal["auto"]

T = TypeVar("T", int, float)


def _kind(value: Any) -> str:
    return "Auto" if value == "auto" else "Number"


# By its kind, a value has one type that it is checked against, and a mistake one message.
_Either = Discriminator(_kind)
_Auto = Annotated[Auto, Tag("Auto")]
AutoCount = Annotated[Annotated[PositiveInt, Tag("Number")] | _Auto, _Either]
AutoRate = Annotated[Annotated[PositiveFloat, Tag("Number")] | _Auto, _Either]
AutoWeight = Annotated[Annotated[float, Field(ge=0), Tag("Number")] | _Auto, _Either]
AutoShare = Annotated[Annotated[float, Field(ge=0, le=1), Tag("Number")] | _Auto, _Either]


def number(value: T | Auto) -> T:
    """Return ``value``.

    Raises:
        ValueError: it is ``auto`` still; `framegate.recipes.pretrain.settle_auto` makes it a number.
    """
    if value == "auto":
        raise ValueError("a setting is 'auto' still: call settle_auto first")
    return value
