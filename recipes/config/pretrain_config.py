"""What a pretraining recipe may say."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    Field,
    PositiveInt,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from framegate.augment import ViewPolicy
from framegate.recipes.config.recipe import Section
from framegate.recipes.config.sections import Checkpoint, Compute, Log, Optim, TrainingConfig
from framegate.recipes.config.yaml_text import KeyPath
from framegate.ssl.methods.registry import KeyEncoderSettings, MethodSettings, registered
from framegate.ssl.methods.settings import MoCoV2Settings


class PretrainData(Section):
    """Which frames."""

    store: Path
    split: Literal["train", "val", "test", "all"] = "train"
    workers: int | None = Field(default=None, ge=0)
    """processes that make views, for each training process; null: its share of the cores"""
    frames_per_video: PositiveInt | None = None
    """an epoch takes this many frames of each video; null: each frame once"""
    same_look: float = Field(default=0.5, ge=0, le=1)
    """share of the frames that stand in a batch beside frames of other sources with their look"""


class BackboneChoice(Section):
    """Which network."""

    name: str = "efficientnet_b0"
    weights: str | None = None
    """null: random; timm: those timm downloads; or a path"""
    image_size: PositiveInt = 224


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
        quoted = [f"'{each}'" for each in known]
        expected = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
        raise ValidationError.from_exception_data(
            "method", [{"type": "literal_error", "loc": ("name",), "input": name, "ctx": {"expected": expected}}]
        )
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


class PretrainConfig(TrainingConfig):
    """A whole pretraining recipe."""

    data: PretrainData
    backbone: BackboneChoice = BackboneChoice()
    method: Annotated[SerializeAsAny[MethodSettings], BeforeValidator(read_method)] = MoCoV2Settings()
    views: ViewPolicy = ViewPolicy()
    optim: Optim = Optim()
    compute: Compute = Compute()
    log: Log = Log()
    checkpoint: Checkpoint = Checkpoint()

    @property
    def unused(self) -> dict[KeyPath, str]:
        """The keys that have no effect because of what others say, each with the reason."""
        return {("method", *key): reason for key, reason in self.method.unused.items()}

    def ignored(self, values: dict[str, Any]) -> dict[KeyPath, str]:
        """Find the keys in ``values`` that have no effect, each with the reason; those of other methods first."""
        given = values.get("method") or {}
        reasons = {
            ("method", *key): f"method.name is {self.method.name}, and {_alone(users)} it"
            for key, users in foreign_keys(type(self.method), given).items()
        }
        return reasons | super().ignored(values)

    @model_validator(mode="after")
    def _attention_needs_both_keys(self) -> "PretrainConfig":
        method = self.method
        if self.views.attention and not (isinstance(method, KeyEncoderSettings) and method.symmetric):
            raise ValueError(
                "views.attention needs a key encoder that sees both views: method.name moco_v2 or moco_v3, and "
                "method.symmetric true"
            )
        return self


def _alone(users: list[str]) -> str:
    return f"{' or '.join(users)} alone {'use' if users[1:] else 'uses'}"
